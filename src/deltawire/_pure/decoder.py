"""Events to typed values with msgspec, in plain Python.

`StreamDecoder` reads any msgspec type and knows only the sentinel; `chat` adds what chat
completion streams need.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from ..coerce import error_body
from ..errors import ChunkDecodeError, DeltawireError, LimitExceededError, UpstreamError
from ..limits import DEFAULT_LIMITS, Limits, checked_limits
from ..records import DecoderStats, StreamEnd
from .events import Block, EventReader, Exclusive, contiguous

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")

# White space of JSON (RFC 8259, section 2), which may stand around a payload.
WHITE_SPACE = b" \t\r\n"


class StreamDecoder(Exclusive, Generic[T]):
    """Decodes the data of each event of a stream as a `type`.

    Args:
        type: any type that msgspec decodes, or a `msgspec.json.Decoder` with its hooks.
        limits: `max_event` bounds an event that is not dispatched yet, and the reads
            held behind a faulty event.
        done: the data that ends the stream, with or without white space around it;
            what follows is not decoded. None where the protocol has no such thing.

    Raises:
        TypeError: msgspec cannot decode to `type`, or `done` is neither bytes nor None.
    """

    _tolerant = False  # errors come in the stream, in each of their shapes, and events without data are skipped

    @overload
    def __init__(self, type: type[T], *, limits: Limits = DEFAULT_LIMITS, done: bytes | None = b"[DONE]") -> None: ...
    @overload
    def __init__(
        self, type: msgspec.json.Decoder[T], *, limits: Limits = DEFAULT_LIMITS, done: bytes | None = b"[DONE]"
    ) -> None: ...
    @overload
    def __init__(self, type: Any, *, limits: Limits = DEFAULT_LIMITS, done: bytes | None = b"[DONE]") -> None: ...
    def __init__(self, type: Any, *, limits: Limits = DEFAULT_LIMITS, done: bytes | None = b"[DONE]") -> None:
        decoder = type if isinstance(type, msgspec.json.Decoder) else msgspec.json.Decoder(type)
        if not (done is None or isinstance(done, bytes)):
            raise TypeError(f"done must be bytes or None, not {done.__class__.__name__}")
        checked_limits(limits)
        self._check_idle("__init__")
        self._decoder = decoder
        self._limits = limits
        self._sentinel = bytes(done).strip(WHITE_SPACE) if done is not None else None
        self.reset()

    def reset(self) -> None:
        """Forget everything read, as if newly made.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        self._check_idle("reset")
        self._reader = EventReader(self._limits, error_lines=self._tolerant)
        self._blocks: Iterator[Block] = iter(())  # of the read in hand, which a fault may have stopped
        self._held: deque[bytes] = deque()  # reads behind it, still to begin
        self._waiting = 0  # bytes of those
        self._error: DeltawireError | None = None
        self._overflow: LimitExceededError | None = None
        self._done = False
        self._end: StreamEnd | None = None
        self._bytes = self._events = self._chunks = self._coerced = 0
        self._finish_reasons: dict[int, str | None] = {}

    @property
    def error(self) -> DeltawireError | None:
        """The fault at which `feed` stopped; the next `feed` or `finish` raises it. None where there is none."""
        return self._error

    @property
    def done(self) -> bool:
        """Whether the sentinel was read; `feed` then takes nothing more."""
        return self._done

    @property
    def stats(self) -> DecoderStats:
        """What was read so far."""
        return DecoderStats(bytes=self._bytes, events=self._events, chunks=self._chunks, coerced=self._coerced)

    def feed(self, data: Buffer) -> list[T]:
        """Return what the events that `data` completes decode to, in order.

        `data` may end anywhere. A faulty event stops the call: what came before it is
        returned, `error` holds the fault, and the next call raises it and takes no data
        in. Reading then goes on behind that event. Nothing returned refers to `data`.

        Raises:
            ChunkDecodeError, UpstreamError: the fault of an earlier call.
            LimitExceededError: the same; every call raises it until `reset()`.
            TypeError, BufferError: `data` is not bytes-like, or not contiguous.
            ConcurrentFeedError: another call is under way.
        """
        self._enter("feed")
        try:
            self._raise_error()
            read = contiguous(data)
            chunks: list[T] = []
            if self._done:
                return chunks
            self._end = None
            self._drain(chunks)
            if self._done:
                return chunks
            if self._error is None:
                self._hold(read)
                self._drain(chunks)
            elif read and not isinstance(self._error, LimitExceededError):
                self._hold(read)
                self._check_waiting()
            return chunks
        finally:
            self._busy = False

    def finish(self) -> StreamEnd:
        """End the stream and say how it ended; a second call says the same.

        A last event that only lacks its blank line is read if its data is whole. What
        this call decodes itself is in `StreamEnd.chunks`.

        Raises:
            ChunkDecodeError, UpstreamError: the fault of an earlier call; or one met now,
                with what came before it in this call in its `chunks`. Call again to go on.
            LimitExceededError: as `feed` does.
            ConcurrentFeedError: another call is under way.
        """
        self._enter("finish")
        try:
            self._raise_error()
            if self._end is not None:
                return self._end
            chunks: list[T] = []
            self._drain(chunks)
            if self._error is None:
                self._end = self._read_rest(chunks)
            if self._error is not None:
                self._error.chunks = chunks
                self._raise_error()
            assert self._end is not None
            self._end.chunks = chunks
            return self._end
        finally:
            self._busy = False

    def _raise_error(self) -> None:
        if (error := self._error) is not None:
            if not isinstance(error, LimitExceededError):
                self._error = self._overflow
            # Without the calls that raised it before: it would grow, and hold the read of each.
            raise error.with_traceback(None)

    def _hold(self, read: bytes) -> None:
        self._bytes += len(read)
        self._held.append(read)
        self._waiting += len(read)

    def _check_waiting(self) -> None:
        """Have the limit's error raised behind the fault if more waits than is allowed."""
        allowed = self._limits.max_event
        if 0 < allowed < self._waiting:
            self._overflow = LimitExceededError(
                f"{self._waiting} bytes waiting behind a faulty event, at most {allowed} allowed",
                measured=self._waiting,
                allowed=allowed,
            )

    def _drain(self, chunks: list[T]) -> None:
        """Decode the reads held, in order, up to the first fault, which is left in `_error`."""
        try:
            while True:
                for block in self._blocks:
                    self._take(block, chunks)
                    if self._done:
                        self._blocks = iter(())
                        self._held.clear()
                        return
                if not self._held:
                    return
                read = self._held.popleft()
                self._waiting -= len(read)
                self._blocks = self._reader.read(read)
        except DeltawireError as error:
            self._error = error

    def _take(self, block: Block, chunks: list[T]) -> None:
        name, data, _ = block
        if name is None:
            raise UpstreamError(error_body(data), event_index=self._events)
        self._events += 1
        if self._sentinel is not None and data.strip(WHITE_SPACE) == self._sentinel:
            self._done = True
        elif not self._tolerant:
            self._decode(data, chunks)
        elif name == b"error":
            raise UpstreamError(error_body(data), event_index=self._events - 1)
        elif data.strip(WHITE_SPACE):
            self._decode(data, chunks)

    def _decode(self, data: bytes, chunks: list[T]) -> None:
        try:
            value = self._decoder.decode(data)
        except (DeltawireError, MemoryError):
            raise
        except Exception as refusal:  # noqa: BLE001 (msgspec's own, and whatever a user's hook raises)
            self._take_refused(data, refusal, chunks)
        else:
            self._take_value(value, data, chunks)

    def _take_refused(self, data: bytes, refusal: Exception, chunks: list[T]) -> None:
        """Hand out what can be made of data that msgspec refuses, or raise."""
        raise self._no_chunk(data, refusal) from refusal

    def _take_value(self, value: Any, data: bytes, chunks: list[T]) -> None:
        """Hand out what `data` was decoded to."""
        chunks.append(value)
        self._chunks += 1

    def _no_chunk(self, data: bytes, reason: Exception) -> ChunkDecodeError:
        index = self._events - 1
        return ChunkDecodeError(f"event {index}: {reason}", payload=data, event_index=index)

    def _read_rest(self, chunks: list[T]) -> StreamEnd:
        """Read a last event that lacks its blank line, if it is whole, and say how the stream ended."""
        end = StreamEnd()
        try:
            for block in self._reader.rest():  # nothing behind the sentinel was read
                self._take(block, chunks)
                end.unterminated = True
        except ChunkDecodeError:
            self._events -= 1  # not whole: no event
        except DeltawireError as error:
            end.unterminated = True
            self._error = error
        finally:  # after an interruption too: what it has hit is not looked at again
            discarded = self._reader.finish()
        if not (self._done or end.unterminated):
            end.discarded = discarded
        reasons = self._finish_reasons
        end.finish_reasons = dict(reasons)
        end.done = self._done
        end.complete = self._done or (len(reasons) > 0 and None not in reasons.values())
        return end
