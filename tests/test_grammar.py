"""Every short stream that the tokens below can make, against the standard's own words."""

import random
from itertools import product

import pytest

from .oracle import interpret, observed

TOKENS = (b"data:x", b"data: y", b"data", b"event:e", b"id:1", b"id", b"retry:5", b":c", b"\n", b"\r", b"\r\n")


def every_stream() -> list[bytes]:
    return sorted({b"".join(tokens) for length in range(1, 6) for tokens in product(TOKENS, repeat=length)})


def check(backend, stream: bytes) -> None:
    expected = interpret(stream)
    assert observed(backend.EventParser(), stream) == expected
    cut = len(stream) // 2
    assert observed(backend.EventParser(), stream[:cut], stream[cut:]) == expected
    assert observed(backend.EventParser(), *(bytes([byte]) for byte in stream)) == expected


def test_a_sample_reads_as_the_standard_says(backend) -> None:
    for stream in random.Random(5).sample(every_stream(), 3000):
        check(backend, stream)


@pytest.mark.exhaustive
def test_every_one_reads_as_the_standard_says(backend) -> None:
    all_streams = every_stream()
    assert len(all_streams) == 171_479
    for stream in all_streams:
        check(backend, stream)
