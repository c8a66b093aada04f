"""Iterating over a source of bytes: events and chunks as they come.

Each function returns an iterator object. It raises a fault right after the chunks before
it, and closes the source at the end, on a fault, and on `close()`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, ExitStack, suppress
from types import TracebackType
from typing import Any, Generic, Never, Protocol, Self, TypeVar, overload

from .accumulator import CompletionAccumulator
from .chunks import ChatCompletionChunk
from .completion import ChatCompletion
from .decoder import ChunkDecoder, TextDecoder
from .errors import DeltawireError, TruncatedStreamError
from .events import EventParser, ServerSentEvent
from .limits import DEFAULT_LIMITS, Limits
from .records import StreamEnd
from .sources import AsyncByteSource, ByteSource, aclose, areads, close, reads

T = TypeVar("T")
ChunkT = TypeVar("ChunkT", bound=ChatCompletionChunk)


class Reader(Protocol[T]):
    """What the iterators ask of a decoder."""

    @property
    def error(self) -> DeltawireError | None:
        """The fault at which `feed` stopped."""

    @property
    def done(self) -> bool:
        """Whether the stream has said its end."""

    def feed(self, data: bytes) -> list[T]:
        """Return what `data` completes, up to the first fault."""

    def finish(self) -> StreamEnd:
        """End the stream."""


class _EventReader:
    """An `EventParser` with the ending of a decoder."""

    done = False

    def __init__(self, limits: Limits) -> None:
        self._parser = EventParser(limits=limits)
        self.feed = self._parser.feed

    @property
    def error(self) -> DeltawireError | None:
        return self._parser.error

    def finish(self) -> StreamEnd:
        return StreamEnd(discarded=self._parser.finish())


class _Accumulating:
    """A `CompletionAccumulator` among the readers: nothing comes of it but the end."""

    def __init__(self, accumulator: CompletionAccumulator) -> None:
        self._accumulator = accumulator
        self.finish = accumulator.finish

    @property
    def error(self) -> DeltawireError | None:
        return self._accumulator.error

    @property
    def done(self) -> bool:
        return self._accumulator.done

    def feed(self, data: bytes) -> list[Never]:
        self._accumulator.feed(data)
        return []


class Stream(Generic[T]):
    """Iterates over what a reader makes of a source.

    Attributes:
        end: how the stream ended; None while it is open, and after a fault.
    """

    def __init__(self, source: ByteSource, reader: Reader[T]) -> None:
        self.end: StreamEnd | None = None
        self._reader = reader
        self._reads = iter(reads(source))
        self._open: list[Any] = [source] if self._reads is source else [source, self._reads]
        self._items = self._read(self._reads)

    def _read(self, source: Any) -> Generator[T, None, None]:
        reader = self._reader
        try:
            for data in source:
                yield from reader.feed(data)
                if reader.error is not None:
                    raise reader.error
                if reader.done:
                    break
            try:
                self.end = reader.finish()
            except DeltawireError as error:
                yield from error.chunks
                raise
            yield from self.end.chunks
        finally:
            self._close_source()

    def _close_source(self) -> None:
        """Close the source, and what iterates over it, once."""
        with ExitStack() as stack:
            while self._open:
                stack.callback(close, self._open.pop(0))

    def __iter__(self) -> Generator[T, None, None]:
        # The generator itself: a for loop then runs without a call for each item.
        return self._items

    def __next__(self) -> T:
        return next(self._items)

    def close(self) -> None:
        """Stop reading and close the source; nothing more is given. May be called twice."""
        try:
            self._items.close()
        finally:  # a generator that never ran has no `finally`, and one that waits in another thread is not closed
            self._close_source()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncStream(Generic[T]):
    """Iterates over what a reader makes of an async source.

    Attributes:
        end: how the stream ended; None while it is open, and after a fault.
    """

    def __init__(self, source: AsyncByteSource, reader: Reader[T]) -> None:
        self.end: StreamEnd | None = None
        self._reader = reader
        self._reads = areads(source)
        self._open: list[Any] = [source] if self._reads is source else [source, self._reads]
        self._items = self._read(self._reads)

    async def _read(self, source: Any) -> AsyncGenerator[T, None]:
        reader = self._reader
        try:
            async for data in source:
                for item in reader.feed(data):
                    yield item
                if reader.error is not None:
                    raise reader.error
                if reader.done:
                    break
            try:
                self.end = reader.finish()
            except DeltawireError as error:
                for item in error.chunks:
                    yield item
                raise
            for item in self.end.chunks:
                yield item
        finally:
            await self._aclose_source()

    async def _aclose_source(self) -> None:
        """Close the source, and what iterates over it, once."""
        async with AsyncExitStack() as stack:
            while self._open:
                stack.push_async_callback(aclose, self._open.pop(0))

    def __aiter__(self) -> AsyncGenerator[T, None]:
        return self._items

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop reading and close the source; nothing more is given. May be called twice."""
        try:
            await self._items.aclose()
        finally:  # as in `Stream.close`
            await self._aclose_source()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


