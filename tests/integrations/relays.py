"""The relays, each behind its own server on loopback, and what a test asks them with."""

import asyncio
import functools
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from .upstream import Script, Upstream

# The server's integration, and the client that reads upstream.
KINDS = ["aiohttp", "asgi with httpx", "asgi with aiohttp"]
RELAYS = pytest.mark.parametrize("kind", KINDS)


def in_loop(test: Callable[..., Any]) -> Callable[..., None]:
    """Run an async test, for a while at most, and see that it leaves no task behind."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        async def main() -> None:
            async with asyncio.timeout(30):
                await test(*arguments, **named)
            for _ in range(3):
                await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(main())
        gc.collect()  # what was not closed says so now

    return run


@asynccontextmanager
async def aiohttp_server(served: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an aiohttp application, or `POST /` with a handler; gives the URL."""
    web = import_module("aiohttp.web")
    app = served
    if not isinstance(served, web.Application):
        app = web.Application()
        app.router.add_post("/", served)
    runner = web.AppRunner(app, shutdown_timeout=0.5, **options)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def uvicorn_server(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application with uvicorn; gives the URL."""
    uvicorn = import_module("uvicorn")
    config = uvicorn.Config(app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (there is no event for it)
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def _sender(library: str) -> AsyncIterator[Callable[..., Any]]:
    """Give what sends a request to upstream and returns the answer, its body unread."""
    module = import_module(library)
    if library == "aiohttp":
        async with module.ClientSession(timeout=module.ClientTimeout(total=None)) as session:
            yield lambda url, data, headers: session.post(url, data=data, headers=headers)
    else:
        async with module.AsyncClient(timeout=None) as client:
            yield lambda url, data, headers: client.send(
                client.build_request("POST", url, content=data, headers=headers), stream=True
            )


@asynccontextmanager
async def _served(kind: str, url: str, options: Callable[[], dict[str, Any]], **server: Any) -> AsyncIterator[str]:
    integration, _, library = kind.partition(" with ")
    for needed in (*(["starlette", "uvicorn"] if integration == "asgi" else []), library or "aiohttp"):
        pytest.importorskip(needed)
    relaying = import_module(f"deltawire.integrations.{integration}")

    async with AsyncExitStack() as stack:
        send = await stack.enter_async_context(_sender(library or "aiohttp"))

        async def ask(headers: Any, body: bytes) -> Any:
            return await send(url, body, relaying.upstream_headers(headers))

        async def handler(request: Any) -> Any:
            answer = await ask(request.headers, await request.read())
            return await relaying.relay(request, answer, **options())

        async def endpoint(request: Any) -> Any:
            return relaying.relay(await ask(request.headers, await request.body()), **options())

        if integration == "aiohttp":
            yield await stack.enter_async_context(aiohttp_server(handler, **server))
        else:
            route = import_module("starlette.routing").Route("/", endpoint, methods=["POST"])
            app = import_module("starlette.applications").Starlette(routes=[route])
            yield await stack.enter_async_context(uvicorn_server(app))


@asynccontextmanager
async def relayed(
    kind: str, script: Script, server: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Any]:
    """Serve a relay of `kind` before an upstream; gives what a test uses of both, and `reports` as they come.

    An option that is a function of nothing gives each stream its own.
    """
    aiohttp = pytest.importorskip("aiohttp")
    reports: asyncio.Queue[Any] = asyncio.Queue()
    options.setdefault("on_report", reports.put_nowait)

    def made() -> dict[str, Any]:
        return {
            name: value() if name in ("tap", "rewriter") and callable(value) else value
            for name, value in options.items()
        }

    async with (
        Upstream(script) as upstream,
        aiohttp.ClientSession(auto_decompress=False) as session,
        AsyncExitStack() as stack,
    ):
        url = await stack.enter_async_context(_served(kind, upstream.url, made, **(server or {})))
        yield SimpleNamespace(url=url, upstream=upstream, session=session, reports=reports, shut_down=stack.aclose)


async def body(rig: Any, **options: Any) -> bytes:
    """Return the body that a client gets."""
    async with rig.session.post(rig.url, **options) as response:
        return await response.read()


class Answer:
    """An answer as aiohttp's client shows it, whose reads a test gives: bytes, or what is raised or awaited."""

    def __init__(self, *steps: Any, status: int = 200, **fields: str) -> None:
        self.status = status
        self.reason = "OK"
        self.headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **fields}
        self.content = self
        self.closed = 0
        self._steps = iter(steps)

    async def readany(self) -> bytes:
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, bytes):
                return step
            await step()
        return b""

    def close(self) -> None:
        self.closed += 1


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
