"""Events to typed values with msgspec, in plain Python.

`StreamDecoder` reads any msgspec type and knows only the sentinel; `ChunkDecoder` adds
what chat completion streams need: tolerance, the three shapes of an error, and the
finish reasons.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, final, overload

import msgspec

from ..chunks import ChatCompletionChunk, text_of
from ..coerce import NotAChunk, coerce, error_body
from ..errors import ChunkDecodeError, ConcurrentFeedError, DeltawireError, LimitExceededError, UpstreamError
from ..limits import DEFAULT_LIMITS, Limits
from ..records import DecoderStats, StreamEnd
from .events import Block, EventReader, contiguous

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")
ChunkT = TypeVar("ChunkT", bound=ChatCompletionChunk)

# `type` is an argument's name below.
_Class = type

# What is sent for no reason at all.
_NO_REASON = (None, "", "null")

# White space of JSON (RFC 8259, section 2), which may stand around a payload.
WHITE_SPACE = b" \t\r\n"


class StreamDecoder(Generic[T]):
    """Decodes the data of each event of a stream as a `type`.

    Args:
        type: any type that msgspec decodes, or a `msgspec.json.Decoder` with its hooks.
        limits: `max_event` bounds an event that is not dispatched yet, and the reads
            held behind a faulty event.
        done: the data that ends the stream, with or without white space around it;
            what follows is not decoded. None where the protocol has no such thing.
    """

    _error_lines = False  # whether an `error: {…}` line is a fault

    @overload
    def __init__(self, type: type[T], *, limits: Limits = DEFAULT_LIMITS, done: bytes | None = b"[DONE]") -> None: ...
    @overload
    def __init__(
        self, type: msgspec.json.Decoder[T], *, limits: Limits = DEFAULT_LIMITS, done: bytes | None = b"[DONE]"
    ) -> None: ...
    @overload
    def __init__(self, type: Any, *, limits: Limits = DEFAULT_LIMITS, done: bytes | None = b"[DONE]") -> None: ...
    def __init__(self, type: Any, *, limits: Limits = DEFAULT_LIMITS, done: bytes | None = b"[DONE]") -> None:
        if getattr(self, "_reading", False):
            raise ConcurrentFeedError("__init__() while another call is under way")
        self._decoder = type if isinstance(type, msgspec.json.Decoder) else msgspec.json.Decoder(type)
        self._limits = limits
        if not (done is None or isinstance(done, bytes)):
            raise TypeError(f"done must be bytes or None, not {done.__class__.__name__}")
        self._sentinel = done.strip(WHITE_SPACE) if done is not None else None
        self._reading = False
        self.reset()

    def __reduce__(self) -> Never:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object: it may be in the middle of a stream")

    def reset(self) -> None:
        """Forget everything read, as if newly made."""
        self._enter("reset")
        self._reading = False
        self._reader = EventReader(self._limits, error_lines=self._error_lines)
        # Reads that a fault has stopped, and the bytes they had: their rest comes first.
        self._held: deque[tuple[Iterator[Block], int]] = deque()
        self._waiting = 0  # bytes of those that are still to begin
        self._error: DeltawireError | None = None
        self._overflow: LimitExceededError | None = None
        self._done = False
        self._end: StreamEnd | None = None
        self._bytes = self._events = self._chunks = self._coerced = 0
        self._finish_reasons: dict[int, str | None] = {}

    @property
    def error(self) -> DeltawireError | None:
        """The fault at which `feed` stopped; the next `feed` or `finish` raises it."""
        return self._error

    @property
    def done(self) -> bool:
        """Whether the sentinel was read."""
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
                self._wait(len(read))
            return chunks
        finally:
            self._reading = False

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
            self._reading = False

    def _enter(self, name: str) -> None:
        if self._reading:
            raise ConcurrentFeedError(f"{name}() while another call is under way")
        self._reading = True

    def _raise_error(self) -> None:
        if (error := self._error) is not None:
            if not isinstance(error, LimitExceededError):
                self._error = self._overflow
            raise error

    def _hold(self, read: bytes) -> None:
        self._bytes += len(read)
        self._held.append((self._reader.read(read), len(read)))

    def _wait(self, size: int) -> None:
        """Let a read wait behind a fault, which is raised first where the limit is exceeded now."""
        self._waiting += size
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
            while self._held:
                for block in self._held[0][0]:
                    self._take(block, chunks)
                    if self._done:
                        self._held.clear()
                        return
                self._held.popleft()
                if self._held:
                    self._waiting -= self._held[0][1]
        except DeltawireError as error:
            self._error = error

    def _take(self, block: Block, chunks: list[T]) -> None:
        name, data, _ = block
        if name is None:
            raise UpstreamError(error_body(data), event_index=self._events)
        self._events += 1
        if self._sentinel is not None and data.strip(WHITE_SPACE) == self._sentinel:
            self._done = True
        else:
            self._decode(name, data, chunks)

    def _decode(self, name: bytes, data: bytes, chunks: list[T]) -> None:
        chunks.append(self._typed(data))
        self._chunks += 1

    def _typed(self, data: bytes) -> T:
        try:
            value: T = self._decoder.decode(data)
        except (DeltawireError, MemoryError):
            raise
        except Exception as refusal:  # msgspec's own, and whatever a user's hook raises
            raise self._no_chunk(data, refusal) from refusal
        return value

    def _no_chunk(self, data: bytes, reason: Exception) -> ChunkDecodeError:
        index = self._events - 1
        return ChunkDecodeError(f"event {index}: {reason}", payload=data, event_index=index)

    def _read_rest(self, chunks: list[T]) -> StreamEnd:
        """Read a last event that lacks its blank line, if it is whole, and say how the stream ended."""
        end = StreamEnd()
        try:
            for block in () if self._done else self._reader.rest():
                self._take(block, chunks)
                end.unterminated = True
        except ChunkDecodeError:
            self._events -= 1  # not whole: no event
        except DeltawireError as error:
            end.unterminated = True
            self._error = error
        discarded = self._reader.finish()
        if not (self._done or end.unterminated):
            end.discarded = discarded
        reasons = self._finish_reasons
        end.finish_reasons = dict(reasons)
        end.done = self._done
        end.complete = self._done or (len(reasons) > 0 and None not in reasons.values())
        return end


class ChatReader(StreamDecoder[T]):
    """Reads a chat completion stream; what comes of its chunks is for the classes below it."""

    _error_lines = True

    def __init__(self, type: type[Any] = ChatCompletionChunk, *, limits: Limits = DEFAULT_LIMITS) -> None:
        if not (isinstance(type, _Class) and issubclass(type, ChatCompletionChunk)):
            raise TypeError(f"a subclass of ChatCompletionChunk is required, not {type!r}")
        self._type: Any = type
        super().__init__(type, limits=limits)

    def _decode(self, name: bytes, data: bytes, chunks: list[T]) -> None:
        if name == b"error":
            raise UpstreamError(error_body(data), event_index=self._events - 1)
        if not data.strip(WHITE_SPACE):
            return
        chunk: Any
        try:
            chunk = self._typed(data)
        except ChunkDecodeError:
            chunk = self._coerce(data)
            if chunk is None:
                return
        if chunk.error:
            raise UpstreamError(chunk.error, chunk=chunk, event_index=self._events - 1)
        self._chunks += 1
        self._give(chunk, data, chunks)
        self._note_choices(chunk)

    def _give(self, chunk: Any, data: bytes, items: list[T]) -> None:
        """Put what is to be given for `chunk`, which `data` was decoded to, behind the other `items`."""
        raise NotImplementedError

    def _note_choices(self, chunk: ChatCompletionChunk) -> None:
        """Keep each choice's finish reason."""
        for position, choice in enumerate(chunk.choices):
            index = position if choice.index is None else choice.index
            if index not in self._finish_reasons:
                self._note_choice(index)
            if choice.finish_reason not in _NO_REASON:
                self._finish_reasons[index] = choice.finish_reason

    def _note_choice(self, index: int) -> None:
        count = len(self._finish_reasons) + 1
        allowed = self._limits.max_items
        if 0 < allowed < count:
            raise LimitExceededError(f"{count} choices, at most {allowed} allowed", measured=count, allowed=allowed)
        self._finish_reasons[index] = None

    def _coerce(self, data: bytes) -> Any:
        """Return the chunk, brought to the type; None for `null`."""
        try:
            chunk = coerce(data, self._type)
        except NotAChunk as reason:
            raise self._no_chunk(data, reason) from reason
        if chunk is not None:
            self._coerced += 1
        return chunk


