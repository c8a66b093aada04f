"""Whatever comes, the twins do the same: results, faults, messages and state."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltawire import DecoderStats, Limits

from .conftest import PURE_ONLY, twin
from .oracle import interpret, observed
from .readers import log_of, result_of

pytestmark = pytest.mark.skipif(PURE_ONLY, reason="only the pure twin is asked for")

# Few distinct bytes, so that terminators meet each other and the cuts.
LINES = st.sampled_from(
    [b"data: a", b"data:", b"data", b"data:  b\0", b"event: error", b"event:e", b"event", b"id: 1", b"id:\0", b"id",
     b"retry: 12", b"retry:00012", b"retry: 1x", b"retry:99999999999999999999", b":c", b": " + b"c" * 30, b"x: y",
     b'error: {"code":1}', b"error: x", b"\xef\xbb\xbfdata: bom", b"data: \xff\xe2\x82", b"d", b"da", b"dat"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r", b""])
STREAM = st.lists(st.tuples(LINES, ENDS).map(b"".join) | st.binary(max_size=3), max_size=10).map(b"".join)

PAYLOADS = st.sampled_from(
    [b'{"id":"a","choices":[{"index":0,"delta":{"content":"x"}}]}', b'{"choices":[{"finish_reason":"stop"}]}',
     b'{"choices":[{"index":0,"finish_reason":""},{"index":1,"finish_reason":"stop"}]}', b"null", b"", b" ", b"[DONE]",
     b" [DONE] ", b"{", b"[1]", b"12", b'{"id":1}', b'{"id":"\\ud800"}', b'{"id":"\xff"}', b'{"error":{"message":"m"}}',
     b'{"error":null}', b'{"choices":null}', b'{"choices":[3]}', b'{"usage":{"cost":NaN}}', b'{"a":' * 3]
)  # fmt: skip
EVENT = st.builds(
    lambda before, payload, end: before + b"data: " + payload + end,
    st.sampled_from([b"", b"", b"", b"event: error\n", b"event: x\r\n", b"error: {}\n", b": c\n", b"data: \n"]),
    PAYLOADS,
    st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r", b"\n", b""]),
)
CHUNKS = st.lists(EVENT, max_size=8).map(b"".join)
CUTS = st.lists(st.integers(0, 300), max_size=6)


def cut_up(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted(min(cut, len(stream)) for cut in cuts)
    return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]


def parse(name: str, reads: list[bytes], limits: Limits) -> list[Any]:
    parser = twin(name).EventParser(last_event_id="0", limits=limits)
    log: list[Any] = []
    for _ in range(2):  # a stream, and the next one of the same parser
        log += [(result_of(parser.feed, read), str(parser.error)) for read in reads]
        log += [parser.last_event_id, parser.reconnection_time, result_of(parser.finish)]
    return log


def decode(name: str, reads: list[bytes], limits: Limits) -> list[Any]:
    decoder = twin(name).ChunkDecoder(limits=limits)
    log = [(result_of(decoder.feed, read), repr(decoder.error), stats(decoder)) for read in reads]
    ends = [result_of(decoder.finish) for _ in range(12)]
    return [*log, *ends, decoder.done, stats(decoder), repr(decoder.error)]


def stats(decoder: Any) -> DecoderStats:
    """Only the compiled twin has stencils to count."""
    return msgspec.structs.replace(decoder.stats, hits=0, misses=0, learned=0)


@pytest.fixture(scope="module", autouse=True, params=[(256, 512), (1, 0)], ids=["usual blocks", "tiny blocks"])
def block_sizes(request):
    """Small inputs reach growth and release where the blocks are tiny."""
    from deltawire._compiled.events import set_block_sizes

    set_block_sizes(*request.param)
    yield
    set_block_sizes()


@given(STREAM, CUTS, st.sampled_from([0, 1, 2, 3, 5, 8, 13, 21, 34]))
@settings(max_examples=400)
def test_parsers_do_the_same(stream: bytes, cuts: list[int], most: int) -> None:
    reads = cut_up(stream, cuts)
    limits = Limits(max_event=most)
    assert parse("compiled", reads, limits) == parse("pure", reads, limits)


@given(STREAM, CUTS)
@settings(max_examples=400)
def test_both_do_what_the_standard_says(stream: bytes, cuts: list[int]) -> None:
    reads = cut_up(stream, cuts)
    for name in ("pure", "compiled"):
        assert observed(twin(name).EventParser(), *reads) == interpret(stream)


@given(CHUNKS, CUTS, st.sampled_from([0, 0, 0, 20, 60, 120]))
@settings(max_examples=400)
def test_decoders_do_the_same(stream: bytes, cuts: list[int], most: int) -> None:
    reads = cut_up(stream, cuts)
    limits = Limits(max_event=most)
    assert decode("compiled", reads, limits) == decode("pure", reads, limits)


@given(CHUNKS, CUTS)
@settings(max_examples=200)
def test_the_cuts_change_nothing(stream: bytes, cuts: list[int]) -> None:
    def everything(name: str, reads: list[bytes]) -> list[Any]:
        decoder = twin(name).ChunkDecoder()
        log = [value for values in log_of(decoder, reads) for value in values]
        return [*log, result_of(decoder.finish), result_of(decoder.finish), decoder.done]

    whole = everything("pure", [stream])
    for name in ("pure", "compiled"):
        assert everything(name, cut_up(stream, cuts)) == whole
