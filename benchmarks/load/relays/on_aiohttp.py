"""Relays on aiohttp's server and client: `python -m benchmarks.load.relays.on_aiohttp raw|tap|relay UPSTREAM PORT`."""

import asyncio
import sys
from collections import Counter

from aiohttp import ClientResponse, ClientSession, ClientTimeout, TCPConnector, web

from .. import loops
from ..stream import allow_open_files

reports: Counter[str] = Counter()  # how often each ending was reported


async def raw(request: web.Request, upstream: ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": upstream.headers["Content-Type"]})
    await response.prepare(request)
    async for data in upstream.content.iter_any():
        await response.write(data)
    return response


async def tap(request: web.Request, upstream: ClientResponse) -> web.StreamResponse:
    """Do what `raw` does, with one line more for each read."""
    from deltawire import Tap  # not for the others

    response = web.StreamResponse(headers={"Content-Type": upstream.headers["Content-Type"]})
    await response.prepare(request)
    tap = Tap()
    try:
        async for data in upstream.content.iter_any():
            tap.feed(data)
            await response.write(data)
    finally:
        reports[tap.close().status] += 1
    return response


async def relay(request: web.Request, upstream: ClientResponse) -> web.StreamResponse:
    from deltawire.integrations.aiohttp import relay  # not for the others

    return await relay(request, upstream, on_report=lambda report: reports.update([report.status]))


async def serve(kind: str, upstream: int, port: int) -> None:
    stream = {"raw": raw, "tap": tap, "relay": relay}[kind]
    timeout = ClientTimeout(total=None)
    async with ClientSession(
        f"http://127.0.0.1:{upstream}", connector=TCPConnector(limit=0), timeout=timeout
    ) as session:

        async def chat(request: web.Request) -> web.StreamResponse:
            headers = {"Content-Type": request.headers["Content-Type"]}
            async with session.post(request.path, data=await request.read(), headers=headers) as answer:
                return await stream(request, answer)

        async def reported(request: web.Request) -> web.Response:
            return web.json_response(reports)

        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        app.router.add_get("/reports", reported)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    allow_open_files()
    loops.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
