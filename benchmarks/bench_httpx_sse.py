"""Over httpx, in memory and over loopback: the drop-in beside httpx-sse itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from deltawire.replay import ReplayServer

from .fixtures import READ, stream

httpx = pytest.importorskip("httpx")
httpx_sse = pytest.importorskip("httpx_sse")

from deltawire.integrations import httpx_sse as ours  # noqa: E402

MODULES = pytest.mark.parametrize("module", [ours, httpx_sse], ids=["deltawire", "httpx-sse"])
STREAM = stream("text", 10_000)
EVENTS = len(STREAM.payloads) + 1


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self) -> None:
        self.reads = STREAM.reads(READ)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.reads)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for data in self.reads:
            yield data


def events(source: Any) -> int:
    found = 0
    for _ in source.iter_sse():
        found += 1
    return found


def values(source: Any) -> int:
    found = 0
    for event in source.iter_sse():
        found += 1
        if event.data != "[DONE]":
            event.json()
    return found


def read(module: ModuleType, client: Any, url: str, way: Callable[[Any], int]) -> int:
    with module.connect_sse(client, "POST", url, json={"stream": True}) as source:
        return way(source)


async def read_async(module: ModuleType, client: Any, url: str) -> int:
    async with module.aconnect_sse(client, "POST", url, json={"stream": True}) as source:
        found = 0
        async for _ in source.aiter_sse():
            found += 1
        return found


@pytest.fixture
def transport() -> Any:
    kind = {"Content-Type": "text/event-stream"}
    return httpx.MockTransport(lambda request: httpx.Response(200, headers=kind, stream=Body()))


@MODULES
@pytest.mark.parametrize("way", [events, values])
def bench_sync(benchmark, module: ModuleType, way: Any, transport: Any) -> None:
    benchmark.group = f"{way.__name__}, in memory"
    with httpx.Client(transport=transport) as client:
        assert benchmark(read, module, client, "https://host/", way) == EVENTS


@MODULES
def bench_async(benchmark, module: ModuleType, transport: Any) -> None:
    benchmark.group = "events, async, in memory"
    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(transport=transport)
        assert benchmark(lambda: runner.run(read_async(module, client, "https://host/"))) == EVENTS
        runner.run(client.aclose())


@MODULES
@pytest.mark.parametrize("each", [200, 1])
def bench_loopback(benchmark, module: ModuleType, each: int) -> None:
    benchmark.group = f"events, over loopback, {each} events a write"
    with ReplayServer(STREAM, events_per_write=each) as server, httpx.Client() as client:
        assert benchmark(read, module, client, f"{server.base_url}/chat/completions", events) == EVENTS
