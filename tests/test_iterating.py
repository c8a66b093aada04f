"""Iterating over sources: what is given, when the source is closed, how it ends."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

import deltawire
from deltawire import ChunkDecodeError, UpstreamError, aiter_chunks, aiter_events, decode, iter_chunks, iter_events

STREAM = b'data: {"id":"a"}\n\ndata: {"id":"b","choices":[{"index":0,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
FAULTY = b'data: {"id":"a"}\n\ndata: {bad\n\ndata: {"id":"b"}\n\n'


CHUNK = b'data: {"id":"a"}\n\n'


class Source:
    """Reads that remember whether they were closed, for both kinds of iteration."""

    def __init__(self, *reads: bytes | Exception) -> None:
        self.reads = reads
        self.given = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for read in self.reads:
            if isinstance(read, Exception):
                raise read
            self.given += 1
            yield read

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for read in iter(self):
            yield read

    def close(self) -> None:
        self.closed += 1


def collect(stream: object) -> tuple[list[object], Exception | None]:
    """Exhaust a stream of either kind; return its items and the fault that ended it."""
    items: list[object] = []

    async def run() -> None:
        async for item in stream:
            items.append(item)  # noqa: PERF401 (what came before a fault is kept)

    try:
        if hasattr(stream, "__aiter__"):
            asyncio.run(run())
        else:
            items.extend(stream)
    except Exception as error:  # noqa: BLE001
        return items, error
    return items, None


@pytest.fixture(params=[iter_chunks, aiter_chunks], ids=["sync", "async"])
def iterate(request):
    return request.param


def test_chunks_come_one_by_one_and_the_source_is_closed(iterate) -> None:
    source = Source(STREAM[:9], STREAM[9:], b"never asked for")
    stream = iterate(source)
    assert stream.end is None
    items, error = collect(stream)
    assert error is None
    assert [chunk.id for chunk in items] == ["a", "b"]
    assert (stream.end.done, stream.end.complete) == (True, True)
    assert source.closed
    assert source.given == 2


def test_a_fault_comes_after_the_chunks_before_it_and_closes_the_source(iterate) -> None:
    source = Source(FAULTY, b"never asked for")
    items, error = collect(iterate(source))
    assert [chunk.id for chunk in items] == ["a"]
    assert isinstance(error, ChunkDecodeError)
    assert source.closed
    assert source.given == 1


def test_what_the_source_raises_comes_through(iterate) -> None:
    source = Source(STREAM[:20], OSError("gone"))
    items, error = collect(iterate(source))
    assert [chunk.id for chunk in items] == ["a"]
    assert str(error) == "gone"
    assert source.closed


def test_a_fault_at_the_very_end_comes_after_its_chunks(iterate) -> None:
    stream = iterate(Source(b'data: {"id":"a"}\n\nevent: error\ndata: x'))
    items, error = collect(stream)
    assert [chunk.id for chunk in items] == ["a"]
    assert isinstance(error, UpstreamError)


def test_an_unterminated_last_chunk_is_given(iterate) -> None:
    stream = iterate(Source(b'data: {"id":"a"}'))
    items, _ = collect(stream)
    assert [chunk.id for chunk in items] == ["a"]
    assert stream.end.unterminated


def test_close_closes_the_source_before_and_during_iteration() -> None:
    for taken in (0, 1):
        source = Source(STREAM, STREAM)
        with iter_chunks(source) as stream:
            for _ in range(taken):
                next(stream)
        assert source.closed
        assert list(stream) == []
        stream.close()


def test_aclose_closes_the_source_before_and_during_iteration() -> None:
    async def run(taken: int) -> None:
        source = Source(STREAM, STREAM)
        async with aiter_chunks(source) as stream:
            for _ in range(taken):
                await anext(stream)
        assert source.closed
        assert [item async for item in stream] == []
        await stream.aclose()

    for taken in (0, 1):
        asyncio.run(run(taken))


def test_an_async_source_may_close_by_a_coroutine() -> None:
    class Closing(Source):
        async def aclose(self) -> None:
            self.closed += 10

    source = Closing(STREAM)
    collect(aiter_chunks(source))
    assert source.closed == 10


@pytest.mark.parametrize("iterate_events", [iter_events, aiter_events], ids=["sync", "async"])
def test_events_of_any_protocol(iterate_events) -> None:
    stream = iterate_events(Source(b"event: a\r", b"\ndata: 1\r\n\r\ndata: [DONE]\n\ndata: 2"))
    items, error = collect(stream)
    assert error is None
    assert [(event.event, event.data) for event in items] == [("a", "1"), ("message", "[DONE]")]
    assert stream.end.discarded == 7


def test_bytes_are_one_read() -> None:
    for body in (STREAM, bytearray(STREAM), memoryview(STREAM)):
        assert [chunk.id for chunk in iter_chunks(body)] == ["a", "b"]


@pytest.mark.parametrize("source", [5, None, "text"])
def test_what_cannot_be_iterated_is_refused_at_once(source) -> None:
    with pytest.raises(TypeError, match="an iterable of bytes is required, not"):
        iter_chunks(source)
    with pytest.raises(TypeError, match="an async iterable of bytes is required, not"):
        aiter_chunks(source)


def test_reads_that_are_not_bytes_are_refused() -> None:
    with pytest.raises(TypeError, match="a bytes-like object is required, not 'str'"):
        list(iter_chunks(["text"]))


def test_decode_gives_the_chunks_of_a_body() -> None:
    assert [chunk.id for chunk in decode(STREAM)] == ["a", "b"]
    with pytest.raises(ChunkDecodeError) as caught:
        decode(FAULTY)
    assert [chunk.id for chunk in caught.value.chunks] == ["a"]


def test_a_users_type_and_limits_are_passed_on() -> None:
    class MyChunk(deltawire.ChatCompletionChunk):
        extra: int | None = None

    assert next(iter_chunks(b'data: {"extra":5}\n\n', type=MyChunk)).extra == 5
    with pytest.raises(deltawire.LimitExceededError):
        decode(STREAM, limits=deltawire.Limits(max_event=3))


class Closing:
    """Counts how often it is closed, and how often what iterates over it was."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield CHUNK
            yield CHUNK
        finally:
            self.closed.append("iterator")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            yield CHUNK
            await asyncio.sleep(10)
            yield CHUNK
        finally:
            self.closed.append("iterator")

    def close(self) -> None:
        self.closed.append("source")


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_a_source_is_closed_once_and_its_iterator_too(taken: int) -> None:
    source = Closing()
    with iter_chunks(source) as stream:
        for _ in range(taken):
            next(stream, None)
    stream.close()
    gc.collect()
    assert source.closed in (["iterator", "source"], ["source"])
    assert taken == 0 or source.closed == ["iterator", "source"]


def test_closing_while_another_task_waits_closes_the_source() -> None:
    async def run() -> list[str]:
        source = Closing()
        stream = aiter_chunks(source)
        assert await anext(stream)
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await stream.aclose()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        return source.closed

    assert "source" in asyncio.run(run())


def test_an_async_source_is_closed_with_what_iterates_over_it() -> None:
    async def run() -> list[str]:
        source = Closing()
        async with aiter_chunks(source) as stream:
            assert await anext(stream)
        return source.closed

    assert asyncio.run(run()) == ["iterator", "source"]
