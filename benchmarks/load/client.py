"""The client of a load test: `python -m benchmarks.load.client ORDERS`.

For each order it opens streams at an even pace, checks every byte and tells its parent, a JSON line each,
when all of them run (`full`), when that is over (`ending`) and what came in all (`end`).
Between the first two every stream gives events: what a relay costs is measured there.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from . import loops
from .stream import Exact, SameText, WrongBytes, allow_open_files
from .upstream import Plan

PATH = "/v1/chat/completions"


class Order(msgspec.Struct, frozen=True):
    """What a client does.

    Attributes:
        port: of the relay.
        plan: upstream's.
        streams: how many, at once.
        opening: seconds in which they are opened.
        seconds: from `full` to `ending`, where the streams are not read to their end.
        exact: every byte must be upstream's; else the text.
    """

    port: int
    plan: Plan
    streams: int
    opening: float
    seconds: float = 0.0
    exact: bool = True


class Body:
    """Takes HTTP's chunks apart, and gives what is in them."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.ended = False
        self._take = take
        self._held = b""

    def feed(self, data: bytes) -> None:
        held = self._held + data if self._held else data
        at = 0
        while not self.ended:
            line = held.find(b"\r\n", at)
            if line < 0:
                break
            size = int(held[at:line], 16)
            end = line + 4 + size
            if end > len(held):
                break
            if size:
                self._take(held[line + 2 : end - 2])
            self.ended = size == 0
            at = end
        self._held = held[at:]


class Stream(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self, client: "Client") -> None:
        plan = client.order.plan
        self._client = client
        self.check = client.checker(client.stream, client.latencies, endless=plan.endless)
        self._head = b""
        self._body: Body | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._client.opened(self)
        transport.write(self._client.request)

    def data_received(self, data: bytes) -> None:
        try:
            if self._body is None:
                data = self._begin(data)
            if self._body is not None:
                before = self.check.seen
                self._body.feed(data)
                if not before and self.check.seen:
                    self._client.begun()
                if self._body.ended:
                    self._end(None)
        except (WrongBytes, ValueError) as error:
            self._end(repr(error))

    def _begin(self, data: bytes) -> bytes:
        self._head += data
        head, blank, rest = self._head.partition(b"\r\n\r\n")
        if blank:
            if b" 200 " not in head.partition(b"\r\n")[0] or b"transfer-encoding: chunked" not in head.lower():
                raise WrongBytes(f"{head!r}")
            self._body = Body(self.check.feed)
        return rest

    def _end(self, fault: str | None) -> None:
        if self._client.ended(self, fault):
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(f"connection lost: {error!r}")


class Client:
    """All streams of one order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.stream = order.plan.stream()
        self.latencies: list[int] = []
        self.checker: type[Exact | SameText] = Exact if order.exact else SameText
        asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        body = json.dumps(asked | {"stream_options": {"include_usage": True}}).encode()
        self.request = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nAuthorization: Bearer key\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self._open: set[Stream] = set()
        self._begun = 0
        self._whole = 0
        self._seen = 0  # events of the streams that have ended
        self._faults: list[str] = []
        self._over = asyncio.Event()

    async def run(self) -> None:
        order, loop = self.order, asyncio.get_running_loop()
        start = loop.time()
        opening = []
        for number in range(order.streams):
            await asyncio.sleep(start + order.opening * number / order.streams - loop.time())
            opening.append(asyncio.create_task(self._connect()))
        await asyncio.gather(*opening)
        await self._over.wait()
        self._tell(
            "end",
            whole=self._whole,
            faults=self._faults[:5],
            latencies=percentiles(self.latencies),
        )

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Stream(self), "127.0.0.1", self.order.port)
        except OSError as error:
            self._fail(repr(error))

    def opened(self, stream: Stream) -> None:
        self._open.add(stream)

    def begun(self) -> None:
        self._begun += 1
        if self._begun == self.order.streams:
            self.latencies.clear()
            self._tell("full")
            if self.order.seconds:
                asyncio.get_running_loop().call_later(self.order.seconds, self._enough)

    def ended(self, stream: Stream, fault: str | None) -> bool:
        """Take note of a stream's end; False where it had ended already."""
        if stream not in self._open:
            return False
        if self._whole == 0 and not self._faults:
            self._tell("ending")
        self._open.discard(stream)
        self._seen += stream.check.seen
        if fault is not None or not stream.check.whole:
            self._fail(fault or f"ended after {stream.check.seen} events")
        else:
            self._whole += 1
            self._look()
        return True

    def _enough(self) -> None:
        """Leave the streams, which were right so far."""
        self._tell("ending")
        for stream in self._open:
            self._whole += 1
            stream.transport.abort()
        self._seen += sum(stream.check.seen for stream in self._open)
        self._open.clear()
        self._look()

    def _fail(self, fault: str) -> None:
        self._faults.append(fault)
        self._look()

    def _look(self) -> None:
        if self._whole + len(self._faults) == self.order.streams:
            self._over.set()

    def _tell(self, what: str, **more: Any) -> None:
        events = self._seen + sum(stream.check.seen for stream in self._open)
        at = asyncio.get_running_loop().time()
        print(json.dumps({"port": self.order.port, "what": what, "events": events, "at": at} | more), flush=True)


def percentiles(values: list[int]) -> dict[str, float]:
    """Return p50 and p99 in ms of durations in ns, by the nearest rank; nothing of no durations."""
    ranked = sorted(values)
    return {f"p{p}": ranked[(len(ranked) * p + 99) // 100 - 1] / 1e6 for p in (50, 99)} if ranked else {}


async def main() -> None:
    orders = msgspec.json.decode(sys.argv[1], type=list[Order])
    await asyncio.gather(*[Client(order).run() for order in orders])


if __name__ == "__main__":
    allow_open_files()
    loops.run(main())
