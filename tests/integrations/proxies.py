"""A proxy before a scripted upstream, both on loopback, and what a test asks it with."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deltawire.replay import Sample, sample

from .upstream import Script, Upstream

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("prometheus_client")

ASK = {"model": "any", "messages": [], "stream": True}
CHAT = "/v1/chat/completions"


def without_usage(stream: Sample) -> bytes:
    """Return a stream as a client gets it that did not ask for usage."""
    kept = [event for event in stream.events() if b'"usage":{' not in event]
    return b"".join(kept).replace(b',"usage":null', b"")


class Rig:
    """A proxy on loopback.

    Attributes:
        url: the proxy's.
        upstream: the scripted one; None where there is another.
        session: of aiohttp's client, which decompresses nothing.
    """

    def __init__(self, proxy: Any, upstream: Any, session: Any, address: tuple[str, int], file: io.BytesIO) -> None:
        self.proxy = proxy
        self.upstream = upstream
        self.session = session
        self.address = address
        self.url = f"http://{address[0]}:{address[1]}"
        self._file = file

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of the log so far."""
        return [json.loads(line) for line in self._file.getvalue().splitlines()]

    async def logged(self, count: int = 1) -> dict[str, Any]:
        """Return the last line of the log once there are `count`: it comes behind the answer's last byte."""
        while len(self.log) < count:  # noqa: ASYNC110 (a file has no event)
            await asyncio.sleep(0.005)
        return self.log[-1]

    async def stream(self, path: str = CHAT, request: Any = ASK, **options: Any) -> bytes:
        """Return the body of an answer, which must be 200."""
        async with self.session.post(self.url + path, json=request, **options) as response:
            assert response.status == 200
            return await response.read()

    async def raw(self, request: bytes) -> bytes:
        """Send bytes, and return what comes until the proxy closes the connection."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def counts(self) -> dict[str, float]:
        """Return the metrics, by name and labels as Prometheus reads them."""
        async with self.session.get(f"{self.url}/metrics") as response:
            assert response.content_type == "text/plain"
            lines = (await response.text()).splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}


@asynccontextmanager
async def proxied(script: Script | str, **settings: Any) -> AsyncIterator[Rig]:
    """Serve a proxy before an upstream of this script, or before the one at this URL."""
    from deltawire.proxy import Proxy, Settings

    file = io.BytesIO()
    async with Upstream(script if callable(script) else lambda _: asyncio.sleep(0)) as upstream:
        url = upstream.url if callable(script) else script
        async with (
            Proxy(Settings(upstream=url, **settings), log=file) as proxy,
            aiohttp.ClientSession(auto_decompress=False) as session,
        ):
            yield Rig(proxy, upstream, session, await proxy.listen("127.0.0.1", 0), file)


STREAM = sample("text", chunks=40)
