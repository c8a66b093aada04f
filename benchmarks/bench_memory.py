"""Memory: what an idle reader holds, and the most that reading a stream takes."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from deltawire.replay import sample

from .fixtures import twin

READERS = {
    "EventParser": "events",
    "ChunkDecoder": "chat",
    "TextDecoder": "chat",
    "CompletionAccumulator": "accumulator",
    "Tap": "tap",
    "Rewriter": "rewriter",
}
CUT = b'data: {"id":"chatcmpl-D3ltaW1reR3playS4mpl3000","object":"chat.comp'


def bytes_each(new: Callable[[], Any], count: int = 500) -> float:
    """Return the bytes that one object of many takes."""
    new()  # what all share
    gc.collect()
    tracemalloc.start()
    try:
        kept = [new() for _ in range(count)]
        return (tracemalloc.get_traced_memory()[0] - 8 * len(kept)) / count
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["compiled", "pure"])
@pytest.mark.parametrize("reader", READERS)
def bench_idle(benchmark, reader: str, name: str) -> None:
    new = getattr(twin(name, READERS[reader]), reader)
    learned = b"".join(sample("text", chunks=64).events()[:-3])

    def read(data: bytes) -> Any:
        made = new()
        made.feed(data)
        return made

    benchmark.group = "an idle reader: see extra_info, in bytes"
    benchmark.extra_info["new"] = bytes_each(new)
    benchmark.extra_info["in an event"] = bytes_each(lambda: read(CUT))
    benchmark.extra_info["with stencils"] = bytes_each(lambda: read(learned))
    benchmark(new)
    if name == "compiled" and reader != "CompletionAccumulator":
        assert benchmark.extra_info["in an event"] <= 2048
        assert benchmark.extra_info["with stencils"] <= benchmark.extra_info["in an event"] + 4096


def bench_tap_between_events(benchmark) -> None:
    """Of what a server has one for each stream; its stencils, and the id and the model that it reports, apart."""
    tap, stencil = twin("compiled", "tap"), twin("compiled", "stencil")
    read = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'

    def fed() -> Any:
        made = tap.Tap()
        made.feed(read)
        made.feed(read)
        return made

    was = stencil.switch(False)
    try:
        held = bytes_each(fed)
    finally:
        stencil.switch(was)
    benchmark.group = "a tap between events: see extra_info, in bytes"
    benchmark.extra_info["without stencils"] = held
    benchmark(fed)
    assert held <= 512


@pytest.mark.parametrize("name", ["compiled", "pure"])
def bench_peak_of_an_event_of_8_mib(benchmark, name: str) -> None:
    reads = sample("big", mebibytes=8).reads(1 << 16)

    def run() -> str:
        accumulator = twin(name, "accumulator").CompletionAccumulator()
        for data in reads:
            accumulator.feed(data)
        return accumulator.completion().choices[0].message.content

    tracemalloc.start()
    try:
        run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    benchmark.group = "one event of 8 MiB: peak in extra_info, in MiB"
    benchmark.extra_info["peak"] = peak / (1 << 20)
    assert len(benchmark(run)) == 8 << 20
    assert peak < 10 * (8 << 20)
