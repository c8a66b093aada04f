"""Relays on Starlette and uvicorn: `python -m benchmarks.load.relays.on_uvicorn KIND UPSTREAM PORT`.

The peers are what documentation and answers to questions show, with clients that are made once.
"""

import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .. import loops
from ..stream import allow_open_files

Endpoint = Callable[[Request], Any]
PATH = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}


def httpx_client(upstream: str) -> Any:
    import httpx  # not for the others

    return httpx.AsyncClient(base_url=upstream, limits=httpx.Limits(max_connections=None), timeout=60, trust_env=False)


def lines(upstream: str) -> Endpoint:
    client = httpx_client(upstream)

    async def endpoint(request: Request) -> Response:
        body = await request.body()

        async def events() -> AsyncIterator[str]:
            async with client.stream("POST", PATH, content=body, headers=JSON) as answer:
                async for line in answer.aiter_lines():
                    if line == "data: [DONE]":
                        yield "data: [DONE]\n\n"
                    elif line.startswith("data: "):
                        yield f"data: {json.dumps(json.loads(line[6:]))}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return endpoint


def sse_starlette(upstream: str) -> Endpoint:
    from sse_starlette import EventSourceResponse  # not for the others

    client = httpx_client(upstream)

    async def endpoint(request: Request) -> Response:
        body = await request.body()

        async def events() -> AsyncIterator[dict[str, str]]:
            async with client.stream("POST", PATH, content=body, headers=JSON) as answer:
                async for line in answer.aiter_lines():
                    if line == "data: [DONE]":
                        yield {"data": "[DONE]"}
                    elif line.startswith("data: "):
                        yield {"data": json.dumps(json.loads(line[6:]))}

        return EventSourceResponse(events())

    return endpoint


def openai_sdk(upstream: str) -> Endpoint:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # not for the others

    http_client = DefaultAsyncHttpxClient(timeout=60, trust_env=False)
    client = AsyncOpenAI(base_url=f"{upstream}/v1", api_key="key", http_client=http_client, max_retries=0)

    async def endpoint(request: Request) -> Response:
        stream = await client.chat.completions.create(**await request.json())

        async def events() -> AsyncIterator[str]:
            async for chunk in stream:
                yield f"data: {chunk.model_dump_json()}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return endpoint


def asgi_httpx(upstream: str) -> Endpoint:
    from deltawire.integrations.asgi import relay  # not for the others

    client = httpx_client(upstream)

    async def endpoint(request: Request) -> Response:
        asked = client.build_request("POST", PATH, content=await request.body(), headers=JSON)
        return relay(await client.send(asked, stream=True), on_report=_reported)

    return endpoint


def asgi_aiohttp(upstream: str) -> Endpoint:
    from aiohttp import ClientSession, ClientTimeout, TCPConnector  # not for the others

    from deltawire.integrations.asgi import relay

    session: ClientSession | None = None

    async def endpoint(request: Request) -> Response:
        nonlocal session
        if session is None:  # made where the loop runs
            session = ClientSession(upstream, connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None))
        answer = await session.post(PATH, data=await request.body(), headers=JSON)
        return relay(answer, on_report=_reported)

    return endpoint


def _reported(report: Any) -> None:
    """Take a report, as an application would."""


KINDS = {each.__name__: each for each in (lines, sse_starlette, openai_sdk, asgi_httpx, asgi_aiohttp)}


async def serve(kind: str, upstream: int, port: int) -> None:
    app = Starlette(routes=[Route(PATH, KINDS[kind](f"http://127.0.0.1:{upstream}"), methods=["POST"])])
    config = uvicorn.Config(app, port=port, access_log=False, log_level="warning", lifespan="off", backlog=4096)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    allow_open_files()
    loops.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
