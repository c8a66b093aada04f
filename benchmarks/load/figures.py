"""The arithmetic and the tables of a load test."""

from collections.abc import Iterable, Mapping, Sequence
from math import comb
from statistics import median
from typing import Any, NamedTuple

from .runs import Run

BUSY = 0.9  # of a processor: below it, not the relay was what kept an unpaced stream from being faster

Figures = dict[str, float | None]


def figures(paced: Sequence[Run], unpaced: Sequence[Run] = ()) -> Figures:
    """Return the figures of a relay, each the median of its runs; None for what was not measured."""
    cpu, user = _median(run.cpu for run in paced), _median(run.user for run in paced)
    return {
        "cpu_us": cpu,
        "user_us": user,
        "system_us": None if cpu is None or user is None else cpu - user,
        "latency_p50_ms": _median(run.latencies["p50"] for run in paced),
        "latency_p99_ms": _median(run.latencies["p99"] for run in paced),
        "memory_per_stream_kb": _median(run.per_stream / 1000 for run in paced),
        "unpaced_events_per_second": _median(run.rate for run in unpaced),
        "unpaced_cpu_us": _median(run.cpu for run in unpaced),
        "unpaced_busy": _median(run.used[0] / run.seconds for run in unpaced),
    }


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return median(known) if known else None


_COLUMNS = [
    "relay",
    "CPU, µs an event",
    "user",
    "kernel",
    "latency, ms: p50",
    "p99",
    "memory, KB a stream",
    "unpaced: events/s",
    "CPU, µs an event",
]


def table(rows: Mapping[str, Figures]) -> str:
    """Return a Markdown table of the figures by title; a rate that the relay did not limit has a ≥."""
    head = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    return "\n".join([*head, *(_row(title, each) for title, each in rows.items())])


def _row(title: str, each: Figures) -> str:
    rate, busy = each["unpaced_events_per_second"], each["unpaced_busy"]
    limit = "≥ " if busy is not None and busy < BUSY else ""
    cells = [
        title,
        _cell(each["cpu_us"], 0),
        _cell(each["user_us"], 0),
        _cell(each["system_us"], 0),
        _cell(each["latency_p50_ms"], 2),
        _cell(each["latency_p99_ms"], 2),
        _cell(each["memory_per_stream_kb"], 0),
        limit + _cell(rate and float(f"{rate:.2g}"), 0),
        _cell(each["unpaced_cpu_us"], 1),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


class Spread(NamedTuple):
    """A median, and the interval that has the true one with the given confidence, whatever the distribution."""

    median: float
    low: float
    high: float
    confidence: float


def spread(values: Sequence[float], confidence: float = 0.95) -> Spread:
    """Return the median of `values` and its narrowest interval between two of them of at least `confidence`.

    Of six values these are the least and the greatest (97 %); of fewer they are, too, with what confidence there is.

    Source: order statistics; the number of values below the median is binomial with p = 1/2.
    """
    ranked, count = sorted(values), len(values)
    cut, outside = 0, 2 * 0.5**count
    while cut + 1 < count // 2 and (more := outside + 2 * comb(count, cut + 1) * 0.5**count) <= 1 - confidence:
        cut, outside = cut + 1, more
    return Spread(median(ranked), ranked[cut], ranked[-1 - cut], 1 - outside)


class Claim(NamedTuple):
    """What one relay may cost beside another.

    Attributes:
        at_most: the greatest ratio of CPU an event, or with `difference` the greatest difference, in µs.
    """

    at_most: float
    difference: bool


# By the two relays of a pair, the one to stand beside first.
CLAIMS = {
    ("raw", "raw+tap"): Claim(1.0, difference=True),
    ("raw", "relay"): Claim(1.15, difference=False),
    ("raw", "proxy"): Claim(1.15, difference=False),
}


def compared(pairs: Sequence[tuple[Run, Run]]) -> dict[str, Spread]:
    """Return what the second of each pair costs beside the first."""
    return {
        "ratio": spread([b.cpu / a.cpu for a, b in pairs]),
        "difference_us": spread([b.cpu - a.cpu for a, b in pairs]),
        "user_difference_us": spread([b.user - a.user for a, b in pairs]),
    }


def verdict(claim: Claim, result: Mapping[str, Spread]) -> str:
    """Return whether a claim holds: by the interval where that can tell, else by the median."""
    found = result["difference_us" if claim.difference else "ratio"]
    unit = " µs" if claim.difference else " times"
    if found.high <= claim.at_most:
        word = "holds"
    elif found.low > claim.at_most:
        word = "does not hold"
    else:
        word = f"not decided: the median {'holds' if found.median <= claim.at_most else 'does not'}"
    return f"at most {claim.at_most:g}{unit}: {word}"


def described(result: Mapping[str, Spread]) -> list[str]:
    """Return a line for each figure of a comparison."""
    names: dict[str, Any] = {
        "ratio": ("ratio of CPU an event", 3, ""),
        "difference_us": ("difference, CPU an event", 1, " µs"),
        "user_difference_us": ("difference, user CPU an event", 1, " µs"),
    }
    return [
        f"{title}: {each.median:.{digits}f}{unit} ({each.low:.{digits}f} to {each.high:.{digits}f},"
        f" {each.confidence:.0%} sure)"
        for name, each in result.items()
        for title, digits, unit in [names[name]]
    ]
