"""Iterating over a source of bytes: events and chunks as they come.

Each function returns an iterator object. It raises a fault right after the chunks before
it, and closes the source at the end, on a fault, and on `close()`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from .chunks import ChatCompletionChunk
from .decoder import ChunkDecoder
from .errors import DeltawireError
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


class Stream(Generic[T]):
    """Iterates over what a reader makes of a source.

    Attributes:
        end: how the stream ended; None while it is open, and after a fault.
    """

    def __init__(self, source: ByteSource, reader: Reader[T]) -> None:
        self.end: StreamEnd | None = None
        self._source = source
        self._reader = reader
        self._items = self._read(iter(reads(source)))

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
            close(self._source)

    def __iter__(self) -> Generator[T, None, None]:
        # The generator itself: a for loop then runs without a call for each item.
        return self._items

    def __next__(self) -> T:
        return next(self._items)

    def close(self) -> None:
        """Stop reading and close the source; nothing more is given. May be called twice."""
        self._items.close()
        # A generator that never ran has no `finally` to run.
        close(self._source)

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
        self._source = source
        self._reader = reader
        self._items = self._read(areads(source))

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
            await aclose(self._source)

    def __aiter__(self) -> AsyncGenerator[T, None]:
        return self._items

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop reading and close the source; nothing more is given. May be called twice."""
        await self._items.aclose()
        await aclose(self._source)

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
