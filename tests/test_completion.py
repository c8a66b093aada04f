"""From deltas to the completion: both twins, an oracle by the written rules, and what others get wrong."""

import json
from typing import Any

import msgspec
import pytest

import deltawire
from deltawire import (
    ChatCompletionChunk,
    Choice,
    ChunkDecodeError,
    Delta,
    LimitExceededError,
    Limits,
    TruncatedStreamError,
    UpstreamError,
    encode_event,
)
from deltawire.replay import SAMPLES, sample

from .completion_oracle import fold, without_nulls
from .corpus import body, is_chat, needs_corpus, streams
from .oracle import interpret
from .provider_quirks import QUIRKS, Quirk, deltas, end

SIZES = [1, 7, 64, 1460, 65536]


def accumulated(backend: Any, stream: bytes, size: int = 1 << 16) -> Any:
    accumulator = backend.CompletionAccumulator()
    for at in range(0, len(stream), size):
        accumulator.feed(stream[at : at + size])
    return accumulator


def plain(completion: Any) -> Any:
    return without_nulls(json.loads(msgspec.json.encode(completion)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_a_quirk_is_folded_right(backend, quirk: Quirk, size: int) -> None:
    accumulator = accumulated(backend, quirk.body, size)
    accumulator.finish()
    completion = plain(accumulator.completion())
    assert completion == fold(quirk.payloads)
    if completion["choices"]:
        assert completion["choices"][0]["message"] == quirk.message
        assert completion["choices"][0].get("finish_reason") == quirk.finish_reason
    assert completion | dict(quirk.whole) == completion


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "big"])
def test_a_sample_is_what_the_oracle_folds(backend, name: str, size: int) -> None:
    stream = sample(name)
    completion = plain(accumulated(backend, stream.body, size).completion())
    assert completion == fold([json.loads(payload) for payload in stream.payloads])
    assert completion["choices"][0]["message"]["content"] == stream.text


@needs_corpus
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("entry", [entry for entry in streams() if is_chat(entry)], ids=lambda entry: entry["file"])
def test_a_recorded_stream_is_what_the_oracle_folds(backend, entry: dict[str, Any], size: int) -> None:
    stream = body(entry["file"])
    if size == 1:
        stream = stream[:60_000]  # a call for each byte takes its time
    accumulator = accumulated(backend, stream, size)
    payloads = [event[1] for event in interpret(stream).events]
    if accumulator.error is not None:
        payloads = payloads[: accumulator.error.event_index]
    values = [json.loads(payload) for payload in payloads if payload.strip() not in ("", "[DONE]")]
    assert plain(accumulator.completion()) == fold(values)


