"""Iterating over a source of bytes: events and chunks as they come.

Each function returns an iterator object. It raises a fault right after the chunks before
it, and closes the source at the end, on a fault, on `close()` and when it is dropped.
A source is an iterable of reads, or a response of an HTTP client (see `sources`).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, ExitStack, suppress
from types import TracebackType
from typing import Any, Generic, Never, Protocol, Self, TypeVar, overload

from .accumulator import CompletionAccumulator
from .chunks import ChatCompletionChunk
from .completion import ChatCompletion
from .decoder import ChunkDecoder, TextDecoder
from .draining import adrain, drain
from .errors import DeltawireError, TruncatedStreamError
from .events import EventParser, ServerSentEvent
from .limits import DEFAULT_LIMITS, Limits
from .records import StreamEnd
from .sources import AsyncByteSource, ByteSource, aclose, areads, close, reads, response_of

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


class _Source:
    """What a stream reads: open until it is closed, once, with what iterates over it."""

    end: StreamEnd | None = None

    def __init__(self, source: Any, iterator: Any) -> None:
        self.reads = iterator
        self.response = response_of(source)
        self._open = [source] if iterator is source else [source, iterator]

    def close(self) -> None:
        with ExitStack() as stack:
            while self._open:
                stack.callback(close, self._open.pop(0))

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            while self._open:
                stack.push_async_callback(aclose, self._open.pop(0))


# The generators know no stream: one that is dropped is then closed at once, not when the
# collector finds the cycle. Their first value says that they run, so that they are closed
# though they be dropped unread.


def _read(source: _Source, reader: Reader[T]) -> Generator[T, None, None]:
    try:
        yield None  # type: ignore[misc]
        for data in source.reads:
            yield from reader.feed(data)
            if reader.error is not None:
                raise reader.error
            if reader.done:
                drain(source.response, source.reads)
                break
        try:
            source.end = reader.finish()
        except DeltawireError as error:
            yield from error.chunks
            raise
        yield from source.end.chunks
    finally:
        source.close()


async def _aread(source: _Source, reader: Reader[T], begun: bool) -> AsyncGenerator[T, None]:
    try:
        if begun:
            yield None  # type: ignore[misc]
        async for data in source.reads:
            for item in reader.feed(data):
                yield item
            if reader.error is not None:
                raise reader.error
            if reader.done:
                await adrain(source.response, source.reads)
                break
        try:
            source.end = reader.finish()
        except DeltawireError as error:
            for item in error.chunks:
                yield item
            raise
        for item in source.end.chunks:
            yield item
    finally:
        await source.aclose()


class Stream(Generic[T]):
    """Iterates over what a reader makes of a source: what `iter_chunks` and its like return.

    A context manager, too: leaving it closes the source. So do the end, a fault, and dropping it.
    """

    def __init__(self, source: ByteSource, reader: Reader[T]) -> None:
        self._source = _Source(source, iter(reads(source)))
        self._items = _read(self._source, reader)
        next(self._items)

    @property
    def end(self) -> StreamEnd | None:
        """How the stream ended; None while it is open, and after a fault."""
        return self._source.end

    def __iter__(self) -> Generator[T, None, None]:
        # The generator itself: a for loop then runs without a call for each item.
        return self._items

    def __next__(self) -> T:
        return next(self._items)

    def close(self) -> None:
        """Stop reading and close the source; nothing more is given. May be called twice."""
        try:
            self._items.close()
        finally:  # a generator that waits in another thread is not closed
            self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncStream(Generic[T]):
    """Iterates over what a reader makes of an async source: what `aiter_chunks` and its like return.

    An async context manager, too: leaving it closes the source. So do the end, a fault, and dropping it
    while the event loop runs that ran when it was made.
    """

    def __init__(self, source: AsyncByteSource, reader: Reader[T]) -> None:
        self._source = _Source(source, areads(source))
        # An event loop is told of a generator when it first runs, and closes it when it is dropped.
        begun = sys.get_asyncgen_hooks().firstiter is not None
        self._items = _aread(self._source, reader, begun)
        if begun:
            with suppress(StopIteration):  # it yields without waiting
                self._items.asend(None).send(None)

    @property
    def end(self) -> StreamEnd | None:
        """How the stream ended; None while it is open, and after a fault."""
        return self._source.end

    def __aiter__(self) -> AsyncGenerator[T, None]:
        return self._items

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop reading and close the source; nothing more is given. May be called twice."""
        try:
            await self._items.aclose()
        finally:  # as in `Stream.close`, and one that never ran has no `finally`
            await self._source.aclose()

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

    The source is closed at the end, on a fault, on `close()`, and when the iterator is
    dropped; behind `[DONE]` the rest of a response is read first, so that its connection can be used again.

    Args:
        source: a response of an HTTP client, or any iterable of bytes-like reads; bytes are one read.
        type: `ChatCompletionChunk`, or a subclass of it.
        limits: as for `ChunkDecoder`.

    Raises:
        ResponseError: while iterating: the response is no event stream.
        ChunkDecodeError, UpstreamError, LimitExceededError: while iterating, after the
            chunks before it; and what the source raises.
        TypeError: `source` is neither a response nor an iterable.
    """
    return Stream(source, ChunkDecoder(type, limits=limits))


@overload
def aiter_chunks(source: AsyncByteSource, *, limits: Limits = ...) -> AsyncStream[ChatCompletionChunk]: ...
@overload
def aiter_chunks(source: AsyncByteSource, *, type: type[ChunkT], limits: Limits = ...) -> AsyncStream[ChunkT]: ...
def aiter_chunks(
    source: AsyncByteSource, *, type: Any = ChatCompletionChunk, limits: Limits = DEFAULT_LIMITS
) -> AsyncStream[Any]:
    """Iterate over the chunks of an async source: `iter_chunks` for `async for`.

    Args:
        source: a response of an async HTTP client, or any async iterable of bytes-like reads.
        type: `ChatCompletionChunk`, or a subclass of it.
        limits: as for `ChunkDecoder`.

    It raises what `iter_chunks` raises, and closes the source as that does, by `aclose()`.
    """
    return AsyncStream(source, ChunkDecoder(type, limits=limits))


def iter_text(source: ByteSource, *, limits: Limits = DEFAULT_LIMITS) -> Stream[str]:
    """Iterate over the text of a chat completion stream: the pieces of choice 0 that are not empty.

    Nothing else is built, which takes a quarter of the time of chunks.

    Args:
        source: a response of an HTTP client, or any iterable of bytes-like reads; bytes are one read.
        limits: as for `TextDecoder`.

    It raises what `iter_chunks` raises, and closes the source as that does.
    """
    return Stream(source, TextDecoder(limits=limits))


def aiter_text(source: AsyncByteSource, *, limits: Limits = DEFAULT_LIMITS) -> AsyncStream[str]:
    """Iterate over the text of an async source: `iter_text` for `async for`.

    Args:
        source: a response of an async HTTP client, or any async iterable of bytes-like reads.
        limits: as for `TextDecoder`.
    """
    return AsyncStream(source, TextDecoder(limits=limits))


def iter_events(source: ByteSource, *, limits: Limits = DEFAULT_LIMITS) -> Stream[ServerSentEvent]:
    """Iterate over the events of an event stream, of any protocol.

    Args:
        source: a response of an HTTP client, or any iterable of bytes-like reads; bytes are one read.
        limits: as for `EventParser`.

    Raises:
        ResponseError: while iterating: the response is no event stream.
        LimitExceededError: while iterating, after the events before it.
        TypeError: `source` is neither a response nor an iterable.

    Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
    """
    return Stream(source, _EventReader(limits))


def aiter_events(source: AsyncByteSource, *, limits: Limits = DEFAULT_LIMITS) -> AsyncStream[ServerSentEvent]:
    """Iterate over the events of an async source: `iter_events` for `async for`.

    Args:
        source: a response of an async HTTP client, or any async iterable of bytes-like reads.
        limits: as for `EventParser`.
    """
    return AsyncStream(source, _EventReader(limits))


def decode(body: bytes | bytearray | memoryview, *, limits: Limits = DEFAULT_LIMITS) -> list[ChatCompletionChunk]:
    """Return the chunks of a whole body.

    A body that is cut short gives the chunks that it has: `iter_chunks` tells by its `end`.

    Args:
        body: the bytes of an event stream.
        limits: as for `ChunkDecoder`.

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
        source: a response of an HTTP client, or any iterable of bytes-like reads; bytes are one read.
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
    """Read an async source to its end and return the completion: `accumulate` for `await`.

    Args:
        source: a response of an async HTTP client, or any async iterable of bytes-like reads.
        allow_truncated: return what has come of a stream that did not end complete.
        limits: as for `CompletionAccumulator`.

    It raises what `accumulate` raises, and each error has `completion`, too.
    """
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
