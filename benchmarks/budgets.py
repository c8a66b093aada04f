"""What an event costs beside what it may cost: `python -m benchmarks.budgets`.

Everything runs in one process, in turn, so that a noisy machine is noisy for all; the
best of many runs counts. Exits 1 where a budget is missed.
"""

import sys
from collections.abc import Callable
from time import perf_counter

import msgspec

from deltawire import ChatCompletionChunk

from .fixtures import READ, SeedChunk, feed, stream, twin

ROUNDS = 25


def httpx_sse_events(pieces: list[bytes]) -> Callable[[], object] | None:
    """Return a run of httpx-sse over the reads, if it is installed."""
    try:
        import httpx
        import httpx_sse
    except ModuleNotFoundError:
        return None

    def run() -> None:
        response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter(pieces))
        for _ in httpx_sse.EventSource(response).iter_sse():
            pass

    return run


def runs() -> dict[str, tuple[Callable[[], object], int]]:
    """Return what is measured, each with the units in one run."""
    sample = stream("text")
    pieces = sample.reads(READ)
    count = len(sample.payloads)
    seed = msgspec.json.Decoder(SeedChunk).decode
    own = msgspec.json.Decoder(ChatCompletionChunk).decode
    small = b'data: {"id":"abc'

    def feed_small() -> None:
        decoder = twin("compiled", "decoder").ChunkDecoder()
        take = decoder.feed
        for _ in range(10_000):
            take(small)

    measured = {
        "M": (lambda: [seed(payload) for payload in sample.payloads], count),
        "own": (lambda: [own(payload) for payload in sample.payloads], count),
        "events": (lambda: feed(twin("compiled", "events").EventParser, pieces), count),
        "typed": (lambda: feed(twin("compiled", "decoder").ChunkDecoder, pieces), count),
        "feed": (feed_small, 10_000),
        "pure events": (lambda: feed(twin("pure", "events").EventParser, pieces), count),
        "pure typed": (lambda: feed(twin("pure", "decoder").ChunkDecoder, pieces), count),
    }
    if (peer := httpx_sse_events(pieces)) is not None:
        measured["httpx-sse"] = (peer, count)
    return measured


def main() -> int:
    """Measure, print the table and return the exit status."""
    measured = runs()
    best = dict.fromkeys(measured, float("inf"))
    for _ in range(ROUNDS):
        for name, (run, units) in measured.items():
            started = perf_counter()
            run()
            best[name] = min(best[name], (perf_counter() - started) / units)
    unit = best["M"]
    budgets = [
        ("events, compiled", best["events"] / unit, 0.25, "M"),
        ("typed chunks, compiled", best["typed"] / best["own"], 1.1, "of msgspec into the same Structs"),
        ("feed of 16 bytes", best["feed"] * 1e9, 150, "ns"),
    ]
    if "httpx-sse" in best:
        budgets.append(("events, pure", best["pure events"] / best["httpx-sse"], 1, "of httpx-sse"))
    for name, seconds in best.items():
        print(f"{name:12} {seconds * 1e9:8.0f} ns   {seconds / unit:6.2f} M")
    print()
    for name, value, allowed, what in budgets:
        print(f"{name:24} {value:8.2f}   at most {allowed:g} {what}: {'yes' if value <= allowed else 'NO'}")
    return 0 if all(value <= allowed for _, value, allowed, _ in budgets) else 1


if __name__ == "__main__":
    sys.exit(main())
