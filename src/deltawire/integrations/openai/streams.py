"""The SDK's streams, read by deltawire."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import suppress
from typing import Any

import openai
from openai.types.chat import ChatCompletionChunk

from ...decoder import ModelDecoder
from ...draining import adrain, drain
from ...errors import ChunkDecodeError, DeltawireError, UpstreamError
from .models import chunk_model, construct


class _Reads:
    """The reads of a response; what goes wrong in the transport is raised as the SDK raises it."""

    _iter_events: Any = getattr(openai.Stream, "_iter_events", None)  # private: if it is gone, so be it

    def __init__(self, response: Any) -> None:
        self.response = response
        self._decoder = self

    def iter_bytes(self, reads: Iterator[bytes]) -> Iterator[bytes]:
        """Leave the reads as they are, where the SDK would make events of them."""
        return reads

    def __iter__(self) -> Iterator[bytes]:
        return self._iter_events()  # type: ignore[no-any-return]


class _AsyncReads:
    """`_Reads` of an async client."""

    _iter_events: Any = getattr(openai.AsyncStream, "_iter_events", None)

    def __init__(self, response: Any) -> None:
        self.response = response
        self._decoder = self

    def aiter_bytes(self, reads: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Leave the reads as they are."""
        return reads

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iter_events()  # type: ignore[no-any-return]


def _raised(error: DeltawireError, request: Any) -> Exception:
    """Return what the SDK raises for a fault in the stream."""
    if isinstance(error, UpstreamError):
        message = error.body.get("message") if isinstance(error.body, dict) else None
        if not (message and isinstance(message, str)):
            message = "An error occurred during streaming"
        return openai.APIError(message, request, body=error.body)
    if isinstance(error, ChunkDecodeError) and isinstance(error.__cause__, Exception):
        return error.__cause__
    return error


def _read(response: Any) -> Generator[Any, None, None]:
    """Yield None at once, for who starts it, then the chunks. It knows no stream: one that is dropped is closed."""
    decoder = ModelDecoder(chunk_model(), construct)
    try:
        yield None
        reads = iter(_Reads(response))
        for data in reads:
            yield from decoder.feed(data)
            if decoder.error is not None:
                raise _raised(decoder.error, response.request)
            if decoder.done:
                drain(response, reads)
                return
        try:
            rest = decoder.finish().chunks
        except DeltawireError as error:
            yield from error.chunks
            raise _raised(error, response.request) from None
        yield from rest
    finally:
        response.close()


async def _aread(response: Any) -> AsyncGenerator[Any, None]:
    """Do as `_read` does, for an async client."""
    decoder = ModelDecoder(chunk_model(), construct)
    try:
        yield None
        reads = aiter(_AsyncReads(response))
        async for data in reads:
            for chunk in decoder.feed(data):
                yield chunk
            if decoder.error is not None:
                raise _raised(decoder.error, response.request)
            if decoder.done:
                await adrain(response, reads)
                return
        try:
            rest = decoder.finish().chunks
        except DeltawireError as error:
            for chunk in error.chunks:
                yield chunk
            raise _raised(error, response.request) from None
        for chunk in rest:
            yield chunk
    finally:
        await response.aclose()


class ChunkStream(openai.Stream[ChatCompletionChunk]):
    """A stream of chunks; closes its response when it ends, fails, is closed or is dropped."""

    def __stream__(self) -> Iterator[ChatCompletionChunk]:
        items = _read(self.response)
        next(items)  # so that its `finally` runs though it be dropped unread
        return items

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return self._iterator


class AsyncChunkStream(openai.AsyncStream[ChatCompletionChunk]):
    """`ChunkStream` for `async for`."""

    def __stream__(self) -> AsyncIterator[ChatCompletionChunk]:
        items = _aread(self.response)
        with suppress(StopIteration):  # it yields without waiting
            items.asend(None).send(None)
        return items

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return self._iterator
