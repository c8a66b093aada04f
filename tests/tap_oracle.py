"""What a tap must report: a whole body at once, plainly and slowly.

First bytes become events, each with its place; then all that they say becomes a report.

Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
"""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from .family_oracle import (
    bears_output,
    family_of,
    index_of,
    items,
    members,
    said_usage,
    some,
    text_of,
    usage_of,
    without_none,
)
from .folding_oracle import without_surrogates

# --- from bytes to events -------------------------------------------------------------

COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x01", b"\x78\x9c", b"\x78\xda")
BOM = b"\xef\xbb\xbf"
LINE_END = re.compile(b"\r\n|\r|\n")
BLANKS = " \t\r\n"


class Event(NamedTuple):
    """What a blank line dispatched, or an `error: {…}` line (then `data` is what follows the colon)."""

    name: str
    data: str
    end: int  # bytes of the body up to where it is known
    is_line: bool = False
    is_cut: bool = False  # the body ended without its blank line


def lines_of(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Give each finished line and the offset behind its line end, CR LF counting as known at CR."""
    start = len(BOM) if body.startswith(BOM) else 0
    for end in LINE_END.finditer(body):
        if end.start() >= start:
            yield body[start : end.start()], end.start() + 1
            start = end.end()


def events_of(body: bytes) -> list[Event]:
    """Return what a body dispatches; the event in progress at its end is dispatched too, at `len(body)`."""
    found = []
    name, data = "", []
    size = len(body)
    last = LINE_END.split(body.removeprefix(BOM))[-1]
    unfinished = [(last, size)] if last else []
    for line, end in [*lines_of(body), *unfinished, (None, size)]:
        field, _, value = (line or b"").decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                found.append(Event(name, "\n".join(data), end, is_cut=line is None))
            name, data = "", []
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "error" and value.startswith("{"):
            found.append(Event("error", value, end, is_line=True))
    return found


def at_boundary(prefix: bytes) -> bool:
    """Tell whether what has come ends where a comment may stand."""
    if prefix in (b"", BOM):
        return True
    if prefix[-1:] not in (b"\n", b"\r"):
        return False
    under_way = False
    for line, _ in lines_of(prefix):
        if not line.startswith(b":"):
            under_way = line != b""
    return not under_way


# --- from all that was said to a report -----------------------------------------------

ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled", "message_stop")


class Seen:
    """What has been said so far."""

    def __init__(self, family: str | None) -> None:
        self.family = family
        self.events = self.chunks = self.faults = 0
        self.usage: dict[str, Any] | None = None
        self.finish_reasons: dict[int, str | None] = {}
        self.model: str | None = None
        self.id: str | None = None
        self.error: Any = None
        self.errored = self.done = False
        self.outputs: list[int] = []  # where events that bear output end
        self.ends: list[int] = []  # where events with data end
        self.text = ""

    def take(self, event: Event) -> None:
        is_end = event.data.strip(BLANKS) == "[DONE]" and not event.is_line
        payload, faulty = decoded(event.data)
        if is_end or event.data.strip(BLANKS) == "":
            payload, faulty = event.data, False
        # Chosen: what the end of the body has cut is an event only where it can be read.
        if faulty and event.is_cut and event.name != "error":
            return
        if not event.is_line:
            self.events += 1
            self.ends += [] if event.is_cut else [event.end]
            self.faults += faulty
            self.chunks += isinstance(payload, dict)
        if is_end:
            self.done = True
            return
        is_object = isinstance(payload, dict) and not event.is_line
        if is_object and self.family is None:
            self.family = family_of(payload)
        self.take_error(event, payload)
        if is_object:
            self.take_chunk(payload, event.end)

    def take_error(self, event: Event, payload: Any) -> None:
        kind = members(payload, "type")
        error = members(payload, "error")
        if kind == "response.failed" and event.name != "error":
            error = error or members(payload, "response", "error")
        if error or event.name == "error" or kind in ("error", "response.failed"):
            if not self.errored:
                self.error = error or payload
            self.errored = True

    def take_chunk(self, payload: dict[str, Any], end: int) -> None:
        source = payload
        if self.family in ("responses", "messages"):
            source = payload.get("response" if self.family == "responses" else "message")
        self.model = self.model or named(members(source, "model"))
        self.id = self.id or named(members(source, "id"))
        usage = said_usage(payload)
        if usage is not None and self.family == "messages":
            # The last one may tell only what has changed since the first.
            self.usage = (self.usage or {}) | some(**usage)
        elif usage is not None:
            self.usage = usage
        self.take_finish(payload)
        self.done = self.done or payload.get("type") in ENDS
        if bears_output(payload, self.family):
            self.outputs.append(end)
        self.text += text_of(payload, self.family)

    def take_finish(self, payload: dict[str, Any]) -> None:
        kind = payload.get("type")
        if self.family in ("chat", "completions"):
            for place, choice in enumerate(items(payload.get("choices"))):
                self.finish(index_of(choice, place), said_reason(members(choice, "finish_reason")))
        elif self.family == "responses" and ("response" in payload or kind in ENDS):
            self.finish(0, reason_of_response(str(kind), payload.get("response")))
        elif self.family == "messages" and kind in ("message_start", "message_delta"):
            self.finish(0, said_reason(members(payload, "delta", "stop_reason")))

    def finish(self, index: int, reason: str | None) -> None:
        self.finish_reasons[index] = reason or self.finish_reasons.get(index)


def reason_of_response(kind: str, response: Any) -> str | None:
    if kind == "response.incomplete":
        return members(response, "incomplete_details", "reason") or "incomplete"
    return kind.removeprefix("response.") if kind in ENDS else None


def decoded(data: str) -> tuple[Any, bool]:
    """Return the payload, or its text, and whether it is one that nothing can be made of."""
    try:
        payload = without_surrogates(json.loads(data))
    except (ValueError, RecursionError):
        return data, True
    return payload, not isinstance(payload, dict | None)


def said_reason(value: Any) -> str | None:
    if isinstance(value, (int, dict, list)):
        value = json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, str) and value not in ("", "null") else None


def named(value: Any) -> str | None:
    return value or None if isinstance(value, str) else None


def read(body: bytes, family: str = "auto") -> Seen:
    """Return what a body says; what follows its end says nothing."""
    seen = Seen(None if family == "auto" else family)
    for event in events_of(body):
        if not seen.done:
            seen.take(event)
    return seen


def status_of(seen: Seen, body: bytes, *, closed: bool) -> str:
    if body.startswith(COMPRESSED) and len(body) > 2:
        return "unreadable"
    if seen.errored:
        return "errored"
    if seen.done:
        return "done"
    if not closed:
        return "open"
    if body and not seen.events and not begins_a_stream(body.removeprefix(BOM)):
        return "unreadable"
    reasons = seen.finish_reasons.values()
    return "finished_without_done" if reasons and None not in reasons else "truncated"


FIELDS = (b"data", b"event", b"id", b"retry", b"error")


def begins_a_stream(body: bytes) -> bool:
    """Tell whether the first line is one of an event stream, as far as it came (chosen: the first line tells)."""
    line, *more = LINE_END.split(body, maxsplit=1)
    field, colon, _ = line.partition(b":")
    if more or colon:
        return field == b"" or field in FIELDS
    return any(name.startswith(field) for name in FIELDS)


def reported(body: bytes, family: str = "auto") -> dict[str, Any]:
    """Return what a report must say of a body once it is closed; times apart."""
    seen = read(body, family)
    usage = None if seen.usage is None else without_none(usage_of(seen.usage, seen.family))
    tokens = (usage or {}).get("completion_tokens")
    return {
        "status": status_of(seen, body, closed=True),
        "family": seen.family,
        "usage": usage,
        "finish_reasons": dict(sorted(seen.finish_reasons.items())),
        "model": seen.model,
        "id": seen.id,
        "error": seen.error,
        "events": seen.events,
        "chunks": seen.chunks,
        "faults": seen.faults,
        "bytes": len(body),
        "output_tokens": len(seen.outputs) if tokens is None else tokens,
        "output_tokens_source": "chunks" if tokens is None else "usage",
        "text": seen.text,
    }


def observed(report: Any) -> dict[str, Any]:
    """Return the same of a report: its names, and of usage what was sent."""
    found = msgspec.to_builtins(report, str_keys=False)
    return {name: found[name] for name in reported(b"")} | {"usage": without_none(found["usage"])}


def timed(body: bytes, ends: list[int], instants: list[int]) -> dict[str, int | None]:
    """Return the times that a report must have where the reads end at `ends`, and came at `instants`; from 0 on."""
    bearing = sorted({next(place for place, end in enumerate(ends) if end >= output) for output in read(body).outputs})
    came = [instants[place] for place in bearing]
    gaps = [after - before for before, after in pairwise(came)]
    return {
        "time_to_first_byte": next((at for at, end in zip(instants, ends, strict=True) if end), None),
        "time_to_first_token": came[0] if came else None,
        "last_token_at": came[-1] if came else None,
        "max_gap": max(gaps, default=None),
    }


# --- feeding a tap --------------------------------------------------------------------


def watch(tap: Any, body: bytes, ends: list[int], instants: list[int] | None = None) -> list[int]:
    """Feed the reads that end at `ends`; return how many events each completed."""
    starts = [0, *ends[:-1]]
    instants = instants or list(range(len(ends)))
    return [tap.feed(body[start:end], at=at) for start, end, at in zip(starts, ends, instants, strict=True)]


def every(size: int, body: bytes) -> list[int]:
    return [*range(size, len(body), size), len(body)]
