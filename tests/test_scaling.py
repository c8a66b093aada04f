"""Four times the input costs at most five times the time, whatever its shape."""

from collections.abc import Callable
from time import perf_counter

import pytest

KIB = 1024  # lines of 4 MiB and more: larger than a cache either way


def sliced(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


# Reads of a stream that is `scale` times as long.
SHAPES: dict[str, Callable[[int], list[bytes]]] = {
    "CR only": lambda scale: [b"data: x\r\r" * 20_000 * scale],
    "CR only, one line": lambda scale: sliced(b"data: " + b"x" * 4 * KIB * KIB * scale + b"\r\r", 4 * KIB),
    "reads of one byte": lambda scale: sliced(b"data: " + b"x" * 20_000 * scale + b"\n\n", 1),
    "one line of MiB": lambda scale: sliced(b"data: " + b"x" * 4 * KIB * KIB * scale + b"\n\n", 64 * KIB),
    "one comment": lambda scale: sliced(b":" + b"x" * 4 * KIB * KIB * scale + b"\n", 4 * KIB),
    "many data lines": lambda scale: sliced(b"data: x\n" * 25_000 * scale + b"\n", 4 * KIB),
    "many data lines, one read": lambda scale: [b"data: x\n" * 25_000 * scale + b"\n"],
    "many tiny events": lambda scale: [b"data:\n\n" * 20_000 * scale],
    "many ids": lambda scale: [b"id: 1\n" * 20_000 * scale + b"data: x\n\n"],
    "CR and LF in turn": lambda scale: [b"data: x\r\n\r\n" * 20_000 * scale],
}


def seconds(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


def check(run: Callable[[int], Callable[[], object]], floor: Callable[[int], Callable[[], object]]) -> None:
    """Compare the best of a few runs, and again where the machine was noisy.

    Fresh memory costs more by the byte the more is taken: where merely gathering the
    reads, and splitting them to lines, grows by more than the four times, so may the parser.
    """
    small, large, small_floor, large_floor = run(1), run(4), floor(1), floor(4)
    for attempt in range(8):
        ratio = best(large, attempt) / best(small, attempt)
        allowed = 5 * max(1, best(large_floor, attempt) / best(small_floor, attempt) / 4)
        if ratio <= allowed:
            return
    pytest.fail(f"4 times the input costs {ratio:.1f} times the time, {allowed:.1f} allowed")


def best(run: Callable[[], object], attempt: int) -> float:
    return min(seconds(run) for _ in range(3 + attempt))


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
        stream = b"data: {\n\n" * 400 * scale

        def decode() -> None:
            decoder = backend.ChunkDecoder()
            decoder.feed(stream)
            while decoder.error is not None:
                with pytest.raises(Exception, match="not JSON"):
                    decoder.feed(b"")
                decoder.feed(b"")
            assert decoder.stats.events == 400 * scale

        return decode

    check(run, lambda scale: gather([b"data: {\n\n" * 400 * scale]))
