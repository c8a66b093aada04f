"""What several entries at one index are, on both twins: tool calls by their ids, parts by their types."""

from typing import Any

import pytest

from deltawire import encode_event

from .chat_json import call, called, said
from .folding_oracle import json_of


def folded(backend: Any, *chunks: dict[str, Any]) -> dict[str, Any]:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(b"".join(map(encode_event, chunks)))
    assert accumulator.error is None
    return json_of(accumulator.completion())["choices"][0]["message"]


def arguments(backend: Any, *fragments: Any) -> list[tuple[str | None, str]]:
    """Return the id and the arguments of each call."""
    calls = folded(backend, *map(called, fragments))["tool_calls"]
    return [(each.get("id"), each["function"]["arguments"]) for each in calls]


def details(backend: Any, *parts: Any) -> list[Any]:
    return folded(backend, *(said({"reasoning_details": [part]}) for part in parts))["reasoning_details"]


def test_a_call_that_got_its_id_later_keeps_it_for_itself(backend) -> None:
    fragments = [call(0, None, None, "1"), call(0, "a", None, "2"), call(0, "b", None, "3"), call(0, "a", None, "4")]
    assert arguments(backend, *fragments) == [("a", "124"), ("b", "3")]


def test_a_fragment_with_nothing_to_tell_it_goes_to_the_newest_call_and_the_next_of_its_index_too(backend) -> None:
    fragments = [call(0, "a", None, "1"), call(0, "b", None, "2"), call(0, "a", None, "3")]
    assert arguments(backend, *fragments, call(0, None, None, "4")) == [("a", "134"), ("b", "2")]
    assert arguments(backend, *fragments, call(None, None, None, "4"), call(0, None, None, "5")) == [
        ("a", "13"),
        ("b", "245"),
    ]


def test_calls_without_an_index_are_told_apart_by_their_ids(backend) -> None:
    fragments = [call(None, "a", None, "1"), call(3, "b", None, "2"), call(None, "c", None, "3")]
    assert arguments(backend, *fragments, call(None, "a", None, "4"), call(4, None, None, "5")) == [
        ("a", "14"),
        ("b", "2"),
        ("c", "35"),
    ]
    assert arguments(backend, call(None, None, None, "1"), call(0, "a", None, "2")) == [("a", "12")]


def test_parts_of_one_index_are_told_apart_by_their_types(backend) -> None:
    one, two = {"index": 0, "type": "a", "text": "1"}, {"index": 0, "type": "b", "text": "2"}
    assert details(backend, one, two, one, {"index": 0, "text": "3"}) == [
        {"index": 0, "type": "a", "text": "113"},
        {"index": 0, "type": "b", "text": "2"},
    ]
    assert details(backend, {"index": 0, "text": "0"}, one, two, one) == [
        {"index": 0, "type": "a", "text": "011"},
        {"index": 0, "type": "b", "text": "2"},
    ]


@pytest.mark.parametrize("kind", [5, ["a"], {"a": 1}, True, "", None])
def test_a_type_that_is_no_text_tells_no_part_apart(backend, kind: Any) -> None:
    parts = [{"index": 0, "type": "a", "text": "1"}, {"index": 0, "type": kind, "text": "2"}]
    (part,) = details(backend, *parts)
    assert (part["type"], part["text"]) == ("a" if kind is None else kind, "12")


@pytest.mark.parametrize("index", [None, True, 0.0, "0", [0]])
def test_an_index_that_is_no_integer_folds_no_part(backend, index: Any) -> None:
    part = {"index": index, "type": "a", "text": "1"}
    assert details(backend, part, part, 5, "x") == [part, part, 5, "x"]


@pytest.mark.parametrize("index", [2**63, -(2**63) - 1, 10**400])
def test_an_index_that_64_bits_do_not_hold_is_none(backend, index: int) -> None:
    calls = [{"index": index, "id": "a", "function": {"name": "f"}}, {"index": index, "id": "b"}]
    parts = [{"index": index, "type": "text", "text": piece} for piece in "xy"]
    delta = {"content": "x", "tool_calls": calls, "reasoning_details": parts}
    body = encode_event({"choices": [{}, {"index": index, "delta": delta, "finish_reason": "stop"}]})
    for name in ("ChunkDecoder", "TextDecoder"):
        decoder = getattr(backend, name)()
        decoder.feed(body)
        assert decoder.finish().finish_reasons == {0: None, 1: "stop"}
    tap = backend.Tap()
    tap.feed(body)
    assert tap.close().finish_reasons == {0: None, 1: "stop"}
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(body)
    message = accumulator.completion().choices[1].message
    assert [call.id for call in message.tool_calls] == ["a", "b"]
    assert message.reasoning_details == parts


@pytest.mark.parametrize("index", [2**63 - 1, -(2**63)])
def test_an_index_that_64_bits_hold_is_one(backend, index: int) -> None:
    decoder = backend.ChunkDecoder()
    decoder.feed(encode_event({"choices": [{"index": index, "finish_reason": "stop"}]}))
    assert decoder.finish().finish_reasons == {index: "stop"}