def test_chunks_and_bytes_may_be_mixed(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    for number in range(10):
        accumulator.feed(encode_event(deltas({"content": f"{number},"}, service_tier="default")[0]))
        accumulator.add(ChatCompletionChunk(choices=[Choice(0, Delta(content=f"{number};"))], service_tier="flex"))
    completion = accumulator.completion()
    assert completion.choices[0].message.content == "".join(f"{number},{number};" for number in range(10))
    assert completion.service_tier == "flex"
    accumulator.add(ChatCompletionChunk(choices=[Choice(0, finish_reason="stop"), Choice(1)]))
    finish = accumulator.finish()
    assert finish.finish_reasons == {0: "stop", 1: None}
    assert not finish.complete
    accumulator.add(ChatCompletionChunk(choices=[Choice(1, finish_reason="length")]))
    assert accumulator.finish().complete


def test_a_completion_is_not_changed_by_what_comes_later_nor_by_its_holder(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    details = [{"type": "reasoning.text", "text": "t", "index": 0}]
    payload = deltas({"content": "a", "reasoning_details": details}, usage={"cost": {"x": [1]}}, citations=["c"])[0]
    chunk = msgspec.json.decode(msgspec.json.encode(payload), type=ChatCompletionChunk)
    accumulator.add(chunk)
    earlier = accumulator.completion()
    kept = plain(earlier)
    chunk.usage.cost["x"].append(2)
    chunk.choices[0].delta.reasoning_details[0]["text"] = "changed"
    accumulator.feed(encode_event(payload))
    assert plain(earlier) == kept
    later = plain(accumulator.completion())
    earlier.citations.append("d")
    earlier.choices.clear()
    earlier.usage.cost["x"] = None
    assert plain(accumulator.completion()) == later == fold([payload, payload])


def test_an_error_in_the_stream_leaves_what_came_before_it(backend) -> None:
    stream = encode_event(deltas({"content": "a"})[0])
    accumulator = accumulated(backend, stream + b"data: {\n\n" + stream + encode_event({"error": "x"}) + stream)
    for expected, kind in (("a", ChunkDecodeError), ("aa", UpstreamError)):
        assert accumulator.completion().choices[0].message.content == expected
        with pytest.raises(kind):
            accumulator.feed(b"")
        accumulator.feed(b"")
    assert accumulator.completion().choices[0].message.content == "aaa"
    accumulator.reset()
    assert plain(accumulator.completion()) == {"object": "chat.completion", "choices": []}


def test_what_cannot_be_added_is_refused(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    with pytest.raises(TypeError, match="a ChatCompletionChunk is required, not dict"):
        accumulator.add({})
    faulty = ChatCompletionChunk(error={"message": "m"}, choices=[Choice(0, Delta(content="x"))])
    with pytest.raises(UpstreamError) as raised:
        accumulator.add(faulty)
    assert raised.value.chunk is faulty
    assert accumulator.completion().choices == []
    accumulator.add(ChatCompletionChunk(model="\ud800", choices=[Choice(0, Delta(content="a\udc00b"))]))
    assert accumulator.completion().choices[0].message.content == "a\ufffdb"


def test_a_cut_stream_has_no_finish_reason_and_all_that_came(backend) -> None:
    stream = sample("text").body
    cut = stream[: len(stream) // 2]
    accumulator = accumulated(backend, cut)
    finish = accumulator.finish()
    assert (finish.done, finish.complete, finish.finish_reasons) == (False, False, {0: None})
    (choice,) = accumulator.completion().choices
    assert choice.finish_reason is None
    assert (
        choice.message.content
        == fold([json.loads(event[1]) for event in interpret(cut).events])["choices"][0]["message"]["content"]
    )
    with pytest.raises(TruncatedStreamError, match="no finish reason for choice 0") as raised:
        deltawire.accumulate(cut)
    assert raised.value.completion == accumulator.completion() == deltawire.accumulate(cut, allow_truncated=True)
    assert not raised.value.end.complete


def test_the_last_event_may_lack_its_blank_line(backend) -> None:
    accumulator = accumulated(backend, encode_event(deltas({"content": "a"})[0]) + encode_event(end())[:-1])
    finish = accumulator.finish()
    assert (finish.complete, finish.unterminated, finish.chunks) == (True, True, [])
    assert accumulator.completion().choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("payloads", "message"),
    [
        (deltas(*({"content": "x" * 10} for _ in range(6))), "message of 60 bytes, at most 50 allowed"),
        (deltas(*({"content": "é" * 10} for _ in range(6))), "message of 60 bytes, at most 50 allowed"),
        (deltas({"images": [{"x": "y" * 50}]}), "message of 58 bytes, at most 50 allowed"),
        (deltas({"images": [1, 2, 3, 4]}), "5 choices, tool calls and parts, at most 4 allowed"),
        (
            deltas({"tool_calls": [{"index": at} for at in range(4)]}),
            "5 choices, tool calls and parts, at most 4 allowed",
        ),
        ([{"choices": [{"index": at} for at in range(5)]}], "5 choices, tool calls and parts, at most 4 allowed"),
    ],
)
def test_what_is_held_is_bounded(backend, payloads: list[Any], message: str) -> None:
    accumulator = backend.CompletionAccumulator(limits=Limits(max_message=50, max_items=4))
    accumulator.feed(b"".join(map(encode_event, payloads)))
    for call in (lambda: accumulator.feed(b""), accumulator.finish, lambda: accumulator.add(ChatCompletionChunk())):
        with pytest.raises(LimitExceededError, match=f"^{message}$") as raised:
            call()
    assert raised.value.measured > raised.value.allowed in (50, 4)
    assert accumulator.completion().object == "chat.completion"
    accumulator.reset()
    assert accumulator.error is None
    assert accumulator.finish().complete is False


def test_accumulate_gives_errors_what_had_come() -> None:
    def broken():
        yield encode_event(deltas({"content": "a"})[0])
        raise OSError("reset")

    with pytest.raises(OSError, match="reset") as raised:
        deltawire.accumulate(broken())
    assert raised.value.completion.choices[0].message.content == "a"
    with pytest.raises(UpstreamError) as upstream:
        deltawire.accumulate([encode_event(deltas({"content": "a"})[0]), encode_event({"error": {"message": "m"}})])
    assert upstream.value.completion.choices[0].message.content == "a"
