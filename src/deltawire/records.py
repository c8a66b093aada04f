"""The plain records that both twins hand out."""

from typing import Any

import msgspec


class ServerSentEvent(msgspec.Struct, gc=False):
    """One dispatched event.

    Attributes:
        event: the event's type, "message" where the stream names none.
        data: its data lines, joined by LF.
        id: the last event ID at its dispatch; it persists from event to event.
        retry: the reconnection time in ms that this very event carried, else None.

    Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None


class StreamEnd(msgspec.Struct, kw_only=True):
    """How a stream ended.

    Attributes:
        done: the sentinel (`[DONE]`) was seen.
        finish_reasons: by the index of each choice seen, None where none came. "" and
            "null" are sent for none, and read so.
        complete: `done`, or else at least one choice was seen and each has finished.
        unterminated: the last event lacked its blank line, and was read all the same.
        discarded: bytes of an unfinished event that were not read.
        chunks: what `finish()` itself decoded: the unterminated event, or the rest of
            a read that had stopped at a faulty event.
    """

    done: bool = False
    finish_reasons: dict[int, str | None] = msgspec.field(default_factory=dict)
    complete: bool = False
    unterminated: bool = False
    discarded: int = 0
    chunks: list[Any] = msgspec.field(default_factory=list)


class DecoderStats(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a decoder has read so far.

    Attributes:
        bytes: bytes read, up to `[DONE]`.
        events: events dispatched, those without a chunk included.
        chunks: chunks decoded.
        coerced: chunks of which a member was of another kind than the type asks, and
            was brought to it.
        hits: payloads that a stencil matched, so that msgspec did not decode them.
        misses: payloads that none matched; where stencils are off, neither is counted.
        learned: how often a stencil was cut, or cut anew with more slots.
    """

    bytes: int = 0
    events: int = 0
    chunks: int = 0
    coerced: int = 0
    hits: int = 0
    misses: int = 0
    learned: int = 0