@overload
def iter_chunks(source: ByteSource, *, limits: Limits = ...) -> Stream[ChatCompletionChunk]: ...
@overload
def iter_chunks(source: ByteSource, *, type: type[ChunkT], limits: Limits = ...) -> Stream[ChunkT]: ...
def iter_chunks(source: ByteSource, *, type: Any = ChatCompletionChunk, limits: Limits = DEFAULT_LIMITS) -> Stream[Any]:
    """Iterate over the chunks of a chat completion stream.

    Args:
        source: any iterable of bytes-like reads; bytes are one read.
        type: `ChatCompletionChunk`, or a subclass of it.
        limits: as for `ChunkDecoder`.

    The iterator raises `ChunkDecodeError`, `UpstreamError`, `LimitExceededError`, and
    what the source raises, after the chunks before it.
    """
    return Stream(source, ChunkDecoder(type, limits=limits))


@overload
def aiter_chunks(source: AsyncByteSource, *, limits: Limits = ...) -> AsyncStream[ChatCompletionChunk]: ...
@overload
def aiter_chunks(source: AsyncByteSource, *, type: type[ChunkT], limits: Limits = ...) -> AsyncStream[ChunkT]: ...
def aiter_chunks(
    source: AsyncByteSource, *, type: Any = ChatCompletionChunk, limits: Limits = DEFAULT_LIMITS
) -> AsyncStream[Any]:
    """Iterate over the chunks of an async source: `iter_chunks` for `async for`."""
    return AsyncStream(source, ChunkDecoder(type, limits=limits))


def iter_text(source: ByteSource, *, limits: Limits = DEFAULT_LIMITS) -> Stream[str]:
    """Iterate over the text of a chat completion stream: the pieces of choice 0 that are not empty.

    Args:
        source: any iterable of bytes-like reads; bytes are one read.
        limits: as for `TextDecoder`.

    It raises what `iter_chunks` raises.
    """
    return Stream(source, TextDecoder(limits=limits))


def aiter_text(source: AsyncByteSource, *, limits: Limits = DEFAULT_LIMITS) -> AsyncStream[str]:
    """Iterate over the text of an async source: `iter_text` for `async for`."""
    return AsyncStream(source, TextDecoder(limits=limits))


def iter_events(source: ByteSource, *, limits: Limits = DEFAULT_LIMITS) -> Stream[ServerSentEvent]:
    """Iterate over the events of an event stream, of any protocol.

    Args:
        source: any iterable of bytes-like reads; bytes are one read.
        limits: as for `EventParser`.
    """
    return Stream(source, _EventReader(limits))


def aiter_events(source: AsyncByteSource, *, limits: Limits = DEFAULT_LIMITS) -> AsyncStream[ServerSentEvent]:
    """Iterate over the events of an async source: `iter_events` for `async for`."""
    return AsyncStream(source, _EventReader(limits))


def decode(body: bytes | bytearray | memoryview, *, limits: Limits = DEFAULT_LIMITS) -> list[ChatCompletionChunk]:
    """Return the chunks of a whole body.

    Raises:
        ChunkDecodeError, UpstreamError, LimitExceededError: with the chunks before it in `chunks`.
    """
    chunks: list[ChatCompletionChunk] = []
    try:
        chunks.extend(iter_chunks(body, limits=limits))
    except DeltawireError as error:
        error.chunks = chunks
        raise
    return chunks


def accumulate(source: ByteSource, *, allow_truncated: bool = False, limits: Limits = DEFAULT_LIMITS) -> ChatCompletion:
    """Read a chat completion stream to its end and return the completion.

    Args:
        source: any iterable of bytes-like reads; bytes are one read.
        allow_truncated: return what has come of a stream that did not end complete.
        limits: as for `CompletionAccumulator`.

    Raises:
        TruncatedStreamError: the stream did not end complete: no `[DONE]`, and a choice
            without a finish reason, or no choice at all.
        ChunkDecodeError, UpstreamError, LimitExceededError: a fault in the stream.

    Each error, the source's own too, has what had come in its attribute `completion`.
    """
    accumulator = CompletionAccumulator(limits=limits)
    try:
        with Stream(source, _Accumulating(accumulator)) as stream:
            for _ in stream:
                pass
    except Exception as error:
        _attach(accumulator, error)
        raise
    return _completed(accumulator, allow_truncated)


async def aaccumulate(
    source: AsyncByteSource, *, allow_truncated: bool = False, limits: Limits = DEFAULT_LIMITS
) -> ChatCompletion:
    """Read an async source to its end and return the completion: `accumulate` for `await`."""
    accumulator = CompletionAccumulator(limits=limits)
    try:
        async with AsyncStream(source, _Accumulating(accumulator)) as stream:
            async for _ in stream:
                pass
    except Exception as error:
        _attach(accumulator, error)
        raise
    return _completed(accumulator, allow_truncated)


def _attach(accumulator: CompletionAccumulator, error: Exception) -> None:
    # An exception of the source's may have no room for it; no other may take its place.
    with suppress(Exception):
        error.completion = accumulator.completion()  # type: ignore[attr-defined]


def _completed(accumulator: CompletionAccumulator, allow_truncated: bool) -> ChatCompletion:
    completion = accumulator.completion()
    end = accumulator.finish()
    if not (end.complete or allow_truncated):
        unfinished = [str(index) for index, reason in end.finish_reasons.items() if reason is None]
        which = f"no finish reason for choice {', '.join(unfinished[:8])}" if unfinished else "no choices"
        raise TruncatedStreamError(f"the stream ended early: no [DONE], and {which}", completion=completion, end=end)
    return completion
