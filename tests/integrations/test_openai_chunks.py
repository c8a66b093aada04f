"""`chunks`: deltawire's own Structs of a stream that openai's client, or ours, has opened."""

import asyncio
import time
from typing import Any

import pytest

import deltawire.streams
from deltawire.replay import sample, split_events

from .openai_beside import EVENTS, TEXT, WAYS, made, openai, ours
from .openai_server import End, ScriptedServer, answer
from .test_openai_connections import ENDINGS, SHORTLY, create, endless, with_async_client


@pytest.mark.parametrize("module", [openai, ours], ids=["stock", "ours"])
@pytest.mark.parametrize("name", ["text", "tools", "logprobs"])
def test_chunks_of_a_stream_are_structs(module: Any, name: str) -> None:
    given = sample(name, chunks=20).body
    with ScriptedServer(answer(*split_events(given))) as server, made(module, "OpenAI", server.base_url) as client:
        for _ in range(3):
            with ours.chunks(create(client)) as stream:
                assert isinstance(stream, deltawire.streams.Stream)
                assert list(stream) == deltawire.decode(given)
                assert stream.end is not None and stream.end.complete
        assert server.connections == 1


@pytest.mark.parametrize("module", [openai, ours], ids=["stock", "ours"])
def test_chunks_of_an_async_stream_are_structs(module: Any) -> None:
    async def main() -> None:
        async with made(module, "AsyncOpenAI", server.base_url) as client:
            for _ in range(3):
                async with ours.chunks(await create(client)) as stream:
                    assert isinstance(stream, deltawire.streams.AsyncStream)
                    assert [chunk async for chunk in stream] == deltawire.decode(TEXT)
                    assert stream.end is not None and stream.end.complete

    with ScriptedServer(answer(*EVENTS)) as server:
        asyncio.run(main())
        assert server.connections == 1


def test_chunks_raise_what_deltawire_raises() -> None:
    given = answer(EVENTS[0], b'data: {"error": {"message": "full"}}\n\n', end=End.SILENT)
    with ScriptedServer(given) as server, made(openai, "OpenAI", server.base_url) as client:
        stream = create(client)
        chunks = ours.chunks(stream)
        assert next(chunks) == deltawire.decode(EVENTS[0])[0]
        with pytest.raises(deltawire.UpstreamError, match="full"):
            next(chunks)
        assert stream.response.is_closed
        assert server.left.wait(1)


def test_closing_chunks_closes_the_response() -> None:
    with ScriptedServer(endless()) as server, made(openai, "OpenAI", server.base_url) as client:
        for reads in range(3):
            server.left.clear()
            stream = create(client)
            chunks = ours.chunks(stream)
            for _ in range(reads):
                next(chunks)
            chunks.close()
            assert stream.response.is_closed
            assert server.left.wait(1)


def test_closing_async_chunks_closes_the_response() -> None:
    async def main(client: Any) -> None:
        for reads in range(3):
            server.left.clear()
            stream = await create(client)
            chunks = ours.chunks(stream)
            for _ in range(reads):
                await anext(chunks)
            await chunks.aclose()
            assert stream.response.is_closed
            assert await asyncio.to_thread(server.left.wait, 1)

    with ScriptedServer(endless()) as server:
        with_async_client(server, main)


def read_chunks(module: Any, base_url: str, asynchronous: bool) -> list[Any]:
    """Read deltawire's own chunks of a stream that nothing else holds."""
    if not asynchronous:
        with made(module, "OpenAI", base_url) as client:
            return list(ours.chunks(create(client)))

    async def main() -> list[Any]:
        async with made(module, "AsyncOpenAI", base_url) as client:
            return [chunk async for chunk in ours.chunks(await create(client))]

    return asyncio.run(main())


@WAYS
@pytest.mark.parametrize("module", [openai, ours], ids=["stock", "ours"])
def test_chunks_need_nobody_to_hold_the_stream(module: Any, asynchronous: bool) -> None:
    pauses = [step for event in EVENTS for step in (event, 0.01)]
    with ScriptedServer(answer(*pauses)) as server:
        assert read_chunks(module, server.base_url, asynchronous) == deltawire.decode(TEXT)


@ENDINGS
@WAYS
@pytest.mark.parametrize("module", [openai, ours], ids=["stock", "ours"])
def test_the_end_of_chunks_does_not_wait_for_the_end_of_the_body(module: Any, end: End, asynchronous: bool) -> None:
    with ScriptedServer(answer(*EVENTS, end=end)) as server:
        started = time.monotonic()
        chunks = read_chunks(module, server.base_url, asynchronous)
        assert time.monotonic() - started < SHORTLY
        assert len(chunks) == 8
