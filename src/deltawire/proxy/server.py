"""The server: one request after another to upstream, and its answer to the client."""

from __future__ import annotations

import asyncio
import io
import logging
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, BinaryIO, Self, cast

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from .. import Rewriter, StreamReport, Tap, include_usage_in_request
from ..integrations.aiohttp import relay
from ..integrations.upstreams import Fields, upstream_of
from .bodies import Unread, Upload, counted, head_of, renamed
from .gate import Gate, Refusal
from .log import Entry, Log, http_logger
from .metrics import Metrics, Watch
from .settings import Settings

# Shorter than any server's own: uvicorn's is 5 s. A connection that upstream closes just as it is
# taken up again costs a request.
_UPSTREAM_KEEPALIVE = 4.0
# What aiohttp's client would say of itself where a client has said nothing.
_SAID_BY_AIOHTTP = {"Accept", "Content-Type", "User-Agent"}
# Of a request that nobody waits for, as nginx logs it.
_CLIENT_LEFT = 499
# For what a stream that is cut still has to say.
_FAREWELL = 3.0

logger = logging.getLogger("deltawire")


@dataclass(slots=True)
class Exchange:
    """One request on its way.

    Attributes:
        completes: it asks for a chat completion or a completion.
        injected: usage was asked for by the proxy, not by the client.
    """

    request: web.Request
    entry: Entry
    started: int
    completes: bool
    injected: bool = False


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
        self._root = settings.root
        self._exchanges: set[asyncio.Task[Any]] = set()
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
            app.router.add_route("*", "/{path:.*}", handlers["*"])
        size = self._settings.max_header
        return web.AppRunner(
            app,
            access_log=None,
            logger=http_logger,
            auto_decompress=False,
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
        self._exchanges.add(task)
        exchange = self._exchange_of(request)
        entry = exchange.entry
        try:
            return await self._exchange(exchange)
        except Refusal as refusal:
            entry.status, entry.refused = refusal.status, refusal.error["code"]
            return refusal.response()
        except Exception:
            entry.status = 500  # which aiohttp answers, and logs
            raise
        finally:
            self._exchanges.discard(task)
            self.metrics.requests[entry.status] += 1
            self._log.write(entry, exchange.started)

    def _exchange_of(self, request: web.Request) -> Exchange:
        client = request.remote
        if self._settings.trust_forwarded and (addresses := request.headers.getall("X-Forwarded-For", [])):
            client = addresses[-1].rpartition(",")[2].strip()
        path = request.raw_path.partition("?")[0]
        completes = request.method == "POST" and path.endswith("/completions")
        entry = Entry(client=client, method=request.method, path=path, status=_CLIENT_LEFT)
        return Exchange(request, entry, monotonic_ns(), completes)

    async def _exchange(self, exchange: Exchange) -> web.StreamResponse:
        request = exchange.request
        if self._closing:
            raise _closing()
        target = self._gate.check(request)
        upstream = await self._ask(exchange, target)
        if upstream.status < 200:
            upstream.close()
            raise Refusal(502, "Upstream's answer could not be read.", "upstream_invalid", "upstream_error")
        exchange.entry.status = upstream.status
        try:
            return await self._answer(exchange, upstream)
        finally:
            upstream.close()

    async def _ask(self, exchange: Exchange, target: str) -> aiohttp.ClientResponse:
        """Send the request to upstream, and return its answer, the body unread.

        Raises:
            Refusal: there is none, or the request is broken.
        """
        request, settings = exchange.request, self._settings
        assert self._session is not None
        upload = Upload(request, settings.max_body, settings.idle_timeout)
        try:
            async with asyncio.timeout(settings.idle_timeout) as upload.waiting:
                body, length = await self._body(exchange, upload)
                return await self._session.request(
                    request.method,
                    URL(self._root + target, encoded=True),
                    data=body,
                    headers=[*self._gate.headers(request), *length],
                    allow_redirects=False,
                )
        except asyncio.CancelledError:
            if self._closing and request.transport is not None and not request.transport.is_closing():
                raise _closing() from None  # by `close`: the client is still there
            raise
        except TimeoutError as error:
            if upload.awaited and not isinstance(error, aiohttp.ClientError):
                raise Refusal(408, "The request's body did not come in time.", "request_timeout") from error
            raise _no_answer(504, "Upstream did not answer in time.", "upstream_timeout", error) from error
        except aiohttp.ClientError as error:
            if upload.fault is not None:
                raise upload.fault from error
            if isinstance(error, aiohttp.ClientResponseError):
                raise _no_answer(502, "Upstream's answer could not be read.", "upstream_invalid", error) from error
            raise _no_answer(502, "Upstream could not be reached.", "upstream_unreachable", error) from error
        finally:
            upload.waiting = None

    async def _body(self, exchange: Exchange, upload: Upload) -> tuple[Any, Fields]:
        """Return the body to send, and what is to be said of its length."""
        request, settings = exchange.request, self._settings
        if not request.body_exists:
            return None, []
        length = request.content_length
        if exchange.completes and settings.usage != "never" and hdrs.CONTENT_ENCODING not in request.headers:
            body = await upload.whole(settings.max_inspected) if (length or 0) <= settings.max_inspected else None
            if body is not None:
                body, exchange.injected = include_usage_in_request(body)
                return io.BytesIO(body), []
        return upload.reads(), [] if length is None else [(hdrs.CONTENT_LENGTH, str(length))]

    async def _answer(self, exchange: Exchange, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        settings, source = self._settings, upstream_of(upstream)
        if source.streams:
            return await self._stream(exchange, upstream)
        tells = exchange.request.method == "POST" and upstream.status == 200
        if not (
            tells and upstream.content_type == "application/json" and hdrs.CONTENT_ENCODING not in upstream.headers
        ):
            return await relay(exchange.request, upstream, keep_alive=None, idle_timeout=settings.idle_timeout)
        try:
            body, whole = await head_of(upstream, settings.max_inspected, settings.idle_timeout)
        except TimeoutError as error:
            raise _no_answer(504, "Upstream did not answer in time.", "upstream_timeout", error) from error
        except aiohttp.ClientError as error:
            raise _no_answer(502, "Upstream broke off its answer.", "upstream_closed", error) from error
        if not whole:
            unread = cast("aiohttp.ClientResponse", Unread(upstream, body))
            return await relay(exchange.request, unread, keep_alive=None, idle_timeout=settings.idle_timeout)
        if (told := counted(body)) is not None:
            exchange.entry.model, exchange.entry.usage = told.model, told.usage
            self.metrics.add_answer(told.model, told.usage)
        if exchange.completes and settings.model_name is not None:
            body = renamed(body, settings.model_name)
        headers = CIMultiDict(source.fields)
        headers.popall(hdrs.CONTENT_LENGTH, None)
        return web.Response(status=upstream.status, reason=upstream.reason, headers=headers, body=body)

    async def _stream(self, exchange: Exchange, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        settings, request = self._settings, exchange.request
        watch = Watch(Tap(started_at=exchange.started))
        drops = exchange.injected and settings.usage == "client"
        model = settings.model_name if exchange.completes else None
        rewriter = Rewriter(model=model, usage="drop" if drops else "keep") if drops or model else None

        def count(report: StreamReport) -> None:
            gone = request.transport is None or request.transport.is_closing()
            ending = "client_left" if gone and report.status == "truncated" else report.status
            exchange.entry.take(report, ending)
            self.metrics.add_stream(report, ending, watch.gaps())

        self.metrics.in_flight += 1
        try:
            return await relay(
                request,
                upstream,
                tap=cast("Tap", watch),  # a tap is final; this one is like it
                rewriter=rewriter,
                on_report=count,
                keep_alive=settings.keep_alive,
                idle_timeout=settings.idle_timeout,
                drain=settings.drain,
            )
        finally:
            self.metrics.in_flight -= 1


async def _listen(runner: web.AppRunner, host: str, port: int) -> tuple[str, int]:
    before = len(runner.addresses)
    await web.TCPSite(runner, host, port).start()
    address = runner.addresses[before]
    return address[0], address[1]


def _closing() -> Refusal:
    return Refusal(503, "The proxy is shutting down.", "shutting_down", "server_error")


def _no_answer(status: int, message: str, code: str, error: Exception) -> Refusal:
    """Return the refusal for a failure of upstream's, which clients are told little about.

    The log is told its kind: what aiohttp says of it may have the request's headers, keys and all.
    """
    reason = getattr(error, "strerror", None)
    logger.warning("%s %s%s", message, type(error).__name__, f": {reason}" if isinstance(reason, str) else "")
    return Refusal(status, message, code, "upstream_error")
