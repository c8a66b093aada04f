"""The event stream format in plain Python.

Every rule is one of WHATWG HTML, 9.2.5 "Parsing an event stream" and 9.2.6
"Interpreting an event stream":
https://html.spec.whatwg.org/multipage/server-sent-events.html

The standard decodes the whole stream before it splits it. Here lines are split first
and decoded last, which gives the same: CR, LF and the colon are never part of a longer
UTF-8 sequence, and a sequence that a line end cuts short is replaced either way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Never, final

from ..errors import ConcurrentFeedError, LimitExceededError
from ..limits import DEFAULT_LIMITS, Limits, checked_limits
from ..records import ServerSentEvent

if TYPE_CHECKING:
    from typing_extensions import Buffer

BOM = b"\xef\xbb\xbf"
INT64_MAX = 2**63 - 1


# Type, data and retry of the lines between two blank lines. The type is None for an
# `error: {…}` line, which a reader with `error_lines` gives by itself, at the line's end.
Block = tuple[bytes | None, bytes, int | None]


class EventReader:
    """Turns bytes into blocks, cut anywhere. What `EventParser` and the decoders share.

    `read` is a generator that holds the rest of its read: a decoder that stops at a
    faulty event resumes it later.
    """

    def __init__(self, limits: Limits, last_event_id: str = "", *, error_lines: bool = False) -> None:
        self._max_event = limits.max_event or sys.maxsize
        self._error_lines = error_lines
        self._id = self.last_event_id = last_event_id
        self.reconnection_time: int | None = None
        self._clear()

    def _clear(self) -> None:
        self._at_start = True  # a BOM may come
        self._after_cr = False  # an LF that comes next belongs to that CR
        self._line = bytearray()  # the line in progress
        self._end_block()

    def _end_block(self) -> None:
        self._type = b""
        self._data: bytes | bytearray | None = None  # of its data lines, joined
        self._retry: int | None = None
        self._size = 0  # of the finished lines, as `Limits.max_event` counts it
        self._unfinished = 0  # bytes of the stream since the last blank line

    @property
    def at_boundary(self) -> bool:
        """Whether no line is under way, and no field has come since the last blank line."""
        return not self._line and not self._unfinished

    def read(self, read: bytes) -> Iterator[Block]:
        """Yield the blocks that `read` completes.

        Raises:
            LimitExceededError: see `Limits.max_event`.
        """
        for line in self._continue(read).splitlines(keepends=True):
            content = line.rstrip(b"\r\n")
            if len(content) == len(line):
                self._line += line
                self._check(len(self._line))
                return
            terminator = len(line) - len(content)
            if self._line:
                self._line += content
                content = bytes(self._line)
                self._line.clear()
            if content:
                if self._size + len(content) > self._max_event:
                    self._check(len(content))
                if content.startswith(b"data:"):
                    # The one field that every event has, without a call for each.
                    value = content[6:] if content.startswith(b" ", 5) else content[5:]
                    if self._data is None:
                        self._data = value
                    else:
                        self._add_data(value)
                    self._size += len(value) or 1
                    self._unfinished += len(content) + terminator
                elif (error := self._field(content, terminator)) is not None:
                    yield error
            else:
                self.last_event_id = self._id
                if (data := self._data) is not None:
                    block = self._type, bytes(data), self._retry
                    self._end_block()
                    yield block
                elif self._unfinished:
                    self._end_block()

    def _continue(self, data: bytes) -> bytes:
        """Return `data` without a BOM at the stream's start, and without the LF of a CR read before."""
        if self._at_start:
            data = bytes(self._line) + data
            self._line.clear()
            if len(data) < len(BOM) and BOM.startswith(data):
                self._line += data
                return b""
            self._at_start = False
            data = data.removeprefix(BOM)
        if data and self._after_cr:
            if data.startswith(b"\n"):
                data = data[1:]
                if self._unfinished:
                    self._unfinished += 1
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data

    def _check(self, line: int) -> None:
        if self._size + line > self._max_event:
            size = self._size + line
            raise LimitExceededError(
                f"event of {size} bytes, at most {self._max_event} allowed", measured=size, allowed=self._max_event
            )

    def _field(self, line: bytes, terminator: int) -> Block | None:
        """Take in one line that is not blank; return a block if it is an `error: {…}` line."""
        if line.startswith(b":"):
            # A comment before the first field is no part of an event.
            if self._unfinished:
                self._unfinished += len(line) + terminator
            return None
        self._unfinished += len(line) + terminator
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add_data(value)
        elif name == b"event":
            self._type = value
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode(errors="replace")
        else:
            self._size += 1
            if name == b"retry":
                self._set_retry(value)
            elif name == b"error" and self._error_lines and value.startswith(b"{"):
                return None, value, None
            return None
        self._size += max(1, len(value))
        return None

    def _add_data(self, value: bytes) -> None:
        if self._data is None:
            self._data = value
        else:
            if isinstance(self._data, bytes):
                self._data = bytearray(self._data)  # not a list: each of many short lines would take 40 bytes more
            self._data += b"\n" + value

    def _set_retry(self, value: bytes) -> None:
        digits = value.lstrip(b"0") or b"0"
        # Measured before it is converted: int() of a long text is slow, and may refuse.
        if value.isdigit() and len(digits) <= len(str(INT64_MAX)) and int(digits) <= INT64_MAX:
            self._retry = self.reconnection_time = int(digits)

    def rest(self) -> Iterator[Block]:
        """Yield what an end of line, and then a blank line, would have given at the stream's end."""
        if self._line:
            line = bytes(self._line)
            self._line.clear()
            if (error := self._field(line, 0)) is not None:
                yield error
        if self._data is not None:
            yield self._type, bytes(self._data), self._retry

    def finish(self) -> int:
        """End the stream and return the bytes of its unfinished block.

        A later `read` begins a new stream, with the last event ID and the reconnection time kept.
        """
        discarded = self._unfinished
        if self._line and (discarded or not self._line.startswith(b":")):
            discarded += len(self._line)
        self._id = self.last_event_id
        self._clear()
        return discarded


