"""Relays an event stream to a client of an ASGI server, from an endpoint of Starlette or FastAPI.

    from deltawire.integrations.asgi import relay, upstream_headers

    @app.post("/v1/chat/completions")
    async def chat(request: Request):
        headers = upstream_headers(request.headers)
        asked = client.build_request("POST", url, content=await request.body(), headers=headers)
        return relay(await client.send(asked, stream=True), on_report=print)

It runs on asyncio. A task for each stream waits for the server's word that the client has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .. import Rewriter, Tap
from .relaying import OnReport, Relay
from .upstreams import Fields, upstream_headers, upstream_of

__all__ = ["relay", "upstream_headers"]


class _Client:
    """The client of a request."""

    def __init__(self, response: Response, send: Send) -> None:
        self._response = response
        self._send = send
        self.left = False
        self.is_cut = False

    async def start(self) -> None:
        response = self._response
        await self._send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )

    def write(self, data: bytes) -> Awaitable[None]:
        return self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def cut(self) -> None:
        self.is_cut = True

    def has_left(self) -> bool:
        return self.left


class _RelayResponse(Response):
    """A response whose body comes from upstream."""

    background: BackgroundTask | None = None

    def __init__(self, status: int, fields: Fields, begin: Callable[[_Client], Relay]) -> None:
        self.status_code = status
        self.raw_headers = [
            (name.lower().encode("ascii"), value.encode("utf-8", "surrogateescape")) for name, value in fields
        ]
        self._begin = begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = _Client(self, send)
        stream = self._begin(client)
        watch = asyncio.create_task(_watch(receive, client, stream))
        try:
            await stream.run()
        finally:
            watch.cancel()
        if client.is_cut:
            # The server then closes the connection, within a body that would else look whole.
            raise ConnectionAbortedError("the body from upstream is not whole")
        if self.background is not None:
            await self.background()


async def _watch(receive: Receive, client: _Client, stream: Relay) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    client.left = True
    stream.leave()


def relay(
    response: Any,
    *,
    tap: Tap | None = None,
    rewriter: Rewriter | None = None,
    on_report: OnReport | None = None,
    keep_alive: float | None = 15.0,
    idle_timeout: float | None = 300.0,
    drain: float = 0.0,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response that sends an answer on as it comes.

    `response` is closed in every ending. Its client is best without a time-out of its own for reads,
    which is five seconds for httpx, and without aiohttp's `total` of five minutes. An answer that is no
    event stream (an error's JSON, a compressed body) goes on as it is: neither tap nor rewriter sees it,
    and its report has the status "unreadable".

    Args:
        response: one of httpx or httpx2, opened with `stream=True`, or of aiohttp.
        tap: observes the stream, and is closed. Made before the request is sent it counts times from
            there; one that is made here, where something needs it, from now.
        rewriter: what it gives is sent instead; one without a tap of its own.
        on_report: called with the `StreamReport`, once in every ending, after the last byte; may be
            a coroutine function. What it raises is logged.
        keep_alive: seconds without a write after which a comment is sent, between events only.
        idle_timeout: seconds without a byte from upstream after which the stream ends with an error
            event. While the client takes nothing, they do not count.
        drain: seconds for which upstream is read on for the report when the client has left: with 0
            what it would have told, the usage above all, is lost; with more its tokens are paid for.
        status: in place of upstream's.
        headers: set in the answer.

    Raises:
        TypeError: `response` is none of these.
    """
    upstream = upstream_of(response)
    own = headers or {}
    # Date and Server are the ASGI server's.
    left_out = {"date", "server", *(name.lower() for name in own)}
    fields = [(name, value) for name, value in upstream.fields if name.lower() not in left_out]

    def begin(client: _Client) -> Relay:
        return Relay(
            upstream,
            client,
            watched=False,
            tap=tap,
            rewriter=rewriter,
            on_report=on_report,
            keep_alive=keep_alive,
            idle_timeout=idle_timeout,
            drain=drain,
        )

    return _RelayResponse(upstream.status if status is None else status, [*fields, *own.items()], begin)
