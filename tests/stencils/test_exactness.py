"""Nobody can tell a stencil's value from msgspec's."""

import copy

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltawire import ChatCompletionChunk, StencilMismatchError
from deltawire.replay import SAMPLES, sample

from ..conftest import PURE_ONLY, twin
from .mutation import Bytes, Chance
from .outcomes import check, event, same

if PURE_ONLY:
    pytest.skip("only the pure twin is asked for", allow_module_level=True)

from deltawire._compiled import stencil


@given(st.integers(0, 1 << 48))
@settings(max_examples=1500)
def test_mutated_streams_give_what_the_pure_twin_gives(seed: int) -> None:
    check(Chance(seed))


@given(st.binary(max_size=1500))
@settings(max_examples=500)
def test_and_those_that_hypothesis_makes(choices: bytes) -> None:
    check(Bytes(choices))


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "big"])
@pytest.mark.parametrize("size", [1 << 16, 100])
def test_a_sample_gives_what_msgspec_gives(name: str, size: int) -> None:
    stream = sample(name)
    decoder = twin("compiled").ChunkDecoder()
    chunks = [chunk for read in stream.reads(size) for chunk in decoder.feed(read)]
    assert same(chunks, [msgspec.json.decode(payload, type=ChatCompletionChunk) for payload in stream.payloads])


def containers(value: object) -> list[object]:
    """Return the lists, dicts and Structs in `value`."""
    if isinstance(value, msgspec.Struct):
        return [value, *(inner for member in msgspec.structs.astuple(value) for inner in containers(member))]
    if isinstance(value, dict):
        return [value, *(inner for member in value.values() for inner in containers(member))]
    if isinstance(value, list):
        return [value, *(inner for member in value for inner in containers(member))]
    return []


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id":"%d","choices":[{"index":0,"delta":{"content":"x","tool_calls":[{"function":{}}]},"token_ids":[1]}]}',
        b'{"id":"%d","usage":{"cost":{"a":[{}]}},"x_groq":{"b":[]},"citations":["c"],"choices":[]}',
        b'{"id":"%d","choices":[{"message":{"parts":[[1]]}}],"warnings":[{"w":{}}]}',
    ],
)
def test_chunks_share_nothing_that_can_be_changed(payload: bytes) -> None:
    decoder = twin("compiled").ChunkDecoder()
    chunks = [chunk for number in range(12) for chunk in decoder.feed(event(payload % number))]
    assert stencil.switch(True) is False or decoder.stats.hits >= 8
    everything = [inner for chunk in chunks for inner in containers(chunk)]
    assert len({id(inner) for inner in everything}) == len(everything)


def test_a_changed_chunk_changes_no_other() -> None:
    decoder = twin("compiled").ChunkDecoder()
    payload = b'{"id":"%d","choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":%d}}'
    for number in range(10):
        (chunk,) = decoder.feed(event(payload % (number, number)))
        assert same(chunk, msgspec.json.decode(payload % (number, number), type=ChatCompletionChunk))
        kept = copy.deepcopy(chunk)
        chunk.choices[0].delta.content = "changed"
        chunk.choices.append("more")
        chunk.usage.prompt_tokens = chunk.id = None
        assert kept.choices[0].delta.content == "x"


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), ("a", "b"), ([1], [2]), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (None, 0), ([1], (1,))],
)
def test_the_check_of_a_match_sees_every_difference(one: object, other: object) -> None:
    assert not stencil.same([one], [other])
    assert stencil.same([one], [copy.deepcopy(one)])
    with pytest.raises(StencilMismatchError, match="a stencil gives"):
        stencil.check_same([one], [other])
