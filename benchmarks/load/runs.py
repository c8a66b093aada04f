"""One run of a load test: an upstream, a relay and a client, and what the relay used meanwhile."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

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


class Failed(Exception):
    """A run did not give what it should."""


def processors() -> tuple[int | None, int | None]:
    """Return the relay's processor and the one of upstream and client, None where there is but one."""
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)


class _Mark(NamedTuple):
    """What a client told, and what the relay had used then."""

    told: dict[str, Any]
    used: Usage


def run(name: str | None, load: Load) -> Run:
    """Run a load through the relay `name`, or through none.

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

        def client(order: Order) -> dict[str, _Mark]:
            command = ["-m", f"{__package__}.client", _json(order)]
            return _marks(started("client", command, other_cpu), relay, order)

        port = behind = free_port()
        try:
            command = ["-m", f"{__package__}.upstream", str(behind), _json(load.plan)]
            relay = started("upstream", command, other_cpu, behind)
            if name is not None:
                port = free_port()
                relay = started("relay", RELAYS[name].command(behind, port, folder), relay_cpu, port)
            exact = name is None or RELAYS[name].exact
            # A few streams first: what is imported or made once belongs to nobody's event.
            client(Order(port, load.plan, 4, 0.02, 0.3, exact))
            idle = relay.usage()
            marks = client(Order(port, load.plan, load.streams, load.opening, load.seconds, exact))
            reports = reports_of(name, port, load.streams)
        except (RuntimeError, OSError) as error:
            logs = {path.name: path.read_text(errors="replace")[-2000:] for path in folder.iterdir() if path.is_file()}
            raise Failed(f"{name}: {error!r} {logs}") from error
    return _result(idle, marks, load.streams, reports)


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()


def _marks(client: Process, relay: Process, order: Order) -> dict[str, _Mark]:
    """Return what a client tells, by name, with what `relay` had used."""
    marks = {told["what"]: _Mark(told, relay.usage()) for told in client.lines()}
    if list(marks) != ["full", "ending", "end"]:
        raise Failed(f"the streams did not run all at once: {marks}")
    end = marks["end"].told
    if end["faults"] or end["whole"] != order.streams:
        raise Failed(f"{end['whole']} of {order.streams} streams were whole: {end['faults']}")
    return marks


def _result(idle: Usage, marks: dict[str, _Mark], streams: int, reports: dict[str, int] | None) -> Run:
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
