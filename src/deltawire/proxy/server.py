"""The server: one request after another to upstream, and its answer to the client."""

from __future__ import annotations

import asyncio
from typing import Any, BinaryIO, Self

import aiohttp
from aiohttp import hdrs, web

from .exchange import Exchange
from .gate import Gate, Refusal
from .log import Entry, Log, http_logger
from .metrics import Metrics
from .settings import Settings

# Shorter than any server's own: uvicorn's is 5 s. A connection that upstream closes just as it is
# taken up again costs a request.
_UPSTREAM_KEEPALIVE = 4.0
# Longer than a balancer's own, for the same reason: nginx's is 60 s.
_CLIENT_KEEPALIVE = 75.0
# What aiohttp's client would say of itself where a client has said nothing.
_SAID_BY_AIOHTTP = {"Accept", "Content-Type", "User-Agent"}
# For what a stream that is cut still has to say.
_FAREWELL = 3.0


class Proxy:
    """A reverse proxy before one upstream.

    An asynchronous context manager: on leaving it, it stops at once; `close` stops in good order.

    Args:
        settings: what it does.
        log: where the access log goes, a line of JSON for each request; None: nowhere.
        metrics_apart: `/metrics` is served where `listen_for_metrics` says, and nowhere else.

    Attributes:
        metrics: the counts.
    """

    def __init__(self, settings: Settings, *, log: BinaryIO | None = None, metrics_apart: bool = False) -> None:
        self._settings = settings
        self._gate = Gate(settings)
        self._log = Log(log)
        self._exchanges: set[asyncio.Task[Any]] = set()  # in flight
        self._closing = False
        self._closed = asyncio.Event()
        self.metrics = Metrics(settings.model_labels)
        self._runner = self._runner_of(
            # Where clients have left is told by a cancelled handler, unless upstream is to be read on for them.
            {"*": self._handle, "/healthz": self._health, **({} if metrics_apart else {"/metrics": self._metrics})},
            handler_cancellation=settings.drain == 0,
        )
        self._apart = self._runner_of({"/healthz": self._health, "/metrics": self._metrics})
        self._session: aiohttp.ClientSession | None = None

    def _runner_of(self, handlers: dict[str, Any], **options: Any) -> web.AppRunner:
        app = web.Application()
        for path, handler in handlers.items():
            if path != "*":
                app.router.add_get(path, handler)
        if "*" in handlers:
            app.router.add_route("*", r"/{path:[\s\S]*}", handlers["*"])
        size = self._settings.max_header
        return web.AppRunner(
            app,
            access_log=None,
            logger=http_logger,
            auto_decompress=False,
            keepalive_timeout=_CLIENT_KEEPALIVE,
            max_line_size=size,
            max_field_size=size,
            shutdown_timeout=_FAREWELL,
            **options,
        )

    async def __aenter__(self) -> Self:
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_UPSTREAM_KEEPALIVE),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),  # one client's cookies are not another's
            skip_auto_headers=_SAID_BY_AIOHTTP,
            auto_decompress=False,
            max_line_size=settings.max_header,
            max_field_size=settings.max_header,
        )
        await self._runner.setup()
        await self._apart.setup()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(0)

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Serve clients at an address, port 0 for any, and return it."""
        return await _listen(self._runner, host, port)

    async def listen_for_metrics(self, host: str, port: int) -> tuple[str, int]:
        """Serve `/metrics` and `/healthz` alone at an address, and return it."""
        return await _listen(self._apart, host, port)

    async def close(self, grace: float) -> None:
        """Listen no more, let requests finish for `grace` seconds, then cut them.

        A client of a stream that is cut gets an error event. Called again meanwhile, it cuts them at once.
        """
        if self._closing:
            self._cut()
            await self._closed.wait()
            return
        self._closing = True
        try:
            for site in list(self._runner.sites):
                await site.stop()
            if self._exchanges and grace > 0:
                await asyncio.wait(self._exchanges, timeout=grace)
            self._cut()
            if self._exchanges:
                await asyncio.wait(self._exchanges, timeout=_FAREWELL)
            await self._runner.cleanup()
            await self._apart.cleanup()
            if self._session is not None:
                await self._session.close()
        finally:
            self._closed.set()

    def _cut(self) -> None:
        for exchange in self._exchanges:
            exchange.cancel()

    # --- what it answers itself

    async def _health(self, request: web.Request) -> web.Response:
        status = 503 if self._closing else 200
        return web.json_response({"status": "closing" if self._closing else "ok"}, status=status)

    async def _metrics(self, request: web.Request) -> web.Response:
        headers = {hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self.metrics.exposition(), headers=headers)

    # --- what goes to upstream

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        assert self._session is not None
        self._exchanges.add(task)
        exchange = Exchange(self._settings, self._gate, self.metrics, request)
        entry = exchange.entry
        try:
            if self._closing:
                raise _closing()
            return await exchange.run(self._session)
        except Refusal as refusal:
            return _refused(refusal, entry)
        except asyncio.CancelledError:
            client = request.transport
            if exchange.answered or client is None or client.is_closing():
                raise
            return _refused(_closing(), entry)  # by `close`: the client is still there
        except Exception:
            entry.status = 500  # which aiohttp answers, and logs
            raise
        finally:
            self._exchanges.discard(task)
            self.metrics.requests[entry.status] += 1
            self._log.write(entry, exchange.started)


def _closing() -> Refusal:
    return Refusal(503, "The proxy is shutting down.", "shutting_down", "server_error")


def _refused(refusal: Refusal, entry: Entry) -> web.Response:
    entry.status, entry.refused = refusal.status, refusal.error["code"]
    return refusal.response()


async def _listen(runner: web.AppRunner, host: str, port: int) -> tuple[str, int]:
    before = len(runner.addresses)
    await web.TCPSite(runner, host, port).start()
    address = runner.addresses[before]
    return address[0], address[1]
