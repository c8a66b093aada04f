"""What streams fold into: quirks, recorded streams and random chunks, against the oracle."""

import json
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltawire.completion import ChatCompletion

from .chat_json import Quirk, stream
from .conftest import TWINS, twin
from .corpus import body, is_chat, streams
from .folding_oracle import completion_of, json_of, observed, past_faults, payloads_of
from .quirks import QUIRKS
from .readers import cut

# Of recorded streams, by the size of a read: reads of one byte are many, and the beginning has all that they can meet.
LENGTHS = {1: 60_000, 7: 1 << 30, 1460: 1 << 30, 65536: 1 << 30}
SIZES = list(LENGTHS)
each_quirk = pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)


@pytest.mark.parametrize("quirk", [quirk for quirk in QUIRKS if quirk.completion], ids=lambda quirk: quirk.name)
def test_the_oracle_says_what_is_written_out(quirk: Quirk) -> None:
    assert completion_of(payloads_of(quirk.body)) == quirk.completion


@each_quirk
@pytest.mark.parametrize("size", SIZES)
def test_a_quirk_folds_as_the_oracle_says(backend, quirk: Quirk, size: int) -> None:
    expected = completion_of(payloads_of(quirk.body))
    assert observed(backend.CompletionAccumulator(), *cut(quirk.body, size)) == expected


@each_quirk
def test_a_completion_is_that_of_the_chunks_so_far(backend, quirk: Quirk) -> None:
    accumulator = backend.CompletionAccumulator()
    payloads = payloads_of(quirk.body)
    earlier = []
    for count, payload in enumerate(payloads):
        earlier.append(accumulator.completion())
        assert json_of(earlier[-1]) == completion_of(payloads[:count])
        accumulator.feed(b"data: " + json.dumps(payload).encode() + b"\n\n")
    earlier.append(accumulator.completion())
    for count, completion in enumerate(earlier):
        assert json_of(completion) == completion_of(payloads[:count])


@each_quirk
def test_chunks_and_bytes_may_be_mixed(backend, quirk: Quirk) -> None:
    for turn in (0, 1):
        accumulator = backend.CompletionAccumulator()
        payloads = payloads_of(quirk.body)
        for number, payload in enumerate(payloads):
            event = b"data: " + json.dumps(payload).encode() + b"\n\n"
            if number % 2 == turn:
                accumulator.feed(event)
            else:
                accumulator.add(*backend.ChunkDecoder().feed(event))
        assert json_of(accumulator.completion()) == completion_of(payloads)


@each_quirk
def test_a_completion_comes_back_from_its_json(backend, quirk: Quirk) -> None:
    accumulator = backend.CompletionAccumulator()
    observed(accumulator, quirk.body)
    completion = accumulator.completion()
    assert msgspec.json.decode(msgspec.json.encode(completion), type=ChatCompletion) == completion


# Ids only: without the corpus there are none.
CHATS = [entry["file"] for entry in streams() if is_chat(entry)]