@final
class ChunkDecoder(ChatReader[ChunkT]):
    """Decodes a chat completion stream of OpenAI's interface, as it is really sent.

    An event that does not fit the type is read leniently and brought to it (counted in
    `stats.coerced`); what is no JSON object is a `ChunkDecodeError`. Empty data and
    `null` are skipped. An error in the stream is an `UpstreamError`, in each of its
    shapes: an event of type "error", a chunk with an `error`, a line `error: {…}`.

    Args:
        type: `ChatCompletionChunk`, or a subclass with the members that a provider adds.
        limits: as for `StreamDecoder`.

    Source: OpenAI API reference, "The chat completion chunk object".
    """

    @overload
    def __init__(self: ChunkDecoder[ChatCompletionChunk], *, limits: Limits = DEFAULT_LIMITS) -> None: ...
    @overload
    def __init__(self, type: type[ChunkT], *, limits: Limits = DEFAULT_LIMITS) -> None: ...
    def __init__(self, type: type[Any] = ChatCompletionChunk, *, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(type, limits=limits)

    def _give(self, chunk: Any, data: bytes, items: list[ChunkT]) -> None:
        items.append(chunk)


@final
class TextDecoder(ChatReader[str]):
    """Decodes only the text of a chat completion stream: what choice 0 says, piece by piece.

    `feed` gives the content deltas of choice 0 that are not empty; of a content in parts,
    the text of its text parts. Tolerance and faults are those of `ChunkDecoder`.

    Args:
        limits: as for `StreamDecoder`.
    """

    def __init__(self, *, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits=limits)

    def _give(self, chunk: Any, data: bytes, items: list[str]) -> None:
        for position, choice in enumerate(chunk.choices):
            index = position if choice.index is None else choice.index
            if index == 0 and choice.delta and (text := text_of(choice.delta.content)):
                items.append(text)
