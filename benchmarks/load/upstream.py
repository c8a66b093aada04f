"""The upstream of a load test: `python -m benchmarks.load.upstream PORT PLAN`.

It answers every request with the same stream, paced or as fast as it is taken, and does as
little as can be: an asyncio.Protocol, the bytes made in advance but for the stamp.
"""

import asyncio
import sys
from time import monotonic_ns
from typing import Any

import msgspec

from . import loops
from .stream import BLANK, STAMP, allow_open_files, events


class Plan(msgspec.Struct, frozen=True):
    """What upstream sends.

    Attributes:
        events: in a stream; where it is not paced, the stream repeats them without an end.
        interval: seconds between two writes; 0 is as fast as it is taken.
        events_per_write: how many events a paced write has, each in an HTTP chunk of its own.
    """

    events: int
    interval: float
    events_per_write: int = 1

    @property
    def endless(self) -> bool:
        return self.interval == 0

    def stream(self) -> list[tuple[bytes, bytes]]:
        return events(self.events, done=not self.endless)


HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)
BLOCK = 65536  # bytes of an unpaced write, at least


class Script:
    """A plan's bytes, framed as HTTP chunks."""

    def __init__(self, plan: Plan) -> None:
        self.interval = plan.interval
        self.writes: list[list[tuple[bytes, bytes]]] = []
        framed = []
        for before, behind in plan.stream():
            size = len(before) + (STAMP + len(behind) if behind else 0)
            framed.append((b"%x\r\n%b" % (size, before), behind + b"\r\n"))
        # [DONE], which has no stamp, and the end of the body go with the last write.
        self.last = b"" if plan.endless else b"".join(framed.pop()) + b"0\r\n\r\n"
        step = plan.events_per_write
        self.writes = [framed[at : at + step] for at in range(0, len(framed), step)]
        cycle = b"".join(before + BLANK + behind for before, behind in framed)
        self.block = cycle * (BLOCK // len(cycle) + 1)

    def write(self, number: int) -> bytes:
        """Return the bytes of one paced write, stamped."""
        stamp = b"%016d" % monotonic_ns()
        data = b"".join([before + stamp + behind for before, behind in self.writes[number]])
        return data + self.last if number == len(self.writes) - 1 else data


class Upstream(asyncio.Protocol):
    """One connection, which may ask several times, one after the other."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._loop = asyncio.get_running_loop()
        self._asked = b""
        self._timer: asyncio.Handle | None = None
        self._paused = False
        self._streaming = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._asked += data
        head, blank, body = self._asked.partition(b"\r\n\r\n")
        if not blank or self._streaming:
            return
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        if b"transfer-encoding" in fields:
            if not body.endswith(b"0\r\n\r\n"):
                return
        elif len(body) < int(fields.get(b"content-length", 0)):
            return
        self._asked = b""
        self._streaming = True
        self._transport.write(HEAD)
        if self._script.interval:
            self._at = self._loop.time()
            self._pace(0)
        else:
            self._pour()

    def _pace(self, number: int) -> None:
        script = self._script
        self._transport.write(script.write(number))
        if number + 1 == len(script.writes):
            self._streaming = False
            return
        self._at += script.interval  # of the plan, not of now: what is late is not made later
        self._timer = self._loop.call_at(self._at, self._pace, number + 1)

    def _pour(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.write(self._script.block)
            self._timer = self._loop.call_soon(self._pour)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if not self._script.interval:
            self._pour()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()


async def serve(port: int, plan: Plan) -> None:
    script = Script(plan)
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(script), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    allow_open_files()
    loops.run(serve(int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Plan)))
