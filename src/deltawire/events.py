"""Events: reading them from bytes, and writing them."""

from typing import TYPE_CHECKING, Any

import msgspec

from . import _backend
from .records import ServerSentEvent

if TYPE_CHECKING:
    from ._pure.events import EventParser
else:
    EventParser = _backend.twin("events").EventParser

__all__ = ["EventParser", "ServerSentEvent", "encode_comment", "encode_event"]


def encode_event(data: Any, *, event: str | None = None, id: str | None = None, retry: int | None = None) -> bytes:
    """Return one event as the bytes of an event stream, its blank line included.

    Args:
        data: str or bytes-like as it is, each of its lines on a line of its own (CR and
            CRLF become LF for the reader); anything else as the JSON that msgspec gives.
        event: the event's type; the reader takes "message" where there is none.
        id: the last event ID from here on.
        retry: the reconnection time in ms.

    Raises:
        ValueError: a line end in `event` or `id`, a NUL in `id`, or a negative `retry`.
        TypeError: data that msgspec cannot encode.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream".
    """
    fields = []
    for name, value in (("event", event), ("id", id)):
        if value is not None:
            if "\n" in value or "\r" in value or (name == "id" and "\0" in value):
                raise ValueError(f"{name} {value!r} holds a line end or a NUL")
            fields.append(f"{name}: {value}\n".encode("utf-8", "replace"))
    if retry is not None:
        if retry < 0:
            raise ValueError(f"retry of {retry} ms, at least 0 expected")
        fields.append(b"retry: %d\n" % retry)
    if isinstance(data, str):
        text = data.encode("utf-8", "replace")
    elif isinstance(data, (bytes, bytearray, memoryview)):
        text = bytes(data)
    else:
        text = msgspec.json.encode(data)
    # splitlines() would drop an empty last line, which is data too.
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    fields.extend(b"data: %s\n" % line for line in lines)
    return b"".join(fields) + b"\n"


def encode_comment(text: str = "") -> bytes:
    """Return a comment as the bytes of an event stream, with a blank line: what keeps an idle stream alive.

    Args:
        text: each of its lines becomes a comment of its own.

    Source: WHATWG HTML, 9.2.7 "Authoring notes".
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "".join(f": {line}\n" if line else ":\n" for line in lines).encode("utf-8", "replace") + b"\n"
