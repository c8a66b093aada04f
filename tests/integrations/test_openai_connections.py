"""Responses are closed when streams are left, and drained when they end, so that connections are used again."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .openai_beside import ASKED, DONE, EVENTS, WAYS, adrained, described, drained, made, openai, ours, read_from
from .openai_server import End, ScriptedServer, answer

# Well below a second, with room for a machine that is busy.
SHORTLY = 0.8

ENDINGS = pytest.mark.parametrize("end", [End.SILENT, End.ENDLESS, End.CUT])


@pytest.fixture
def no_cycle_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def create(client: Any) -> Any:
    return client.chat.completions.create(**ASKED)


def with_async_client(server: ScriptedServer, main: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        async with made(ours, "AsyncOpenAI", server.base_url) as client:
            return await main(client)

    return asyncio.run(run())


# --- the end of a stream


def test_ten_streams_take_one_connection() -> None:
    with ScriptedServer(answer(*EVENTS)) as server, made(ours, "OpenAI", server.base_url) as client:
        assert [len(list(create(client))) for _ in range(10)] == [8] * 10
        assert (server.connections, len(server.requests)) == (1, 10)


def test_ten_async_streams_take_one_connection() -> None:
    async def main(client: Any) -> list[int]:
        return [len((await adrained(await create(client))).chunks) for _ in range(10)]

    with ScriptedServer(answer(*EVENTS)) as server:
        assert with_async_client(server, main) == [8] * 10
        assert (server.connections, len(server.requests)) == (1, 10)


@WAYS
@pytest.mark.parametrize("after", [b": bye\n\n", b"data: {}\n\n" * 50, DONE], ids=["comment", "events", "end"])
def test_what_follows_the_end_in_a_write_of_its_own_is_drained(after: bytes, asynchronous: bool) -> None:
    async def main(client: Any) -> list[int]:
        return [len((await adrained(await create(client))).chunks) for _ in range(3)]

    with ScriptedServer(answer(*EVENTS, 0.005, after)) as server:
        if asynchronous:
            assert with_async_client(server, main) == [8] * 3
        else:
            with made(ours, "OpenAI", server.base_url) as client:
                assert [len(list(create(client))) for _ in range(3)] == [8] * 3
        assert server.connections == 1


@WAYS
@ENDINGS
def test_the_end_of_a_stream_does_not_wait_for_the_end_of_the_body(end: End, asynchronous: bool) -> None:
    with ScriptedServer(answer(*EVENTS, end=end)) as server:
        started = time.monotonic()
        read = read_from(ours, server.base_url, asynchronous)
        assert time.monotonic() - started < SHORTLY
        assert (len(read.chunks), read.fault) == (8, None)
        if end is not End.CUT:
            assert server.left.wait(1)


@WAYS
def test_a_drain_that_fails_is_no_fault_and_the_next_stream_is_read(asynchronous: bool) -> None:
    answers = [answer(*EVENTS, end=end) for end in (End.CUT, End.SILENT, End.ENDLESS)]

    async def main(client: Any) -> list[Any]:
        return [await adrained(await create(client)) for _ in range(4)]

    with ScriptedServer(*answers, answer(*EVENTS)) as server:
        if asynchronous:
            reads = with_async_client(server, main)
        else:
            with made(ours, "OpenAI", server.base_url) as client:
                reads = [drained(create(client)) for _ in range(4)]
        assert [(len(read.chunks), read.fault) for read in reads] == [(8, None)] * 4
        assert server.connections == 4


def test_draining_blocks_no_other_task() -> None:
    async def main(client: Any) -> float:
        longest = 0.0

        async def tick() -> None:
            nonlocal longest
            while True:
                started = time.monotonic()
                await asyncio.sleep(0.005)
                longest = max(longest, time.monotonic() - started)

        ticking = asyncio.create_task(tick())
        assert len((await adrained(await create(client))).chunks) == 8
        ticking.cancel()
        return longest

    for end in (End.SILENT, End.ENDLESS):
        with ScriptedServer(answer(*EVENTS, end=end)) as server:
            assert with_async_client(server, main) < SHORTLY / 2


def test_a_stream_that_ends_without_done_takes_one_connection_too() -> None:
    with ScriptedServer(answer(*EVENTS[:-1])) as server, made(ours, "OpenAI", server.base_url) as client:
        assert [len(list(create(client))) for _ in range(3)] == [8] * 3
        assert server.connections == 1


# --- streams that are left


def endless() -> Any:
    """Return the answer of a server that waits in the middle of a stream."""
    return answer(*EVENTS[:2], end=End.SILENT)


def leave_by_break(client: Any) -> Any:
    for chunk in (stream := create(client)):
        assert chunk.id
        return stream.response
    raise AssertionError("no chunk came")


def leave_by_exception(client: Any) -> Any:
    response = None
    try:
        for _ in (stream := create(client)):
            response = stream.response
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    return response


def leave_after_next(client: Any) -> Any:
    stream = create(client)
    next(stream)
    return stream.response


def never_iterate(client: Any) -> Any:
    return create(client).response


def leave_an_iterator(client: Any) -> Any:
    iterator = iter(stream := create(client))
    next(iterator)
    return stream.response


LEFT = [leave_by_break, leave_by_exception, leave_after_next, never_iterate, leave_an_iterator]


@pytest.mark.parametrize("leave", LEFT)
@pytest.mark.usefixtures("no_cycle_collector")
def test_a_stream_that_is_dropped_closes_its_response(leave: Callable[[Any], Any]) -> None:
    with ScriptedServer(endless()) as server, made(ours, "OpenAI", server.base_url) as client:
        response = leave(client)
        assert response.is_closed
        assert server.left.wait(1)


async def aleave_by_break(client: Any) -> Any:
    async for chunk in (stream := await create(client)):
        assert chunk.id
        return stream.response
    raise AssertionError("no chunk came")


async def aleave_by_exception(client: Any) -> Any:
    response = None
    try:
        async for _ in (stream := await create(client)):
            response = stream.response
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    return response


async def aleave_after_next(client: Any) -> Any:
    stream = await create(client)
    await anext(stream)
    return stream.response


async def anever_iterate(client: Any) -> Any:
    return (await create(client)).response


async def aleave_an_iterator(client: Any) -> Any:
    iterator = aiter(stream := await create(client))
    await anext(iterator)
    return stream.response


ALEFT = [aleave_by_break, aleave_by_exception, aleave_after_next, anever_iterate, aleave_an_iterator]


@pytest.mark.parametrize("leave", ALEFT)
@pytest.mark.usefixtures("no_cycle_collector")
def test_an_async_stream_that_is_dropped_closes_its_response(leave: Callable[[Any], Any]) -> None:
    async def main(client: Any) -> None:
        response = await leave(client)
        for _ in range(100):
            if response.is_closed and server.left.is_set():
                break
            await asyncio.sleep(0.01)
        assert response.is_closed and server.left.is_set()

    with ScriptedServer(endless()) as server:
        with_async_client(server, main)


def test_a_stream_can_be_closed_at_any_time_and_twice() -> None:
    with ScriptedServer(endless()) as server, made(ours, "OpenAI", server.base_url) as client:
        for reads in range(3):
            server.left.clear()
            stream = create(client)
            for _ in range(reads):
                next(stream)
            stream.close()
            stream.close()
            assert stream.response.is_closed
            assert server.left.wait(1)


def test_an_async_stream_can_be_closed_at_any_time_and_twice() -> None:
    async def main(client: Any) -> None:
        for reads in range(3):
            server.left.clear()
            stream = await create(client)
            for _ in range(reads):
                await anext(stream)
            await stream.close()
            await stream.close()
            assert stream.response.is_closed
            assert await asyncio.to_thread(server.left.wait, 1)

    with ScriptedServer(endless()) as server:
        with_async_client(server, main)


def test_a_with_statement_closes_on_an_exception() -> None:
    with ScriptedServer(endless()) as server, made(ours, "OpenAI", server.base_url) as client:
        with pytest.raises(ZeroDivisionError), create(client) as stream:
            raise ZeroDivisionError
        assert stream.response.is_closed
        assert server.left.wait(1)


@WAYS
def test_reading_on_after_close_is_as_in_openai(asynchronous: bool) -> None:
    def told(module: Any, base_url: str) -> Any:
        if asynchronous:

            async def main() -> Any:
                async with made(module, "AsyncOpenAI", base_url) as client:
                    stream = await create(client)
                    await anext(stream)
                    await stream.close()
                    return await adrained(stream)

            read = asyncio.run(main())
        else:
            with made(module, "OpenAI", base_url) as client:
                stream = create(client)
                next(stream)
                stream.close()
                read = drained(stream)
        return len(read.chunks), described(read.fault)

    with ScriptedServer(answer(EVENTS[0], 0.05, EVENTS[1], end=End.SILENT)) as server:
        assert told(ours, server.base_url) == told(openai, server.base_url)


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_cancelling_a_task_closes_its_response(chunks: int) -> None:
    async def main(client: Any) -> None:
        streams: list[Any] = []
        came = asyncio.Event()

        async def consume() -> None:
            streams.append(await create(client))
            if not chunks:
                came.set()
            count = 0
            async for _ in streams[0]:
                count += 1
                if count == chunks:
                    came.set()

        task = asyncio.create_task(consume())
        await came.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert streams[0].response.is_closed
        assert await asyncio.to_thread(server.left.wait, 1)

    given = answer(*EVENTS[:chunks], end=End.SILENT)
    with ScriptedServer(given) as server:
        with_async_client(server, main)


def test_cancelling_while_draining_closes_the_response_and_is_not_lost() -> None:
    async def main(client: Any) -> None:
        stream = await create(client)
        for _ in range(8):
            await anext(stream)
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.01)
        if task.done():
            pytest.skip("the drain was over before it could be cancelled")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream.response.is_closed

    with ScriptedServer(answer(*EVENTS, end=End.SILENT)) as server:
        with_async_client(server, main)


def test_a_timeout_around_a_stream_is_a_timeout() -> None:
    async def main(client: Any) -> None:
        stream = await create(client)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(adrained(stream), 0.1)
        assert stream.response.is_closed

    with ScriptedServer(endless()) as server:
        with_async_client(server, main)
