"""The accumulator's contract on both twins, and what others get wrong."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from deltawire import (
    ChatCompletionChunk,
    Choice,
    ChunkDecodeError,
    Delta,
    LimitExceededError,
    Limits,
    UpstreamError,
    encode_event,
)
from deltawire.chunks import FunctionDelta, ToolCallDelta, text_of

from .chat_json import FIRST, HI, STOP, USAGE, call, called, completion, made, said, stream, whole
from .folding_oracle import completion_of, json_of, observed

# --- what others get wrong ------------------------------------------------------------


def message_of(backend: Any, *payloads: Any) -> dict[str, Any]:
    (choice,) = observed(backend.CompletionAccumulator(), stream(*payloads))["choices"]
    return choice["message"]


def test_openais_role_is_assistantassistant_where_each_chunk_has_it(backend) -> None:
    message = message_of(backend, *(said({"role": "assistant", "content": piece}) for piece in "hi"))
    assert message == {"role": "assistant", "content": "hi"}


def test_openai_doubles_the_ids_types_and_names_of_tool_calls(backend) -> None:
    message = message_of(backend, *(called(call(0, "call_1", "weather", piece)) for piece in ("{", "}")))
    assert message == {"tool_calls": [made("call_1", "weather", "{}")]}


def test_openai_has_an_index_error_where_a_call_starts_at_index_1(backend) -> None:
    message = message_of(backend, called(call(1, "a", "f", "{")), called(call(1, None, None, "}")))
    assert message == {"tool_calls": [made("a", "f", "{}")]}


def test_openai_has_an_index_error_where_a_choice_starts_at_index_1(backend) -> None:
    folded = observed(backend.CompletionAccumulator(), stream(said(HI, 1), said({"content": "!"}, 1)))
    assert folded == completion({"index": 1, "message": {"role": "assistant", "content": "hi!"}})


@pytest.mark.parametrize("later", [STOP, STOP | {"usage": None}, {"choices": []}])
def test_openai_loses_the_usage_where_a_chunk_without_it_follows(backend, later: dict[str, Any]) -> None:
    folded = observed(backend.CompletionAccumulator(), stream(FIRST, {"choices": [], "usage": USAGE}, later))
    assert folded["usage"] == USAGE


def test_litellm_merges_two_choices_into_one(backend) -> None:
    chunks = [said({"content": piece}, index) for piece in ("1", "2") for index in (0, 1)]
    folded = observed(backend.CompletionAccumulator(), stream(*chunks, said({}, 1, finish_reason="stop")))
    assert folded == completion(
        {"index": 0, "message": {"content": "12"}}, {"index": 1, "message": {"content": "12"}, "finish_reason": "stop"}
    )


def test_litellm_drops_logprobs(backend) -> None:
    chunks = [
        said(
            {"content": text},
            logprobs={"content": [{"token": text, "logprob": -0.5, "bytes": [1], "top_logprobs": []}]},
        )
        for text in "ab"
    ]
    (choice,) = observed(backend.CompletionAccumulator(), stream(*chunks))["choices"]
    tokens = [chunk["choices"][0]["logprobs"]["content"][0] for chunk in chunks]
    assert choice == {"index": 0, "message": {"content": "ab"}, "logprobs": {"content": tokens}}


def test_litellm_drops_the_refusal(backend) -> None:
    assert message_of(backend, said({"refusal": "No"}), said({"refusal": "."})) == {"refusal": "No."}


def test_litellm_invents_stop_for_a_cut_stream(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    body = stream(FIRST, said({"content": "hi", "reasoning": "r"}), called(call(0, "a", "f", '{"x')), STOP)
    accumulator.feed(body[: body.index(b'"finish_reason": "stop"')])
    end = accumulator.finish()
    assert (end.done, end.complete, end.finish_reasons) == (False, False, {0: None})
    assert end.discarded > 0
    assert accumulator.completion().choices[0].finish_reason is None
    message = {"role": "assistant", "content": "hi", "reasoning": "r", "tool_calls": [made("a", "f", '{"x')]}
    assert json_of(accumulator.completion()) == whole(message)


def test_langchain_sums_usage(backend) -> None:
    running = [{"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count} for count in range(4)]
    chunks = [said({"content": "x"}) | {"usage": usage} for usage in running]
    assert observed(backend.CompletionAccumulator(), stream(*chunks))["usage"] == running[-1]


def test_f3dx_gives_nothing_behind_a_byte_order_mark(backend) -> None:
    assert observed(backend.CompletionAccumulator(), b"\xef\xbb\xbf" + stream(said(HI))) == whole(HI)


# --- completions ----------------------------------------------------------------------


def test_nothing_fed_is_an_empty_completion(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    assert json_of(accumulator.completion()) == {"object": "chat.completion", "choices": []}
    end = accumulator.finish()
    assert (end.done, end.complete, end.finish_reasons, end.chunks) == (False, False, {}, [])
    assert accumulator.error is None


EVERYTHING = [
    {"usage": USAGE, "citations": ["c"], "x_groq": {"a": [1]}, **said({"content": [{"text": "p", "index": 0}]})},
    called(call(0, "a", "f", "{}") | {"extra_content": {"s": [1]}}),
    said({"reasoning_details": [{"text": "t", "index": 0, "more": [1]}], "hidden_states": [[1]]}),
    said({}, logprobs={"content": [{"token": "t", "bytes": [1]}]}, token_ids=[1], content_filter_results={"a": {}}),
]


def test_what_a_user_does_to_a_completion_changes_nothing_later(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(stream(*EVERYTHING, done=""))
    expected = completion_of(EVERYTHING)
    spoil(accumulator.completion())
    assert json_of(accumulator.completion()) == expected
    accumulator.feed(stream(*EVERYTHING))
    assert json_of(accumulator.completion()) == completion_of(EVERYTHING * 2)


def spoil(completion: Any) -> None:
    (choice,) = completion.choices
    message = choice.message
    completion.citations.append("spoilt")
    completion.x_groq["a"].append("spoilt")
    completion.usage.total_tokens = 0
    message.content[0]["text"] = "spoilt"
    message.reasoning_details[0]["more"].clear()
    message.hidden_states[0].clear()
    message.tool_calls[0].extra_content["s"].clear()
    message.tool_calls[0].function.arguments = "spoilt"
    message.tool_calls.clear()
    choice.logprobs.content[0].bytes.clear()
    choice.token_ids.clear()
    choice.content_filter_results["a"]["b"] = "spoilt"
    completion.choices.clear()


def test_what_a_user_does_to_a_chunk_that_was_added_changes_nothing(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    chunks = backend.ChunkDecoder().feed(stream(*EVERYTHING, done=""))
    for chunk in chunks:
        accumulator.add(chunk)
    chunks[0].choices[0].delta.content[0]["text"] = "spoilt"
    chunks[0].x_groq["a"].append("spoilt")
    chunks[2].choices[0].delta.reasoning_details[0]["more"].append("spoilt")
    chunks[3].choices[0].logprobs.content[0].bytes.append(7)
    assert json_of(accumulator.completion()) == completion_of(EVERYTHING)


def test_chunks_may_be_added_before_between_and_behind_bytes(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    event = stream(called(call(0, None, None, "2")), done="")
    fragment = ToolCallDelta(index=0, function=FunctionDelta(name="f", arguments="1"))
    accumulator.add(ChatCompletionChunk(choices=[Choice(index=0, delta=Delta(tool_calls=[fragment]))]))
    accumulator.feed(event[:20])
    accumulator.add(ChatCompletionChunk(choices=[Choice(finish_reason="tool_calls")]))
    accumulator.feed(event[20:])
    accumulator.add(ChatCompletionChunk(id="c"))
    assert json_of(accumulator.completion()) == {
        "id": "c",
        **whole({"tool_calls": [{"function": {"name": "f", "arguments": "12"}}]}, finish_reason="tool_calls"),
    }
    assert accumulator.finish().complete


def test_a_chunk_of_ones_own_may_hold_a_subclass_of_str(backend) -> None:
    class Name(str):
        __slots__ = ()

    def chunk(text: type[str]) -> ChatCompletionChunk:
        function = FunctionDelta(name=text("f"), arguments=text("{}\ud800"))
        delta = Delta(role=text("assistant"), content=text("hi"), refusal=text("no\udfff"), reasoning=text("so"))
        delta.tool_calls = [ToolCallDelta(index=0, id=text("c"), type=text("function"), function=function)]
        delta.function_call = function
        choice = Choice(index=0, delta=delta, finish_reason=text("stop"))
        return ChatCompletionChunk(id=text("i"), model=text("m\ud800"), choices=[choice])

    own, plain = backend.CompletionAccumulator(), backend.CompletionAccumulator()
    for _ in range(2):
        own.add(chunk(Name))
        plain.add(chunk(str))
    assert own.completion() == plain.completion()
    assert own.completion().choices[0].message.content == "hihi"


def test_a_chunk_that_is_added_twice_counts_twice(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    chunk = ChatCompletionChunk(choices=[Choice(delta=Delta(content="a"))])
    accumulator.add(chunk)
    accumulator.add(chunk)
    assert json_of(accumulator.completion()) == whole({"content": "aa"})


# --- the end --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payloads", "done", "reasons", "complete"),
    [
        ([said(HI)], "data: [DONE]\n\n", {0: None}, True),
        ([said(HI), STOP], "", {0: "stop"}, True),
        ([said(HI), said(HI, 1), STOP], "", {0: "stop", 1: None}, False),
        ([said({}, finish_reason=""), said({}, finish_reason="null")], "", {0: None}, False),
        ([said({}, finish_reason="length"), said({}, finish_reason="")], "", {0: "length"}, True),
        ([{"choices": [], "usage": USAGE}], "", {}, False),
    ],
)
def test_finish_says_how_the_stream_ended(backend, payloads: Any, done: str, reasons: Any, complete: bool) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(stream(*payloads, done=done))
    end = accumulator.finish()
    assert (end.done, end.finish_reasons, end.complete) == (done != "", reasons, complete)
    assert (end.chunks, end.unterminated, end.discarded) == ([], False, 0)
    assert accumulator.finish() == end


def test_finish_folds_an_event_that_lacks_its_blank_line(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(stream(said(HI), STOP, done="")[:-2])
    assert json_of(accumulator.completion()) == whole(HI)
    end = accumulator.finish()
    assert (end.unterminated, end.complete) == (True, True)
    assert json_of(accumulator.completion()) == whole(HI, finish_reason="stop")


def test_a_stream_cut_anywhere_keeps_every_whole_chunk(backend) -> None:
    body = stream(said({"content": "a"}), said({"content": "b"}), STOP)
    for cut in range(len(body)):
        accumulator = backend.CompletionAccumulator()
        accumulator.feed(body[:cut])
        end = accumulator.finish()
        # An event is whole with the last brace of its data.
        count = body[:cut].count(b"]}")
        assert json_of(accumulator.completion()) == completion_of(
            [said({"content": "a"}), said({"content": "b"}), STOP][:count]
        )
        assert end.complete == (count == 3)


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (b'data: {"error":{"message":"slow"},"choices":[{"delta":{"content":"no"}}]}\n\n', UpstreamError),
        (b"event: error\ndata: slow\n\n", UpstreamError),
        (b'error: {"code":500}\n\n', UpstreamError),
        (b"data: {\n\n", ChunkDecodeError),
    ],
)
def test_a_fault_keeps_what_came_before_it_and_reading_goes_on(backend, fault: bytes, kind: type) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(stream(said(HI), done="") + fault + stream(said({"content": "!"})))
    assert isinstance(accumulator.error, kind)
    assert json_of(accumulator.completion()) == whole(HI)
    for refused in (b"never taken in", b""):
        if accumulator.error is not None:
            with pytest.raises(kind):
                accumulator.feed(refused)
    assert json_of(accumulator.completion()) == whole(HI)
    assert accumulator.finish().done
    assert json_of(accumulator.completion()) == whole({"role": "assistant", "content": "hi!"})


def test_a_chunk_with_an_error_is_refused(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(stream(said(HI), done=""))
    chunk = ChatCompletionChunk(error={"message": "slow", "code": 429}, choices=[Choice(delta=Delta(content="no"))])
    with pytest.raises(UpstreamError, match=r"^upstream error 429: slow$") as caught:
        accumulator.add(chunk)
    assert (caught.value.chunk, caught.value.body) == (chunk, {"message": "slow", "code": 429})
    assert caught.value.event_index == 1
    assert accumulator.error is None
    assert json_of(accumulator.completion()) == whole(HI)


@pytest.mark.parametrize("wrong", [None, {}, b"data: {}\n\n", "text", Choice(), ChatCompletionChunk])
def test_only_chunks_are_added(backend, wrong: object) -> None:
    accumulator = backend.CompletionAccumulator()
    with pytest.raises(TypeError, match=rf"^a ChatCompletionChunk is required, not {type(wrong).__name__}$"):
        accumulator.add(wrong)
    assert json_of(accumulator.completion()) == completion()


@pytest.mark.parametrize("wrong", [None, "text", 5, ChatCompletionChunk()])
def test_only_bytes_are_fed(backend, wrong: object) -> None:
    accumulator = backend.CompletionAccumulator()
    with pytest.raises(TypeError, match="a bytes-like object is required, not"):
        accumulator.feed(wrong)


def test_reset_makes_it_new(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(stream(*EVERYTHING, "{bad") + b"data: {")
    accumulator.reset()
    assert (accumulator.error, accumulator.done, accumulator.stats.bytes) == (None, False, 0)
    assert json_of(accumulator.completion()) == completion()
    assert observed(accumulator, stream(said(HI))) == whole(HI)


# --- limits ---------------------------------------------------------------------------

TEXT = [said({"content": "x" * 10}) for _ in range(20)]
PARTS = [said({"content": [{"type": "text", "text": "x"}]}) for _ in range(20)]
CALLS = [called(call(number, "a")) for number in range(20)]
CHOICES = [said({}, number) for number in range(20)]


def overflowing(backend: Any, limits: Limits, payloads: list[Any], by: str = "feed") -> Any:
    """Return an accumulator that was given `payloads` up to the limit."""
    accumulator = backend.CompletionAccumulator(limits=limits)
    if by == "feed":
        accumulator.feed(stream(*payloads))
    else:
        with suppress(LimitExceededError):
            for chunk in backend.ChunkDecoder().feed(stream(*payloads)):
                accumulator.add(chunk)
    assert isinstance(accumulator.error, LimitExceededError)
    return accumulator


@pytest.mark.parametrize("by", ["feed", "add"])
@pytest.mark.parametrize(
    ("limits", "payloads", "message", "kept"),
    [
        (Limits(max_message=95), TEXT, "message of 100 bytes, at most 95 allowed", 9),
        (Limits(max_items=3), PARTS, "4 choices, tool calls and parts, at most 3 allowed", 2),
        (Limits(max_items=3), CALLS, "4 choices, tool calls and parts, at most 3 allowed", 2),
        (Limits(max_items=3), CHOICES, "4 choices, tool calls and parts, at most 3 allowed", 3),
    ],
)
def test_a_limit_is_named_and_keeps_what_came_before(
    backend, limits: Limits, payloads: Any, message: str, kept: int, by: str
) -> None:
    accumulator = overflowing(backend, limits, payloads, by)
    measured, allowed = (int(word) for word in message.split() if word.isdigit())
    for refuse in (
        lambda: accumulator.feed(b""),
        lambda: accumulator.add(ChatCompletionChunk()),
        accumulator.finish,
        lambda: accumulator.feed(stream(STOP)),
    ):
        with pytest.raises(LimitExceededError, match=f"^{message}$") as caught:
            refuse()
        assert (caught.value.measured, caught.value.allowed) == (measured, allowed)
    assert json_of(accumulator.completion()) == completion_of(payloads[:kept])
    accumulator.reset()
    assert observed(accumulator, stream(said(HI))) == whole(HI)


@pytest.mark.parametrize("payloads", [TEXT, PARTS, CALLS, CHOICES])
def test_0_is_no_limit(backend, payloads: Any) -> None:
    accumulator = backend.CompletionAccumulator(limits=Limits(max_event=0, max_message=0, max_items=0))
    assert observed(accumulator, stream(*payloads)) == completion_of(payloads)


def test_values_that_are_replaced_take_no_more_than_the_last_one(backend) -> None:
    usages = [said({"content": "x"}) | {"x_groq": {"count": number}} for number in range(500)]
    folded = observed(backend.CompletionAccumulator(limits=Limits(max_message=600)), stream(*usages))
    assert folded == completion_of(usages)


def test_text_that_becomes_a_part_is_counted_once(backend) -> None:
    payloads = [said({"content": "x" * 100}), said({"content": [{"type": "reference"}]})]
    folded = observed(backend.CompletionAccumulator(limits=Limits(max_message=200)), stream(*payloads))
    assert folded == completion_of(payloads)


@pytest.mark.parametrize(
    "limits", [Limits(max_items=1), Limits(max_items=2), Limits(max_message=30), Limits(max_message=40)]
)
def test_text_before_the_part_that_is_too_much_is_kept(backend, limits: Limits) -> None:
    payloads = [said({"content": "before"}), said({"content": [{"type": "text", "text": "x" * 40}]})]
    accumulator = overflowing(backend, limits, payloads)
    assert "before" in json.dumps(json_of(accumulator.completion()))


def test_text_of_a_part_that_is_replaced_by_too_much_is_kept(backend) -> None:
    payloads = [said({"annotations": [{"index": 0, "text": text}]}) for text in ("before", {"x": "x" * 100})]
    accumulator = overflowing(backend, Limits(max_message=250), payloads)
    assert "before" in json.dumps(json_of(accumulator.completion()))


def test_a_chunk_that_was_added_may_hold_what_no_stream_does(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    odd: Any = {"id": 5, "created": "soon", "model": "\ud800m"}
    accumulator.add(ChatCompletionChunk(**odd, choices=[Choice(index=0, delta=Delta(content="\ud83d"))]))
    accumulator.feed(stream(said({"content": "hi"})))
    completion = accumulator.completion()
    assert (completion.id, completion.created, completion.model) == ("5", None, "\ufffdm")
    assert completion.choices[0].message.content == "\ufffdhi"


@pytest.mark.parametrize("odd", ["x", "", 5, 12, True, {}, {"a": 1}, msgspec.Raw(b"["), msgspec.Raw(b"")])
def test_what_is_no_list_is_not_added_to_one(backend, odd: Any) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.add(ChatCompletionChunk(choices=[Choice(index=0, token_ids=[1, 2])]))
    with pytest.raises(TypeError, match=rf"^a list is required, not '{type(odd).__name__}'$"):
        accumulator.add(ChatCompletionChunk(choices=[Choice(index=0, token_ids=odd)]))
    accumulator.add(ChatCompletionChunk(choices=[Choice(index=0, token_ids=[3])]))
    assert accumulator.completion().choices[0].token_ids == [1, 2, 3]


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": 5},
        {"choices": [5]},
        {"choices": [Choice(index=0, delta=5)]},
        {"choices": [Choice(index=0, delta=Choice())]},
        {"choices": [Choice(index=0, delta=Delta(content=5))]},
        {"choices": [Choice(index=0, delta=Delta(reasoning=[5]))]},
        {"choices": [Choice(index=0, delta=Delta(tool_calls=5))]},
        {"choices": [Choice(index=0, delta=Delta(tool_calls=[5]))]},
        {"choices": [Choice(index=0, delta=Delta(function_call="f"))]},
    ],
)
def test_a_chunk_whose_members_are_of_other_kinds_is_not_added(backend, odd: dict[str, Any]) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(encode_event(said(HI)))
    with pytest.raises(TypeError, match=" "):
        accumulator.add(ChatCompletionChunk(**odd))
    accumulator.feed(encode_event(said(HI)))
    assert text_of(accumulator.completion().choices[0].message.content) == "hihi"
    assert accumulator.error is None
