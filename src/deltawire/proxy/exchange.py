"""One request on its way to upstream, and the answer on its way back."""

from __future__ import annotations

import asyncio
import io
import logging
from time import monotonic_ns
from typing import Any, cast

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from .. import Rewriter, StreamReport, Tap, include_usage_in_request
from ..integrations.aiohttp import relay
from ..integrations.upstreams import Fields, upstream_of
from .bodies import Unread, Upload, counted, head_of, renamed
from .gate import Gate, Refusal
from .log import Entry
from .metrics import GAP_NS, Metrics
from .settings import Settings

# Of a request that nobody waits for, as nginx logs it.
_CLIENT_LEFT = 499

logger = logging.getLogger("deltawire")


class Exchange:
    """One request and its answer.

    Attributes:
        entry: its line of the log.
        started: when it came, in ns of the monotonic clock.
        answered: upstream has answered.
    """

    def __init__(self, settings: Settings, gate: Gate, metrics: Metrics, request: web.Request) -> None:
        self._settings = settings
        self._gate = gate
        self._metrics = metrics
        self._request = request
        path = request.raw_path.partition("?")[0]
        if "://" in path:  # which is refused; what is before the path may have a password
            path = "/" + path.partition("://")[2].partition("/")[2]
        self._completes = request.method == "POST" and path.endswith("/completions")
        self._injected = False  # usage was asked for by the proxy, not by the client
        self.entry = Entry(client=self._client(), method=request.method, path=path, status=_CLIENT_LEFT)
        self.started = monotonic_ns()
        self.answered = False

    def _client(self) -> str | None:
        if self._settings.trust_forwarded and (addresses := self._request.headers.getall("X-Forwarded-For", [])):
            return addresses[-1].rpartition(",")[2].strip()
        return self._request.remote

    async def run(self, session: aiohttp.ClientSession) -> web.StreamResponse:
        """Ask upstream, and answer the client.

        Raises:
            Refusal: what the client is to be told instead.
        """
        target = self._gate.check(self._request)
        upstream = await self._ask(session, target)
        try:
            if upstream.status < 200:  # protocols are not switched here
                raise _failed(502, "Upstream's answer could not be read.", "upstream_invalid")
            self.answered = True
            self.entry.status = upstream.status
            return await self._answer(upstream)
        finally:
            upstream.close()

    async def _ask(self, session: aiohttp.ClientSession, target: str) -> aiohttp.ClientResponse:
        """Send the request to upstream, and return its answer, the body unread."""
        settings = self._settings
        upload = Upload(self._request, settings.max_body, settings.idle_timeout)
        try:
            async with asyncio.timeout(settings.idle_timeout) as upload.waiting:
                body, length = await self._body(upload)
                return await session.request(
                    self._request.method,
                    URL(settings.root + target, encoded=True),
                    data=body,
                    headers=[*self._gate.headers(self._request), *length],
                    allow_redirects=False,
                )
        except TimeoutError as error:
            if upload.awaited and not isinstance(error, aiohttp.ClientError):
                raise Refusal(408, "The request's body did not come in time.", "request_timeout") from error
            raise _failed(504, "Upstream did not answer in time.", "upstream_timeout", error) from error
        except aiohttp.ClientError as error:
            if upload.fault is not None:
                raise upload.fault from error
            if isinstance(error, aiohttp.ClientResponseError):
                raise _failed(502, "Upstream's answer could not be read.", "upstream_invalid", error) from error
            raise _failed(502, "Upstream could not be reached.", "upstream_unreachable", error) from error
        finally:
            upload.waiting = None

    async def _body(self, upload: Upload) -> tuple[Any, Fields]:
        """Return the body to send, and what is to be said of its length."""
        request, limit = self._request, self._settings.max_inspected
        if not request.body_exists:
            return None, []
        length = request.content_length
        asks = self._completes and self._settings.usage != "never" and hdrs.CONTENT_ENCODING not in request.headers
        body = await upload.whole(limit) if asks and (length or 0) <= limit else None
        if body is None:
            return upload.reads(), [] if length is None else [(hdrs.CONTENT_LENGTH, str(length))]
        body, self._injected = include_usage_in_request(body)
        return io.BytesIO(body), []

    async def _answer(self, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        if upstream_of(upstream).streams:
            return await self._stream(upstream)
        plain = upstream.content_type == "application/json" and hdrs.CONTENT_ENCODING not in upstream.headers
        if plain and upstream.status == 200 and self._request.method == "POST":
            return await self._count(upstream)
        return await self._relay(upstream)

    async def _relay(self, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        """Send an answer on that nothing is to be known of."""
        settings = self._settings
        return await relay(
            self._request, upstream, keep_alive=None, idle_timeout=settings.idle_timeout, watched=settings.drain > 0
        )

    async def _count(self, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        """Send a JSON answer on as a whole, for the sake of its usage and its model."""
        settings = self._settings
        try:
            body, whole = await head_of(upstream, settings.max_inspected, settings.idle_timeout)
        except TimeoutError as error:
            raise _failed(504, "Upstream did not answer in time.", "upstream_timeout", error) from error
        except aiohttp.ClientError as error:
            raise _failed(502, "Upstream broke off its answer.", "upstream_closed", error) from error
        if not whole:
            return await self._relay(cast("aiohttp.ClientResponse", Unread(upstream, body)))
        if (told := counted(body)) is not None:
            self.entry.model, self.entry.usage = told.model, told.usage
            self._metrics.add_answer(told.model, told.usage)
        if self._completes and settings.model_name is not None:
            body = renamed(body, settings.model_name)
        headers = CIMultiDict(upstream_of(upstream).fields)
        headers.popall(hdrs.CONTENT_LENGTH, None)
        return web.Response(status=upstream.status, reason=upstream.reason, headers=headers, body=body)

    async def _stream(self, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        settings, request = self._settings, self._request
        drops = self._injected and settings.usage == "client"
        model = settings.model_name if self._completes else None
        rewriter = Rewriter(model=model, usage="drop" if drops else "keep") if drops or model else None

        def note(report: StreamReport) -> None:
            gone = request.transport is None or request.transport.is_closing()
            ending = "client_left" if gone and report.status == "truncated" else report.status
            self.entry.take(report, ending)
            self._metrics.add_stream(report, ending)

        self._metrics.in_flight += 1
        try:
            return await relay(
                request,
                upstream,
                tap=Tap(started_at=self.started, gap_bounds=GAP_NS),
                rewriter=rewriter,
                on_report=note,
                keep_alive=settings.keep_alive,
                idle_timeout=settings.idle_timeout,
                drain=settings.drain,
                watched=settings.drain > 0,  # else the handler is cancelled
            )
        finally:
            self._metrics.in_flight -= 1


def _failed(status: int, message: str, code: str, error: Exception | None = None) -> Refusal:
    """Return the refusal for a failure of upstream's, which clients are told little about.

    The log is told its kind: what aiohttp says of it may have the request's headers, keys and all.
    """
    reason = getattr(error, "strerror", None)
    kind = "" if error is None else f" {type(error).__name__}" + (f": {reason}" if isinstance(reason, str) else "")
    logger.warning("%s%s", message, kind)
    return Refusal(status, message, code, "upstream_error")
