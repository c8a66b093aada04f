"""What an event costs beside what it may cost: `python -m benchmarks.budgets`.

Everything runs in one process, in turn, so that a noisy machine is noisy for all; the
best of many runs counts. Exits 1 where a budget is missed.
"""

import sys
from collections.abc import Callable
from time import perf_counter

from deltawire.cli.contender import Contender
from deltawire.cli.peers import contenders, expected

from .fixtures import READ, stream, twin

ROUNDS = 25

M = "typed, msgspec alone, already split"
OWN = "typed, the same, into deltawire's Structs"
OURS = "{}, deltawire, {}"


def run_of(contender: Contender, name: str) -> tuple[Callable[[], object], int]:
    """Return a contender's run over a stream, which must read it right, and its events."""
    body = stream(name)
    run = contender.new(body, body.reads(READ))
    assert contender.answer(run()) == expected(contender.group, body)
    return run, len(body.payloads)


def feed_small() -> None:
    """Feed 16 bytes ten thousand times."""
    feed = twin("compiled", "chat").ChunkDecoder().feed
    for _ in range(10_000):
        feed(b'data: {"id":"abc')


def tap_events() -> tuple[Callable[[], object], int]:
    """Return a run that feeds a tap one event at a time, and its events."""
    reads = stream("text").events()

    def run() -> None:
        feed = twin("compiled", "tap").Tap().feed
        for data in reads:
            feed(data)

    return run, len(reads)


def measured() -> dict[str, float]:
    """Return the seconds of an event, by contender; those on the stream "logprobs" begin with its name."""
    every = {f"{contender.group}, {contender.name}": contender for contender in contenders()}
    runs = {name: run_of(contender, "text") for name, contender in every.items() if not contender.slow}
    for name in (OWN, OURS.format("typed", "compiled")):
        runs[f"logprobs: {name}"] = run_of(every[name], "logprobs")
    if "events, httpx-sse" in every:
        runs["events, httpx-sse"] = run_of(every["events, httpx-sse"], "text")
    runs["tap, one event a read"] = tap_events()
    runs["feed of 16 bytes"] = (feed_small, 10_000)
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, (run, units) in runs.items():
            for _ in range(3):  # the first finds the caches full of the others
                started = perf_counter()
                run()
                best[name] = min(best[name], (perf_counter() - started) / units)
    return best


def main() -> int:
    """Measure, print the table and return the exit status."""
    best = measured()
    unit = best[M]
    ours = {
        group: best[OURS.format(group, "compiled")]
        for group in ("events", "typed", "text", "accumulate", "tap", "rewrite")
    }
    never_hit = best["logprobs: " + OURS.format("typed", "compiled")] / best["logprobs: " + OWN]
    budgets = [
        ("events", ours["events"] / unit, 0.25, 0.15, "M"),
        ("typed chunks", ours["typed"] / unit, 0.55, 0.35, "M"),
        ("text", ours["text"] / unit, 0.20, 0.10, "M"),
        ("accumulate", ours["accumulate"] / unit, 0.15, 0.08, "M"),
        ("tap", ours["tap"] / unit, 0.10, 0.05, "M"),
        ("tap, one event a read", best["tap, one event a read"] / unit, 0.20, 0.12, "M"),
        ("rewriter", ours["rewrite"] / unit, 0.50, 0.25, "M"),
        ("stencils never hit", never_hit, 1.2, 1.05, "of msgspec into the same Structs"),
        ("feed of 16 bytes", best["feed of 16 bytes"] * 1e9, 150, 80, "ns"),
    ]
    if "events, httpx-sse" in best:
        pure = best[OURS.format("events", "pure")] / best["events, httpx-sse"]
        budgets.append(("events, pure twin", pure, 1, 0.5, "of httpx-sse"))
    if (models := OURS.format("typed", "compiled") + ", into openai's models") in best:
        budgets.append(("openai's models", best[models] / unit, 2.5, 1.2, "M"))
    for name, seconds in best.items():
        print(f"{name:50} {seconds * 1e9:8.0f} ns   {seconds / unit:6.2f} M")
    print()
    for name, value, allowed, stretch, what in budgets:
        verdict = "NO" if value > allowed else "yes" if value > stretch else "yes, and the stretch"
        print(f"{name:24} {value:8.2f}   at most {allowed:g} (stretch {stretch:g}) {what}: {verdict}")
    return 0 if all(value <= allowed for _, value, allowed, _, _ in budgets) else 1


if __name__ == "__main__":
    sys.exit(main())
