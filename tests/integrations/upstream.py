"""An upstream on loopback that does what a test's script says, down to the bytes of HTTP.

A script is an async function of the `Peer` that asks; what it does not end is cut when it
returns. `sends` makes the usual one.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Self

EVENT_STREAM = "text/event-stream"


class Peer:
    """One request, and the connection that it came by.

    Attributes:
        head: the request's line and headers, as they came.
        body: its body.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self.head = head
        self.body = body

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, their names in lower case."""
        fields = (line.split(": ", 1) for line in self.head.splitlines()[1:] if line)
        return {name.lower(): value for name, value in fields}

    async def write(self, data: bytes) -> None:
        """Send bytes as they are, and wait while the relay is slow."""
        self._writer.write(data)
        await self._writer.drain()

    async def start(
        self, status: str = "200 OK", kind: str = EVENT_STREAM, chunked: bool = True, **fields: str
    ) -> None:
        """Send the head of an answer; `x_request_id="7"` is the header `x-request-id`."""
        named = {"content-type": kind, **{name.replace("_", "-"): value for name, value in fields.items()}}
        if chunked:
            named["transfer-encoding"] = "chunked"
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        await self.write(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode())

    async def send(self, data: bytes) -> None:
        """Send one HTTP chunk."""
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        """End a chunked body."""
        await self.write(b"0\r\n\r\n")

    async def left(self) -> None:
        """Wait until the relay has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass

    def reset(self) -> None:
        """Break the connection."""
        option = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


Script = Callable[[Peer], Awaitable[None]]


class Upstream:
    """Serve `script` to every request.

    Attributes:
        peers: the requests that came, in order.
        connections: how many were opened.
        gone: set when a script has seen the relay leave.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.peers: list[Peer] = []
        self.connections = 0
        self.gone = asyncio.Event()
        self._tasks: set[asyncio.Task[Any] | None] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in filter(None, set(self._tasks)):
            task.cancel()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                peer = Peer(reader, writer, head, b"")
                peer.body = await reader.readexactly(int(peer.headers.get("content-length", 0)))
                self.peers.append(peer)
                await self.script(peer)
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the relay has left, or the test has ended
        finally:
            self.gone.set()
            self._tasks.discard(task)
            writer.close()


def sends(*steps: bytes | float, end: bool = True, **start: Any) -> Script:
    """Return a script: bytes are one HTTP chunk, a number is a pause in seconds.

    Without `end` upstream stays silent until the relay leaves.
    """

    async def script(peer: Peer) -> None:
        await peer.start(**start)
        for step in steps:
            if isinstance(step, bytes):
                await peer.send(step)
            else:
                await asyncio.sleep(step)
        if end:
            await peer.end()
        else:
            await peer.left()

    return script


def answers(body: bytes, status: str = "200 OK", kind: str = "application/json", **fields: str) -> Script:
    """Return a script that gives one body, of a length that is told."""

    async def script(peer: Peer) -> None:
        await peer.start(status, kind, chunked=False, content_length=str(len(body)), **fields)
        await peer.write(body)

    return script


def json_error(status: str, message: str) -> Script:
    return answers(json.dumps({"error": {"message": message}}).encode(), status)
