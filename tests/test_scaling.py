"""Four times the input costs at most five times the time, whatever its shape."""

import gc
import sys
from collections.abc import Callable
from time import process_time

import pytest

from deltawire import encode_event

from .folding_oracle import past_faults
from .readers import cut

KIB = 1024
# Long, and four times as long still in a cache: beyond it each byte costs more, whoever copies it.
LONG = 256 * KIB
FAULT = b"data: {\n\n"


# Reads of a stream that is `scale` times as long.
SHAPES: dict[str, Callable[[int], list[bytes]]] = {
    "CR only": lambda scale: [b"data: x\r\r" * 20_000 * scale],
    "CR only, one line": lambda scale: cut(b"data: " + b"x" * LONG * scale + b"\r\r", KIB),
    "reads of one byte": lambda scale: cut(b"data: " + b"x" * 20_000 * scale + b"\n\n", 1),
    "one long line": lambda scale: cut(b"data: " + b"x" * LONG * scale + b"\n\n", 4 * KIB),
    "one comment": lambda scale: cut(b":" + b"x" * LONG * scale + b"\n", KIB),
    "many data lines": lambda scale: cut(b"data: x\n" * 25_000 * scale + b"\n", 4 * KIB),
    "many data lines, one read": lambda scale: [b"data: x\n" * 25_000 * scale + b"\n"],
    "many tiny events": lambda scale: [b"data:\n\n" * 20_000 * scale],
    "many ids": lambda scale: [b"id: 1\n" * 20_000 * scale + b"data: x\n\n"],
    "CR and LF in turn": lambda scale: [b"data: x\r\n\r\n" * 20_000 * scale],
}


def seconds(run: Callable[[], object]) -> float:
    """Return the processor time of a run: what else the machine does is not in it, nor the collector's passes."""
    gc.disable()
    try:
        started = process_time()
        run()
        return process_time() - started
    finally:
        gc.enable()


def check(run: Callable[[int], Callable[[], object]], floor: Callable[[int], Callable[[], object]]) -> None:
    """Compare the best of a few runs, and again where the machine was noisy.

    Fresh memory costs more by the byte the more is taken: where merely gathering the reads, and
    splitting them to lines, grows by more than the four times, so may what is measured, to half of a square.
    """
    for attempt in range(8):
        ratio, allowed = growth(run, attempt), 5.0
        if ratio > allowed:
            allowed = min(8, allowed * max(1, growth(floor, attempt) / 4))
        if ratio <= allowed:
            return
    pytest.fail(f"4 times the input costs {ratio:.1f} times the time, {allowed:.1f} allowed")


def growth(run: Callable[[int], Callable[[], object]], attempt: int) -> float:
    """Return how many times as long 4 times the input takes.

    It is compared with the input four times in a row: what else the machine does meets both alike.
    """
    small, large = run(1), run(4)
    four, one = [], []
    for _ in range(3 + attempt):
        four.append(sum(seconds(small) for _ in range(4)))
        one.append(seconds(large))
    return 4 * min(one) / min(four)


def gather(reads: list[bytes]) -> Callable[[], object]:
    def run() -> None:
        held = bytearray()
        for read in reads:
            held += read
        held.decode().splitlines()

    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_events_cost_is_linear(backend, shape: str) -> None:
    def run(scale: int) -> Callable[[], object]:
        reads = SHAPES[shape](scale)

        def parse() -> None:
            parser = backend.EventParser()
            for read in reads:
                parser.feed(read)

        return parse

    check(run, lambda scale: gather(SHAPES[shape](scale)))


def test_many_faults_in_one_read_cost_is_linear(backend) -> None:
    def run(scale: int) -> Callable[[], object]:
        stream = FAULT * 400 * scale

        def decode() -> None:
            decoder = backend.ChunkDecoder()
            decoder.feed(stream)
            while decoder.error is not None:
                with pytest.raises(Exception, match="not JSON"):
                    decoder.feed(b"")
                decoder.feed(b"")
            assert decoder.stats.events == 400 * scale

        return decode

    check(run, lambda scale: gather([FAULT * 400 * scale]))


def test_reads_waiting_behind_faults_cost_is_linear(backend) -> None:
    def run(scale: int) -> Callable[[], object]:
        def decode() -> None:
            decoder = backend.ChunkDecoder()
            for _ in range(1000 * scale):
                past_faults(decoder.feed, FAULT * 2)

        return decode

    check(run, lambda scale: gather([FAULT * 2] * 1000 * scale))


HASHED_ALIKE = sys.hash_info.modulus


@pytest.mark.parametrize("kind", ["ChunkDecoder", "CompletionAccumulator", "Tap"])
@pytest.mark.parametrize("place", ["choices", "tool_calls", "reasoning_details"])
def test_indexes_that_hash_alike_cost_is_linear(backend, kind: str, place: str) -> None:
    def run(scale: int) -> Callable[[], object]:
        entries = [{"index": number * HASHED_ALIKE, "type": "text"} for number in range(1000 * scale)]
        event = encode_event({"choices": entries if place == "choices" else [{"index": 0, "delta": {place: entries}}]})
        return lambda: getattr(backend, kind)().feed(event)

    check(run, lambda scale: gather([b"data: {\n\n" * 1000 * scale]))
