"""The event stream algorithm, word for word: the whole stream at once, slowly.

Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
"""

import re
from typing import NamedTuple


class Outcome(NamedTuple):
    """What a stream dispatches, and what it leaves behind."""

    events: list[tuple[str, str, str, int | None]]  # type, data, id, retry
    last_event_id: str
    reconnection_time: int | None


def interpret(stream: bytes, last_event_id: str = "") -> Outcome:
    """Return what the stream dispatches."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    # The last piece has no line end: at the end of the stream it is discarded.
    lines = re.split("\r\n|\n|\r", text)[:-1]
    events = []
    id_buffer = last_event_id
    reconnection_time = retry = None
    type_buffer = data_buffer = ""
    for line in lines:
        if line == "":
            last_event_id = id_buffer
            if data_buffer:
                events.append((type_buffer or "message", data_buffer.removesuffix("\n"), last_event_id, retry))
            type_buffer = data_buffer = ""
            retry = None
            continue
        if line.startswith(":"):
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            type_buffer = value
        elif field == "data":
            data_buffer += value + "\n"
        elif field == "id" and "\0" not in value:
            id_buffer = value
        elif field == "retry" and re.fullmatch("[0-9]+", value) and int(value) < 2**63:
            reconnection_time = retry = int(value)
    return Outcome(events, last_event_id, reconnection_time)


def observed(parser: object, *reads: bytes) -> Outcome:
    """Return the same of a parser that is fed `reads`."""
    events = [event for read in reads for event in parser.feed(read)]
    return Outcome(
        [(event.event, event.data, event.id, event.retry) for event in events],
        parser.last_event_id,
        parser.reconnection_time,
    )
