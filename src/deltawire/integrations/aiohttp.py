"""Relays an event stream that aiohttp's client reads to a client of aiohttp's server.

    from deltawire.integrations.aiohttp import relay, upstream_headers

    async def chat(request):
        upstream = await session.post(url, data=await request.read(), headers=upstream_headers(request.headers))
        return await relay(request, upstream, on_report=print)

aiohttp's server tells a handler of a lost client at its next write only. Until then the
relay looks every five seconds; under `AppRunner(app, handler_cancellation=True)` the handler is
cancelled at once, which ends a relay in good order too.
"""

from __future__ import annotations

from aiohttp import ClientResponse, HttpVersion11, web
from multidict import CIMultiDict

from .. import Rewriter, Tap
from .relaying import OnReport, Relay
from .upstreams import upstream_headers, upstream_of

__all__ = ["relay", "upstream_headers"]


class _Client:
    """The client of a request."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request = request
        self._response = response
        self.write = response.write
        self.end = response.write_eof

    async def start(self) -> None:
        await self._response.prepare(self._request)

    def cut(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()

    def has_left(self) -> bool:
        transport = self._request.transport
        return transport is None or transport.is_closing()


async def relay(
    request: web.Request,
    upstream: ClientResponse,
    *,
    tap: Tap | None = None,
    rewriter: Rewriter | None = None,
    on_report: OnReport | None = None,
    keep_alive: float | None = 15.0,
    idle_timeout: float | None = 300.0,
    drain: float = 0.0,
    watched: bool = True,
    headers: dict[str, str] | None = None,
) -> web.StreamResponse:
    """Send an answer on to the client of `request` as it comes, and return the response that the handler returns.

    `upstream` is closed in every ending; a session's own `timeout` is best without `total`, which is
    five minutes if not given. An answer that is no event stream (an error's JSON, a compressed body)
    goes on as it is: neither tap nor rewriter sees it, and its report has the status "unreadable".

    Args:
        request: the client's, of which nothing is read.
        upstream: the answer, of which nothing was read.
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
        watched: look for a lost client every five seconds; where the handler is cancelled it need not be.
        headers: set in the answer.
    """
    source = upstream_of(upstream)
    fields = CIMultiDict(source.fields)
    fields.update(headers or {})
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=fields)
    if request.version < HttpVersion11:
        response.force_close()  # which is how such a body ends (RFC 9112, 6.3)
    stream = Relay(
        source,
        _Client(request, response),
        watched=watched,
        tap=tap,
        rewriter=rewriter,
        on_report=on_report,
        keep_alive=keep_alive,
        idle_timeout=idle_timeout,
        drain=drain,
    )
    await stream.run()
    return response
