"""Reading what is left of a body behind its `[DONE]`, so that the connection can be used again.

What is left is as a rule the end of a chunked body, five bytes. It is there already, or
comes at once; a server from which it does not come, or that sends more, loses the
connection. Time and bytes are bounded, and nothing that goes wrong here is an error: the
stream is complete.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

MOST_SECONDS = 0.1
MOST_BYTES = 64 * 1024


def drain(response: Any, reads: Iterator[bytes]) -> None:
    """Read the rest of `reads`, the body of a response whose client can be told not to wait for long.

    Those are httpx and httpx2 over HTTP/1.1, requests and urllib3; of others nothing is read.
    """
    with suppress(Exception), _bounded(response, _impatient) as left:
        size = 0
        while left() > 0 and size <= MOST_BYTES:
            size += len(next(reads))


async def adrain(response: Any, reads: AsyncIterator[bytes]) -> None:
    """Do as `drain` does, for an async client: httpx or httpx2 over HTTP/1.1, or aiohttp."""
    if hasattr(response, "status") and hasattr(getattr(response, "content", None), "iter_any"):  # aiohttp
        with suppress(Exception):
            async with sys.modules["asyncio"].timeout(MOST_SECONDS):  # which runs it, and is not imported here
                await _adrain(reads, lambda: MOST_SECONDS)
    else:
        with suppress(Exception), _bounded(response, _impatient_async) as left:
            await _adrain(reads, left)


async def _adrain(reads: AsyncIterator[bytes], left: Callable[[], float]) -> None:
    size = 0
    while left() > 0 and size <= MOST_BYTES:
        size += len(await anext(reads))


@contextmanager
def _bounded(response: Any, impatient: Callable[..., Any]) -> Iterator[Callable[[], float]]:
    """Have the client's reads time out soon; gives the seconds that are left, 0 where it cannot be told."""
    end = monotonic() + MOST_SECONDS

    def left() -> float:
        return max(end - monotonic(), 0)

    network = getattr(response, "extensions", {}).get("network_stream")
    connection = getattr(getattr(response, "raw", response), "connection", None)
    if network is not None and response.http_version == "HTTP/1.1":
        # The stream is the connection's own. It is read with the request's timeout, which is minutes.
        network.read = bound = impatient(network.read, response, left)
        try:
            yield left
        finally:
            if vars(network).get("read") is bound:
                del network.read
    elif (sock := getattr(connection, "sock", None)) is not None:  # urllib3 sets the timeout anew for each request
        sock.settimeout(MOST_SECONDS)
        yield left
    else:
        yield float


def _impatient(read: Callable[..., bytes], response: Any, left: Callable[[], float]) -> Callable[..., bytes]:
    def bound(max_bytes: int, timeout: float | None = None) -> bytes:
        # Once the response is closed the connection may be another request's.
        return read(max_bytes, timeout if response.is_closed else max(left(), 0.001))

    return bound


def _impatient_async(read: Callable[..., Any], response: Any, left: Callable[[], float]) -> Callable[..., Any]:
    async def bound(max_bytes: int, timeout: float | None = None) -> Any:  # noqa: ASYNC109 (httpx calls it so)
        return await read(max_bytes, timeout if response.is_closed else max(left(), 0.001))

    return bound
