"""One body on its way from upstream to a client, whatever the HTTP libraries on either side.

A body is sent on read by read, as it came: one call of the tap and one write for each, and
nothing else that is done for each. One timer for the stream looks at what has become quiet.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Any, Protocol

import msgspec

from .. import Rewriter, StreamReport, Tap, encode_comment
from ..closing import encode_end
from ..sources import aclose
from .upstreams import Upstream

OnReport = Callable[[StreamReport], Any]

# Of a lost client, where only looking tells; it is the longest that upstream is read for nobody.
LOOK_EVERY = 5.0
# For the error event and the end of the body, when the client may not be reading.
FAREWELL = 1.0

_SECOND = 1_000_000_000

_COMMENT = encode_comment()
_BOM = b"\xef\xbb\xbf"

logger = logging.getLogger("deltawire")


class Client(Protocol):
    """The client of a relay, as a server shows it."""

    @property
    def write(self) -> Callable[[bytes], Awaitable[None]]:
        """Sends bytes on, and waits while the client is slow; raises OSError once it has left."""

    async def start(self) -> None:
        """Send the status and the headers."""

    async def end(self) -> None:
        """End the body."""

    def cut(self) -> None:
        """End the connection, for a body that is not whole and cannot say so."""

    def has_left(self) -> bool:
        """Tell whether the connection is known to be lost."""


async def _nowhere(data: bytes) -> None:
    """Write for nobody."""


class Relay:
    """One body on its way from upstream to a client.

    Args:
        watched: `client.has_left` is to be looked at; else `leave` is called.

    The others are those of the integrations' `relay`.
    """

    def __init__(
        self,
        upstream: Upstream,
        client: Client,
        *,
        watched: bool,
        tap: Tap | None,
        rewriter: Rewriter | None,
        on_report: OnReport | None,
        keep_alive: float | None,
        idle_timeout: float | None,
        drain: float,
    ) -> None:
        if tap is None and (on_report is not None or (keep_alive is not None and rewriter is None)):
            tap = Tap()
        streams = upstream.streams
        self._upstream = upstream
        self._client = client
        self._write = client.write
        self._watched = watched
        self._tap = tap
        self._rewriter = rewriter if streams else None
        self._on_report = on_report
        self._keep_alive = keep_alive if streams else None
        self._idle_timeout = idle_timeout
        self._drain = drain if streams and tap is not None else 0.0
        self._bytes = 0  # of a body that the tap does not see
        # In ns. _seen: the last read, _sent: the last write, which only a rewriter makes another.
        self._began = self._seen = self._sent = monotonic_ns()
        self._slow = self._began  # when a write was last seen under way
        self._writing = False
        self._comment: asyncio.Task[None] | None = None  # one that is being written
        self._held = b""  # the first bytes, as long as they may be a BOM behind a comment
        self._left = False
        self._fault: dict[str, Any] | None = None  # what the client is told
        self._switch: asyncio.Timeout | None = None  # stops the pump
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Send the body on until it ends or the client leaves; the report is given whatever happens."""
        whole = True
        try:
            await self._switched()
            whole = await self._end()
        except asyncio.CancelledError:
            # In the middle of a write nobody knows how much of it the client gets.
            whole = not self._writing and self._comment is None
            if whole and not self._client.has_left():
                self._fail("The relay was shut down in the middle of the stream.", "relay_shut_down")
                whole = await self._end()
            raise
        finally:
            try:
                await aclose(self._upstream.response)
            finally:
                if self._comment is not None:
                    self._comment.cancel()
                await self._report()
            if not whole:
                self._client.cut()

    def leave(self) -> None:
        """Take note that the client has left: upstream is closed, or read on for as long as `drain` says."""
        if self._left:
            return
        self._left = True
        self._write = _nowhere
        if self._comment is not None:
            self._comment.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._drain > 0 and self._switch is not None:
            self._timer = asyncio.get_running_loop().call_later(self._drain, self._stop)
        else:
            self._stop()

    async def _switched(self) -> None:
        """Pump until the body ends or the switch is used."""
        try:
            async with asyncio.timeout(None) as self._switch:
                self._tick()
                await self._pump()
        except TimeoutError:
            pass  # the switch's own: `_left` or `_fault` says why
        finally:
            self._switch = None
            if self._timer is not None:
                self._timer.cancel()

    async def _pump(self) -> None:
        read, rewriter = self._upstream.read, self._rewriter
        feed = self._tap.feed if self._upstream.streams and self._tap is not None else self._count
        self._writing = True
        try:
            await self._client.start()
        except OSError:
            self.leave()
        self._writing = False
        while not self._left or self._drain > 0:
            try:
                data = await read()
            except Exception as error:  # noqa: BLE001 (whatever the HTTP client raises)
                # Its kind alone: what it says may have the request's headers, keys and all.
                logger.warning("upstream failed in the middle of a body: %s", type(error).__name__)
                self._fail("Upstream closed the connection in the middle of the stream.", "upstream_closed")
                return
            if not data:
                self._check_end()
                return
            self._seen = at = monotonic_ns()
            if self._comment is not None:
                await asyncio.wait([self._comment])
            feed(data, at)
            if rewriter is not None:
                try:
                    data = rewriter.feed(data)
                except Exception:
                    logger.exception("the stream could not be rewritten")
                    self._fault = _error("The relay could not read the stream.", "relay_failed")
                    return
                if not data:
                    continue
            self._sent = at
            self._writing = True
            try:
                await self._write(data)
            except OSError:
                self.leave()
            self._writing = False

    def _check_end(self) -> None:
        """Look whether a body that ends with its connection was whole."""
        if self._upstream.framed or self._tap is None:
            return
        report = self._tap.report
        finished = report.finish_reasons and None not in report.finish_reasons.values()
        if report.family is not None and not finished:
            self._fail("Upstream closed the connection in the middle of the stream.", "upstream_closed")

    def _count(self, data: bytes, at: int) -> None:
        self._bytes += len(data)

    # --- the timer

    def _tick(self) -> None:
        """Look at what has become quiet; called when the first of it is due."""
        now = monotonic_ns()
        if self._watched and self._client.has_left():
            self.leave()
            return
        if self._writing or self._comment is not None:
            self._slow = now  # the client's fault, not upstream's
        waits = [LOOK_EVERY] if self._watched else []
        if self._idle_timeout is not None:
            left = self._idle_timeout - (now - max(self._seen, self._slow)) / _SECOND
            if left <= 0:
                self._fail(f"Nothing came from upstream for {self._idle_timeout:g} s.", "upstream_timeout")
                self._stop()
                return
            waits.append(left)
        if self._keep_alive is not None:
            left = self._keep_alive - (now - max(self._sent, self._slow)) / _SECOND
            if left <= 0:
                self._comment_now()
                self._sent = now
                left = self._keep_alive
            waits.append(left)
        if waits:
            self._timer = asyncio.get_running_loop().call_later(min(waits), self._tick)

    def _comment_now(self) -> None:
        """Begin to write a comment, unless an event is under way."""
        if self._rewriter is None and not (self._tap is not None and self._tap.at_boundary):
            return
        if self._seen == self._began:
            self._write = self._write_first
        self._comment = asyncio.create_task(self._write_comment())

    async def _write_comment(self) -> None:
        try:
            await self._client.write(_COMMENT)
        except OSError:
            self.leave()
        finally:
            self._comment = None

    async def _write_first(self, data: bytes) -> None:
        """Write the first bytes behind a comment, where a BOM would be part of a field's name."""
        self._held += data
        if len(self._held) < len(_BOM) and _BOM.startswith(self._held):
            return
        self._write = self._client.write
        await self._write(self._held.removeprefix(_BOM))

    def _stop(self) -> None:
        """Stop the pump wherever it waits."""
        switch, self._switch = self._switch, None
        if switch is not None:
            switch.reschedule(0)

    # --- the end

    def _fail(self, message: str, code: str) -> None:
        """Have the client told of a fault, unless it has been told the end."""
        if self._tap is None or self._tap.report.status not in ("done", "errored"):
            self._fault = _error(message, code)

    async def _end(self) -> bool:
        """End the client's body; False where it is not whole and the client cannot be told."""
        if self._left:
            return True
        if self._fault is not None and not self._upstream.streams:
            return False
        # Whoever is slow may take its time for what upstream sent, not for what follows a fault.
        try:
            async with asyncio.timeout(None if self._fault is None else FAREWELL):
                if self._comment is not None:
                    await asyncio.wait([self._comment])
                if last := self._last():
                    await self._write(last)
                await self._client.end()
        except TimeoutError:
            return False
        except OSError:
            self.leave()
        return True

    def _last(self) -> bytes:
        """Return what follows the last read: what a rewriter held, and the error event."""
        if self._rewriter is not None:
            return self._rewriter.finish(self._fault)
        if self._fault is None:
            return b""
        family = self._tap.report.family if self._tap is not None else None
        ended = self._tap is not None and self._tap.at_boundary
        return (b"" if ended else b"\n\n") + encode_end(self._fault, family)

    async def _report(self) -> None:
        if self._tap is None:
            return
        report = self._tap.close()
        if self._on_report is None:
            return
        if not self._upstream.streams:
            report = msgspec.structs.replace(report, status="unreadable", bytes=self._bytes)
        try:
            result = self._on_report(report)
            if inspect.isawaitable(result):
                await result
        except Exception:
            logger.exception("on_report failed")


def _error(message: str, code: str) -> dict[str, Any]:
    """Return the error of an error event, without what upstream's host or the exception would give away."""
    return {"message": message, "type": "relay_error", "param": None, "code": code}