@cache
def folded(name: str, length: int) -> dict[str, Any]:
    """Return what the oracle says of a recorded stream, or of its beginning; once for both twins."""
    return completion_of(payloads_of(body(name)[:length]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CHATS)
def test_a_recorded_stream_folds_as_the_oracle_says(backend, name: str, size: int) -> None:
    recorded = body(name)[: LENGTHS[size]]
    expected = folded(name, LENGTHS[size])
    assert expected["choices"]
    assert observed(backend.CompletionAccumulator(), *cut(recorded, size)) == expected


# --- random chunks --------------------------------------------------------------------


def members(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these members, each null at times."""
    return st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in optional.items()})


# Few distinct values, so that indexes, ids and types meet.
TEXT = st.sampled_from(["", "a", "b", "null", "é", '"'])
INDEX = st.sampled_from([0, 1])
VALUE = st.sampled_from([0, 2, "", "null", "v", [], [1], {}, {"a": None}, True, 0.5])
PIECE = TEXT | st.lists(TEXT, max_size=2) | st.just(3)
PART = members(index=INDEX, type=st.sampled_from("xy"), text=PIECE, data=TEXT, value=VALUE) | TEXT
PARTS = st.lists(PART, max_size=3)
FUNCTION = members(name=TEXT, arguments=TEXT | st.just({"a": [1]}))
CALL = members(
    index=INDEX,
    id=TEXT,
    type=TEXT,
    function=FUNCTION,
    custom=members(name=TEXT, input=TEXT),
    extra_content=VALUE,
)
DELTA = members(
    role=TEXT,
    content=TEXT | PARTS,
    refusal=TEXT,
    tool_calls=st.lists(CALL, max_size=3),
    function_call=FUNCTION,
    audio=members(id=TEXT, data=TEXT, transcript=TEXT, expires_at=INDEX),
    reasoning=TEXT,
    reasoning_details=PARTS,
    hidden_states=VALUE,
)
TOKENS = st.lists(members(token=TEXT, logprob=st.just(-0.5), bytes=st.just([1])), max_size=2)
CHOICE = members(
    index=INDEX,
    delta=DELTA,
    logprobs=st.just(-0.5) | members(content=TOKENS, refusal=TOKENS),
    finish_reason=TEXT,
    stop_reason=TEXT | INDEX,
    token_ids=st.lists(INDEX, max_size=2),
    content_filter_results=VALUE,
)
CHUNK = members(
    id=TEXT,
    created=INDEX,
    choices=st.lists(CHOICE, max_size=2),
    usage=members(total_tokens=INDEX, cost=VALUE),
    service_tier=TEXT,
    x_groq=VALUE,
    citations=st.lists(TEXT, max_size=1),
    error=st.just(""),
)


@given(st.lists(CHUNK, max_size=6), st.integers(1, 40), st.sets(st.integers(0, 5)))
def test_random_chunks_fold_as_the_oracle_says(chunks: list[dict[str, Any]], size: int, added: set[int]) -> None:
    expected = completion_of(chunks)
    ends = []
    for name in TWINS:
        backend = twin(name)
        assert observed(backend.CompletionAccumulator(), *cut(stream(*chunks), size)) == expected
        accumulator = backend.CompletionAccumulator()
        for number, chunk in enumerate(chunks):
            event = stream(chunk, done="")
            if number in added:
                accumulator.add(*backend.ChunkDecoder().feed(event))
            else:
                past_faults(accumulator.feed, event)
        assert json_of(accumulator.completion()) == expected
        ends.append(accumulator.finish())
    assert ends == ends[:1] * len(ends)


# Nothing but what one table merges, so that its cases meet more often.
NAMES = st.sampled_from(["a", "b", ""])
FRAGMENT = members(index=INDEX, id=NAMES, function=st.builds(lambda text: {"arguments": text}, st.sampled_from("123")))
PIECES = members(index=INDEX, type=st.sampled_from("xy"), text=st.sampled_from(["1", "2", ["3"], 4]))
DENSE = st.one_of(
    st.builds(lambda calls: {"tool_calls": calls}, st.lists(FRAGMENT, min_size=1, max_size=4)),
    st.builds(lambda parts: {"content": parts}, st.lists(PIECES, min_size=1, max_size=4) | st.sampled_from("56")),
)


@given(st.lists(DENSE, max_size=6))
def test_random_calls_and_parts_fold_as_the_oracle_says(deltas: list[dict[str, Any]]) -> None:
    chunks = [{"choices": [{"delta": delta}]} for delta in deltas]
    expected = completion_of(chunks)
    for name in TWINS:
        assert observed(twin(name).CompletionAccumulator(), stream(*chunks)) == expected


@pytest.mark.parametrize("nothing", [b"null", b"NaN", b"-Infinity"])
def test_what_is_null_in_json_leaves_a_part_as_it_was(backend, nothing: bytes) -> None:
    accumulator = backend.CompletionAccumulator()
    for score in (b"1.5", nothing):
        part = b'{"index":0,"type":"t","score":%b}' % score
        accumulator.feed(b'data: {"choices":[{"index":0,"delta":{"reasoning_details":[%b]}}]}\n\n' % part)
    (choice,) = accumulator.completion().choices
    assert choice.message.reasoning_details == [{"index": 0, "type": "t", "score": 1.5}]
