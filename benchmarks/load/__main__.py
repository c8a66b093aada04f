"""`python -m benchmarks.load`: what relays cost, as a table, in pairs, or with thousands of streams."""

import argparse
import json
import platform
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import deltawire

from .figures import CLAIMS, compared, described, figures, table, verdict
from .loops import UVLOOP
from .relays import RELAYS
from .runs import Failed, Load, Run, processors, run
from .stream import allow_open_files
from .upstream import Plan

NONE = "no relay: the client at upstream"
PACKAGES = ["aiohttp", "httpx", "openai", "prometheus_client", "sse-starlette", "starlette", "uvicorn", "uvloop"]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    add = parser.add_argument
    add("relays", nargs="*", metavar="RELAY", help=f"of: {', '.join(RELAYS)}; all of them if none is named")
    add("--streams", type=int, default=64, help="at once, 64 if not given")
    add("--interval", type=float, default=0.02, help="seconds between two writes of a stream, 0.02 if not given")
    add("--seconds", type=float, default=3.5, help="of a paced run, 3.5 if not given")
    add("--events-per-write", type=int, default=1)
    add("--rounds", type=int, default=1, help="of the table, whose figures are then medians")
    add("--no-unpaced", action="store_true", help="paced runs only")
    add("--pairs", nargs=3, metavar=("N", "A", "B"), help="compare two relays in N paired runs, at least six")
    add("--apart", action="store_true", help="the two of a pair one after the other, not side by side")
    add("--verify", type=int, metavar="STREAMS", help="so many at once: are all bytes and all reports there?")
    add("--json", action="store_true")
    add("--limit", type=float, help="seconds after which all is ended: 180, or what so many runs may take")
    asked = parser.parse_args(arguments)
    for name in [*asked.relays, *(asked.pairs or [])[1:]]:
        if name not in RELAYS:
            parser.error(f"no relay {name!r}")
    if asked.pairs and (not asked.pairs[0].isdecimal() or int(asked.pairs[0]) < 6):
        parser.error("at least six pairs")
    return asked


def paced(asked: argparse.Namespace) -> Load:
    writes = max(2, round(asked.seconds / asked.interval))
    plan = Plan(writes * asked.events_per_write, asked.interval, asked.events_per_write)
    # Evenly over an interval: no two streams then have their events at the same instant by plan.
    return Load(streams=asked.streams, plan=plan, opening=asked.interval)


UNPACED = Load(streams=8, plan=Plan(400, 0), opening=0.05, seconds=1)


def machine() -> dict[str, Any]:
    """Say where the figures come from."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    cpus = Path("/proc/cpuinfo").read_text()
    return {
        "processor": cpus.partition("model name")[2].partition("\n")[0].strip("\t :"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "deltawire": f"{deltawire.__version__}, {deltawire.BACKEND}",
        "loop": "uvloop" if UVLOOP else "asyncio",
        "relay_alone_on_a_processor": processors()[0] is not None,
        "packages": found,
    }


def chosen(asked: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """Return those of `names` that can run here, and say what the others need."""
    able = []
    for name in names:
        if missing := RELAYS[name].missing():
            print(f"{name}: left out, needs {', '.join(missing)}", file=sys.stderr)
        else:
            able.append(name)
    return able


def measure_table(asked: argparse.Namespace) -> dict[str, Any]:
    names: list[str | None] = [None, *chosen(asked, asked.relays or list(RELAYS))]
    runs: dict[str | None, tuple[list[Run], list[Run]]] = {name: ([], []) for name in names}
    for _ in range(asked.rounds):
        for name in names:
            runs[name][0].extend(run([name], paced(asked)))
            if not asked.no_unpaced:
                runs[name][1].extend(run([name], UNPACED))
    rows = {RELAYS[name].title if name else NONE: figures(*each) for name, each in runs.items()}
    # Without a relay the figures would be upstream's.
    for figure in ("cpu_us", "user_us", "system_us", "memory_per_stream_kb", "unpaced_cpu_us"):
        rows[NONE][figure] = None
    if not asked.json:
        print(table(rows))
    return {"relays": rows}


def measure_pairs(asked: argparse.Namespace) -> dict[str, Any]:
    count, first, second = int(asked.pairs[0]), asked.pairs[1], asked.pairs[2]
    if len(chosen(asked, [first, second])) < 2:
        raise Failed("a pair needs both")
    pairs, load = [], paced(asked)
    for number in range(count):
        # ABBA: what drifts, drifts for both.
        order = [first, second] if number % 2 == 0 else [second, first]
        runs = [run([name], load)[0] for name in order] if asked.apart else run(order, load)
        if number % 2:
            runs.reverse()
        pairs.append((runs[0], runs[1]))
        if not asked.json:
            print(f"{first} {pairs[-1][0].cpu:.1f} µs, {second} {pairs[-1][1].cpu:.1f} µs an event", flush=True)
    result = compared(pairs)
    claim = CLAIMS.get((first, second))
    if not asked.json:
        print(*described(result), sep="\n")
        if claim:
            print(f"{second} beside {first}, {verdict(claim, result)}")
    return {
        "pairs": [[a.cpu, b.cpu] for a, b in pairs],
        **{name: each._asdict() for name, each in result.items()},
        "verdict": verdict(claim, result) if claim else None,
    }


def verify(asked: argparse.Namespace) -> dict[str, Any]:
    """Have thousands of streams at once, ten seconds long, two events a second each; `run` fails if a byte is wrong."""
    load = Load(streams=asked.verify, plan=Plan(20, 0.5), opening=4.0)
    found = {}
    for name in chosen(asked, asked.relays or ["nginx", "raw", "raw+tap", "relay", "proxy"]):
        got = run([name], load)[0]
        lost = None if got.reports is None else load.streams - got.reports.get("done", 0)
        if lost:
            raise Failed(f"{name}: {lost} of {load.streams} reports were lost: {got.reports}")
        found[name] = {
            "streams": got.whole,
            "reports_lost": lost,
            "memory_per_stream_kb": got.per_stream / 1000,
            "cpu_us": got.cpu,
        }
        if not asked.json:
            told = "" if lost is None else ", no report lost"
            print(
                f"{name}: {got.whole} streams at once, all whole{told}; {got.per_stream / 1000:.1f} KB a stream,"
                f" {got.cpu:.0f} µs an event",
                flush=True,
            )
    return {"streams": load.streams, "relays": found}


def _end(number: int, frame: object) -> None:
    raise SystemExit(f"ended by {signal.Signals(number).name}")


def main() -> None:
    asked = options()
    allow_open_files()
    # What is raised leaves all `with` blocks, which end the processes.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGALRM, _end)
    runs = 2 * int(asked.pairs[0]) if asked.pairs else asked.rounds * len(RELAYS)
    signal.setitimer(signal.ITIMER_REAL, asked.limit or max(180, runs * (asked.seconds + 8)))
    try:
        measured = measure_pairs(asked) if asked.pairs else verify(asked) if asked.verify else measure_table(asked)
    except Failed as error:
        raise SystemExit(str(error)) from None
    if asked.json:
        print(json.dumps({"machine": machine()} | measured, indent=2))
    else:
        print(", ".join(f"{key} {value}" for key, value in machine().items()))


if __name__ == "__main__":
    main()
