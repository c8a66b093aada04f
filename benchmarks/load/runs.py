"""One run of a load test: an upstream, relays and a client, and what the relays used meanwhile."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from .client import Order
from .processes import Process, Usage, free_port
from .relays import RELAYS
from .reports import reports_of
from .upstream import Plan


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a relay: see `Order`."""

    streams: int
    plan: Plan
    opening: float
    seconds: float = 0.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a run gave.

    Attributes:
        events: that reached the client while all streams ran, in `seconds`.
        used: CPU seconds of the relay in that time: all, in user mode, in the kernel.
        per_stream: bytes that the relay's memory grew by, for each stream, until all ran.
        latencies: ms from upstream's write to the client's read: p50 and p99.
        whole: streams that came through to the byte.
        reports: how often which ending was reported, by a relay that tells.
    """

    events: int
    seconds: float
    used: tuple[float, float, float]
    per_stream: float
    latencies: dict[str, float]
    whole: int
    reports: dict[str, int] | None = None

    @property
    def cpu(self) -> float:
        """µs of CPU for each event."""
        return self.used[0] / self.events * 1e6

    @property
    def user(self) -> float:
        """µs of it in user mode: the kernel's shares of a total that is exact."""
        _, user, system = self.used
        return self.cpu * user / (user + system) if user + system else 0.0

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


class Failed(RuntimeError):
    """A run did not give what it should."""


def processors() -> tuple[int | None, int | None]:
    """Return the relay's processor and the one of upstream and client, None where there is but one."""
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)


class _Mark(NamedTuple):
    """What a client told, and what the relay had used then."""

    told: dict[str, Any]
    used: Usage


class _Started(NamedTuple):
    """A relay that listens; without a name it is upstream itself."""

    name: str | None
    port: int
    process: Process


def run(names: Sequence[str | None], load: Load) -> list[Run]:
    """Run a load through each relay of `names`, side by side, None for no relay.

    Raises:
        Failed: a process ended, or a stream was not whole.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-")))
        relay_cpu, other_cpu = processors()

        def started(title: str, command: list[str], cpu: int | None, port: int | None = None) -> Process:
            process = Process(command, cpu=cpu, log=folder / title, told=port is None)
            stack.enter_context(process)
            if port is not None:
                process.listening(port)
            return process

        def client(orders: list[Order], relays: list[_Started]) -> list[dict[str, _Mark]]:
            command = ["-m", f"{__package__}.client", _json(orders)]
            return _marks(started("client", command, other_cpu), relays, orders)

        try:
            upstream = free_port()
            command = ["-m", f"{__package__}.upstream", str(upstream), _json(load.plan)]
            relays = [_Started(None, upstream, started("upstream", command, other_cpu, upstream))]
            if names != [None]:
                relays.clear()
            for number, name in enumerate(filter(None, names)):
                port, home = free_port(), folder / f"relay-{number}"
                home.mkdir()
                command = RELAYS[name].command(upstream, port, home)
                relays.append(_Started(name, port, started(f"{name}.log", command, relay_cpu, port)))
            orders = [_order(each, load) for each in relays]
            # A few streams first: what is imported or made once belongs to nobody's event.
            client([structs.replace(each, streams=4, opening=0.02, seconds=0.3) for each in orders], relays)
            idle = [each.process.usage() for each in relays]
            marks = client(orders, relays)
            reports = [reports_of(each.name, each.port, load.streams) for each in relays]
        except (RuntimeError, OSError) as error:
            logs = {path.name: path.read_text(errors="replace")[-2000:] for path in folder.iterdir() if path.is_file()}
            raise Failed(f"{names}: {error!r} {logs}") from error
        return [_result(*each, load.streams) for each in zip(idle, marks, reports, strict=True)]


def _order(relay: _Started, load: Load) -> Order:
    exact = relay.name is None or RELAYS[relay.name].exact
    return Order(relay.port, load.plan, load.streams, load.opening, load.seconds, exact)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _marks(client: Process, relays: Sequence[_Started], orders: Sequence[Order]) -> list[dict[str, _Mark]]:
    """Return what a client tells of each order, by name, with what its relay had used then."""
    marks: dict[int, dict[str, _Mark]] = {each.port: {} for each in orders}
    processes = {each.port: each.process for each in relays}
    for told in client.lines():
        marks[told["port"]][told["what"]] = _Mark(told, processes[told["port"]].usage())
    for order in orders:
        mine = marks[order.port]
        if list(mine) != ["full", "ending", "end"]:
            raise Failed(f"the streams did not run all at once: {mine}")
        end = mine["end"].told
        if end["faults"] or end["whole"] != order.streams:
            raise Failed(f"{end['whole']} of {order.streams} streams were whole: {end['faults']}")
    return list(marks.values())


def _result(idle: Usage, marks: dict[str, _Mark], reports: dict[str, int] | None, streams: int) -> Run:
    full, ending, end = (marks[name] for name in ("full", "ending", "end"))
    return Run(
        events=ending.told["events"] - full.told["events"],
        seconds=ending.told["at"] - full.told["at"],
        used=(
            ending.used.total - full.used.total,
            ending.used.user - full.used.user,
            ending.used.system - full.used.system,
        ),
        per_stream=(ending.used.resident - idle.resident) / streams,
        latencies=end.told["latencies"],
        whole=end.told["whole"],
        reports=reports,
    )
