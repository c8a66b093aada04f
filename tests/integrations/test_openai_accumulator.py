"""Beside openai's own accumulator, where that is right, and through openai's own types."""

import json
from typing import Any

import msgspec
import pytest

import deltawire
from deltawire.replay import sample

from ..corpus import body, is_chat, needs_corpus, streams
from ..oracle import interpret

openai = pytest.importorskip("openai")
from openai._models import construct_type  # noqa: E402
from openai.lib.streaming.chat._completions import ChatCompletionStreamState  # noqa: E402
from openai.types.chat import ChatCompletion, ChatCompletionChunk  # noqa: E402

SAMPLES = ["demo", "text", "escapes", "tools", "logprobs", "n4", "vllm", "obfuscation"]


def values_of(stream: bytes) -> list[Any]:
    return [json.loads(event[1]) for event in interpret(stream).events if event[1].strip() not in ("", "[DONE]")]


def accumulated_by_openai(values: list[Any]) -> Any:
    state = ChatCompletionStreamState(input_tools=openai.omit, response_format=openai.omit)
    for value in values:
        state.handle_chunk(construct_type(type_=ChatCompletionChunk, value=value))
    return state.current_completion_snapshot


def is_right_in_openai(values: list[Any]) -> bool:
    """Tell whether a stream has none of the quirks that openai's accumulator is wrong about."""
    roles: dict[int, int] = {}
    calls: dict[tuple[int, int], int] = {}
    for value in values:
        if not isinstance(value, dict) or value.get("error") or (value.get("usage") and value is not values[-1]):
            return False
        for choice in value.get("choices") or ():
            delta = choice.get("delta") or {}
            if not isinstance(delta.get("content"), (str, type(None))) or choice.get("delta") is None:
                return False
            roles[choice["index"]] = roles.get(choice["index"], 0) + bool(delta.get("role"))
            for call in delta.get("tool_calls") or ():
                function = call.get("function") or {}
                if type(call.get("index")) is not int or not isinstance(function.get("arguments", ""), str):
                    return False
                place = choice["index"], call["index"]
                # Begun in order, with an id and a name in the first fragment and in no other.
                begins = place not in calls
                if begins != bool(call.get("id")) or begins != bool(function.get("name")):
                    return False
                if begins and call["index"] != sum(1 for at, _ in calls if at == choice["index"]):
                    return False
                calls[place] = 1
    return bool(roles) and set(roles.values()) == {1} and list(roles) == list(range(len(roles)))


def compare(stream: bytes) -> None:
    ours = deltawire.accumulate(stream, allow_truncated=True)
    theirs = accumulated_by_openai(values_of(stream))
    assert len(ours.choices) == len(theirs.choices)
    for mine, other in zip(ours.choices, theirs.choices, strict=True):
        assert mine.finish_reason == other.finish_reason
        assert mine.message.role == other.message.role
        assert (mine.message.content or None) == (other.message.content or None)
        assert mine.message.refusal == other.message.refusal
        pairs = zip(mine.message.tool_calls or (), other.message.tool_calls or (), strict=True)
        for call, their_call in pairs:
            assert (call.id, call.type) == (their_call.id, their_call.type)
            assert (call.function.name, call.function.arguments) == (
                their_call.function.name,
                their_call.function.arguments,
            )
    if ours.usage is not None:
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        assert [getattr(ours.usage, name) for name in counts] == [getattr(theirs.usage, name) for name in counts]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "vllm"])
def test_a_sample_is_what_openai_makes_of_it(name: str) -> None:
    compare(sample(name).body)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_completion_is_one_of_openais(name: str) -> None:
    completion = deltawire.accumulate(sample(name).body)
    theirs = ChatCompletion.model_validate_json(msgspec.json.encode(completion), strict=True)
    assert theirs.choices[0].message.content == completion.choices[0].message.content
    assert theirs.usage.total_tokens == completion.usage.total_tokens
    if completion.choices[0].logprobs:
        assert len(theirs.choices[0].logprobs.content) == len(completion.choices[0].logprobs.content)


@needs_corpus
def test_recorded_streams_are_what_openai_makes_of_them() -> None:
    compared = 0
    for entry in filter(is_chat, streams()):
        stream = body(entry["file"])
        values = values_of(stream)
        if is_right_in_openai(values):
            compare(stream)
            compared += 1
    assert compared >= 10


@needs_corpus
@pytest.mark.parametrize("entry", [entry for entry in streams() if is_chat(entry)], ids=lambda entry: entry["file"])
def test_a_recorded_completion_is_one_of_openais(entry: dict[str, Any]) -> None:
    try:
        completion = deltawire.accumulate(body(entry["file"]))
    except deltawire.DeltawireError:
        pytest.skip("it has an error, or ends early")
    reasons = {"stop", "length", "tool_calls", "content_filter", "function_call"}
    if not all(
        choice.finish_reason in reasons
        and choice.message.role
        and not isinstance(choice.message.content, list)
        and all(call.type for call in choice.message.tool_calls or ())  # never sent by Mistral, nor made up by us
        for choice in completion.choices
    ):
        pytest.skip("it has what openai's types do not")
    theirs = ChatCompletion.model_validate_json(msgspec.json.encode(completion))
    assert [choice.message.content for choice in theirs.choices] == [
        choice.message.content for choice in completion.choices
    ]
