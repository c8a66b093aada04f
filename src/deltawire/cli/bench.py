"""`deltawire bench`: what an event costs on this machine, beside what people use today."""

import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from .. import BACKEND, __version__
from ..replay import Sample, sample
from .contender import Contender, Run
from .peers import GROUPS, READ, contenders, expected
from .report import backend_note, json_text, write

_EVENTS = 2000
_SLOW_EVENTS = 200  # for what takes a hundred times as long
_SECONDS = 0.7  # for each contender
_UNIT = "msgspec alone, already split"


class Timing(NamedTuple):
    """What one event costs with one contender, in ns; `bytes` is what it has on average."""

    group: str
    name: str
    nanoseconds: float
    bytes: float


@click.command()
@click.option("--stream", type=click.Choice(["text", "escapes", "tools", "reasoning", "n4", "vllm", "obfuscation"]),
              default="text", show_default=True, help="Which sample stream is read.")  # fmt: skip
@click.option("--save", "picture", type=click.Path(dir_okay=False, writable=True, path_type=Path),
              help="Draw the comparison: a .svg, .png or .html file (needs matplotlib).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def bench(stream: str, picture: Path | None, as_json: bool) -> None:
    """Measure both twins and the peers that are installed, in less than a minute."""
    draw = _drawer(picture) if picture else None
    timings = _measure_all(stream)
    if as_json:
        write(json_text(_document(stream, timings), indent=2) + "\n")
    else:
        _print(stream, timings)
    if draw:
        draw(timings)
        click.echo(f"drawn to {picture}", err=True)


def _drawer(picture: Path) -> Callable[[list[Timing]], None]:
    """Return what draws to `picture`; what is missing for it is told before anything is measured."""
    if picture.suffix not in (".svg", ".png", ".html"):
        raise click.BadParameter(f"{picture.name}: a .svg, .png or .html file is needed", param_hint="--save")
    try:
        from .picture import draw
    except ModuleNotFoundError as error:
        raise click.ClickException(f'a picture needs {error.name}: pip install "deltawire[bench]"') from error
    return lambda timings: draw(picture, [tuple(timing[:3]) for timing in timings], unit(timings), machine())


def _measure_all(name: str) -> list[Timing]:
    streams = {slow: sample(name, chunks=_SLOW_EVENTS if slow else _EVENTS) for slow in (False, True)}
    everyone = list(contenders())
    timings = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=len(everyone))
        for contender in everyone:
            progress.update(task, description=f"{contender.group}: {contender.name}")
            timings.append(_measure(contender, streams[contender.slow]))
            progress.advance(task)
    return timings


def _measure(contender: Contender, stream: Sample) -> Timing:
    run = contender.new(stream, stream.reads(READ))
    answer = contender.answer(run())
    if answer != expected(contender.group, stream):
        raise click.ClickException(f"{contender.name} read the stream wrong: {answer!r:.100}")
    events = len(stream.payloads)
    return Timing(
        contender.group, contender.name, best_seconds(run, _SECONDS) / events * 1e9, len(stream.body) / events
    )


def best_seconds(run: Run, seconds: float) -> float:
    """Return the seconds of the fastest of the runs that `seconds` allow, three at least."""
    best = float("inf")
    until = perf_counter() + seconds
    runs = 0
    while runs < 3 or perf_counter() < until:
        started = perf_counter()
        run()
        best = min(best, perf_counter() - started)
        runs += 1
    return best


def unit(timings: list[Timing]) -> float:
    """Return M: the ns that msgspec alone takes for a payload that is already split."""
    return next(timing.nanoseconds for timing in timings if timing.name == _UNIT)


def machine() -> str:
    """Say what was measured, and where."""
    return (
        f"deltawire {__version__}, msgspec {version('msgspec')}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}{_processor()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f", {name}" if (name := platform.processor()) else ""
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f", {models[0]}" if models else ""


def _print(stream: str, timings: list[Timing]) -> None:
    table = Table(title=f"Stream {stream!r}, 64 KiB reads, for each event", title_justify="left")
    table.add_column("what is read")
    for title in ("ns", "× M", "MB/s", "deltawire is faster by"):
        table.add_column(title, justify="right")
    for row in _rows(timings):
        table.add_row(*row)
    console = Console(file=sys.stdout)
    console.print(table)
    console.print(f"M: {_UNIT}. Trust the ratios, not the ns.", highlight=False)
    console.print(machine(), highlight=False)
    if BACKEND == "pure":
        click.echo(f"\nThis ran on the {backend_note()}")


def _rows(timings: list[Timing]) -> Iterator[tuple[str, ...]]:
    for group in GROUPS:
        own = [timing for timing in timings if timing.group == group]
        ours = own_timing(own)
        yield (f"[bold]{group}[/bold]", "", "", "", "")
        for timing in sorted(own, key=lambda each: each.nanoseconds):
            speed = timing.bytes / timing.nanoseconds * 1e3
            times = "" if timing.name.startswith("deltawire") else f"{timing.nanoseconds / ours.nanoseconds:,.1f} ×"
            yield (
                f"  {timing.name}", f"{timing.nanoseconds:,.0f}", f"{timing.nanoseconds / unit(timings):.2f}",
                f"{speed:,.0f}", times,
            )  # fmt: skip


def own_timing(timings: list[Timing]) -> Timing:
    """Return the timing of the faster twin of deltawire that was measured."""
    return min((each for each in timings if each.name.startswith("deltawire")), key=lambda each: each.nanoseconds)


def _document(stream: str, timings: list[Timing]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "stream": stream,
        "unit_nanoseconds": round(unit(timings), 1),
        "timings": [
            {
                "group": timing.group,
                "name": timing.name,
                "nanoseconds": round(timing.nanoseconds, 1),
                "units": round(timing.nanoseconds / unit(timings), 3),
                "megabytes_per_second": round(timing.bytes / timing.nanoseconds * 1e3, 1),
            }
            for timing in timings
        ],
    }