class Exclusive:
    """Serves one call at a time, and is not pickled: it may be in the middle of a stream."""

    _busy = False  # a call is under way

    def __reduce__(self) -> Never:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object: it may be in the middle of a stream")

    def _check_idle(self, call: str) -> None:
        if self._busy:
            raise ConcurrentFeedError(f"{call}() while another call is under way")

    def _enter(self, call: str) -> None:
        self._check_idle(call)
        self._busy = True


@final
class EventParser(Exclusive):
    """Reads an event stream, cut into reads anywhere.

    Sans-I/O: bytes go in, events come out. Parsers share no state.

    Args:
        last_event_id: where a reconnection begins: the id of the events until one is sent.
        limits: `max_event` bounds an event that is not dispatched yet.

    Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
    """

    def __init__(self, *, last_event_id: str = "", limits: Limits = DEFAULT_LIMITS) -> None:
        if not isinstance(last_event_id, str):
            raise TypeError(f"last_event_id must be a str, not {type(last_event_id).__name__}")
        first_event_id = str.__str__(last_event_id)  # plain, whatever a subclass says of itself
        checked_limits(limits)
        self._check_idle("__init__")
        self._first_event_id = first_event_id
        self._limits = limits
        self.reset()

    def reset(self) -> None:
        """Forget everything read, as if newly made.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        self._check_idle("reset")
        self._reader = EventReader(self._limits, self._first_event_id)
        self._error: LimitExceededError | None = None

    @property
    def error(self) -> LimitExceededError | None:
        """The fault at which `feed` stopped, and which every later call raises until `reset()`."""
        return self._error

    @property
    def last_event_id(self) -> str:
        """The last event ID, as the last blank line left it."""
        return self._reader.last_event_id

    @property
    def reconnection_time(self) -> int | None:
        """The reconnection time in ms that the stream asked for last, None if it did not."""
        return self._reader.reconnection_time

    def feed(self, data: Buffer) -> list[ServerSentEvent]:
        """Return the events that `data` completes, in order.

        `data` may end anywhere, inside a UTF-8 character too; the unfinished event is
        kept for the next call. An event comes with the read that holds the first byte
        of its blank line's terminator. Nothing returned refers to `data`.

        Raises:
            LimitExceededError: an earlier call met an event larger than `limits.max_event` bytes.
            TypeError, BufferError: `data` is not bytes-like, or not contiguous.
            ConcurrentFeedError: another call is under way.
        """
        self._check_idle("feed")
        if self._error is not None:
            raise self._error.with_traceback(None)
        self._busy = True
        events: list[ServerSentEvent] = []
        reader = self._reader
        try:
            for name, text, retry in reader.read(contiguous(data)):
                events.append(
                    ServerSentEvent(
                        name.decode(errors="replace") if name else "message",
                        text.decode(errors="replace"),
                        reader.last_event_id,
                        retry,
                    )
                )
        except LimitExceededError as error:
            self._error = error
        finally:
            self._busy = False
        return events

    def finish(self) -> int:
        """End the stream and return the bytes of the unfinished event that the standard discards.

        Comments before its first field do not count. A later `feed` begins a new
        stream, as a reconnection does: the last event ID and the reconnection time stay.

        Raises:
            LimitExceededError: as `feed` does.
            ConcurrentFeedError: another call is under way.
        """
        self._check_idle("finish")
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._reader.finish()


def contiguous(data: Buffer) -> bytes:
    """Return the bytes of `data`, of any contiguous bytes-like object.

    Raises:
        TypeError: it is not bytes-like.
        BufferError: it is not contiguous.
    """
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    with view:
        if not view.c_contiguous:
            raise BufferError("memoryview: underlying buffer is not C-contiguous")
        return bytes(view)
