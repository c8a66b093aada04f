"""Payloads that come again and again with other values, as stencils want them: each is read as if it were the first."""

from collections.abc import Callable
from typing import Any

import pytest

from deltawire import ChunkDecodeError, encode_event

from .chat_json import said
from .folding_oracle import completion_of, past_faults, payloads_of
from .folding_oracle import observed as completed
from .readers import cut
from .rewrite_oracle import rewrite
from .tap_oracle import every, observed, reported, watch

Maker = Callable[[int], dict[str, Any]]


def choices(number: int, *indexes: Any, **members: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": f"t{number}"}, **members} for index in indexes]}


def called(number: int, **members: Any) -> dict[str, Any]:
    return said({"tool_calls": [{"index": 0, **members}, 5, {"index": number, "function": 3}]})


# Of a number, what one payload is like.
CHAT: dict[str, Maker] = {
    "text": lambda n: {"id": "i", "model": "m", **choices(n, 0)},
    "text now and then": lambda n: said({"content": f"t{n}" if n % 3 else ""}),
    "id and model that change": lambda n: {"id": f"i{n}", "model": f"m{n}", **choices(n, 0)},
    "id and model that come late": lambda n: {"id": "i" if n > 4 else "", "model": None, **choices(n, 0)},
    "usage": lambda n: {"usage": {"completion_tokens": n}, **choices(n, 0)},
    "audio": lambda n: said({"audio": {"data": f"d{n}", "expires_at": n}}),
    "a transcript": lambda n: said({"audio": {"transcript": f"d{n}", "data": ""}}),
    "audio that is none": lambda n: said({"audio": {"id": f"d{n}"}}),
    "a function call": lambda n: said({"function_call": {"arguments": f"a{n}"}}),
    "a tool's arguments": lambda n: called(n, function={"arguments": f"a{n}"}),
    "a tool's input": lambda n: called(n, custom={"input": f"a{n}"}),
    "a tool's name": lambda n: called(n, function={"name": f"f{n}", "arguments": ""}),
    "arguments that are an object": lambda n: called(n, function={"arguments": {"a": f"a{n}"}}),
    "content in parts": lambda n: said({"content": [{"type": "text", "text": f"t{n}"}]}),
    "content without parts": lambda n: {"created": n, **said({"content": []})},
    "reasoning": lambda n: said({"reasoning": f"r{n}", "content": ""}),
    "output of every kind": lambda n: said(
        {"content": "c", **{name: f"{name}{n}" for name in ("reasoning", "reasoning_content", "refusal")}}
        | {"audio": {"data": f"d{n}", "transcript": f"t{n}"}, "function_call": {"arguments": f"a{n}"}}
    ),
    "indexes that change": lambda n: choices(n, n % 2),
    "an index that falls to 0": lambda n: choices(n, max(3 - n, 0)),
    "two choices": lambda n: choices(n, 0, 1),
    "many choices": lambda n: choices(n, *range(30)),
    "many indexes that change": lambda n: choices(n, *(place + n % 2 for place in range(30))),
    "a high index": lambda n: choices(n, 64, 100),
    "an index that is no integer": lambda n: choices(n, 1.5),
    "an index that is null": lambda n: choices(n, None),
    "a choice that is no object": lambda n: {"choices": [n, {"index": 0, "delta": {"content": f"t{n}"}}]},
    "no delta": lambda n: {"created": n, "choices": [{"index": 0}, {"index": 1, "delta": None}]},
    "a reason in each": lambda n: choices(n, 0, finish_reason="stop"),
    "a reason that is an object": lambda n: choices(n, 0, finish_reason={"type": f"s{n}"}),
    "a reason that is a list": lambda n: choices(n, n, finish_reason=["stop"]),
    "a reason that is a number": lambda n: choices(n, 0, finish_reason=n),
    "a reason that is null, and an index beyond 64 bits": lambda n: choices(n, 2**63, finish_reason=None),
    "reasons that change": lambda n: choices(n, 0, finish_reason=f"s{n}"),
    "no choices": lambda n: {"created": n, "choices": []},
    "choices null": lambda n: {"created": n, "choices": None},
    "an error that is none": lambda n: {"error": None, **choices(n, 0)},
    "many models": lambda n: {"model": f"m{n}", "usage": None, **choices(n, 0)},
    "usage alone": lambda n: {"choices": [], "model": "m", "usage": {"completion_tokens": n}},
    "usage null": lambda n: {"id": f"i{n}", "usage": None, "model": "m", **choices(n, 0)},
    "an object that changes": lambda n: {"object": f"o{n}", "model": "m", "usage": {"a": n}},
    "errors": lambda n: {"error": f"e{n}", **choices(n, 0)},
    "error objects": lambda n: {"error": {"code": n}, **choices(n, 0)},
}
COMPLETIONS: dict[str, Maker] = {
    "texts": lambda n: {"object": "text_completion", "choices": [{"index": 0, "text": f"t{n}"}]},
    "texts of two": lambda n: {"object": "text_completion", "choices": [{"index": i, "text": f"t{n}"} for i in (1, 0)]},
}
RESPONSES: dict[str, Maker] = {
    "output text": lambda n: {"type": "response.output_text.delta", "delta": f"t{n}", "sequence_number": n},
    "arguments": lambda n: {"type": "response.function_call_arguments.delta", "delta": f"t{n}", "item_id": "i"},
    "a delta that is an object": lambda n: {"type": "response.output_text.delta", "delta": {"text": f"t{n}"}},
    "no delta, but a sequence": lambda n: {"type": "response.content_part.added", "sequence_number": n},
    "a response in progress": lambda n: {"type": "response.in_progress", "response": {"id": f"r{n}", "model": "m"}},
    "response errors": lambda n: {"type": "error", "message": f"e{n}"},
    **{
        f"{kind} without a response": lambda n, kind=kind: {"type": f"response.{kind}", "sequence_number": n}
        for kind in ("completed", "incomplete", "failed", "cancelled", "created")
    },
    "a type that changes": lambda n: {"type": f"response.x{n}.delta", "delta": f"t{n}"},
    "a type that is a number": lambda n: {"type": n, "delta": f"t{n}"},
}
MESSAGES: dict[str, Maker] = {
    "text": lambda n: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"t{n}"}},
    "thinking": lambda n: {"type": "content_block_delta", "index": 0, "delta": {"thinking": f"t{n}"}},
    "partial JSON": lambda n: {"type": "content_block_delta", "index": n, "delta": {"partial_json": f"t{n}"}},
    "a delta that is a text": lambda n: {"type": "content_block_delta", "index": 0, "delta": f"t{n}"},
    "pings": lambda n: {"type": "ping", "n": n},
    "usage in between": lambda n: {
        "type": "content_block_delta",
        "delta": {"text": f"t{n}"},
        "usage": {"output_tokens": n},
    },
    "a message's delta": lambda n: {
        "type": "message_delta",
        "delta": {"stop_reason": None},
        "usage": {"output_tokens": n},
    },
}
FAMILIES = {"chat": CHAT, "completions": COMPLETIONS, "responses": RESPONSES, "messages": MESSAGES}


ALL = [(family, name) for family, makers in FAMILIES.items() for name in makers]


def body_of(*makers: Maker) -> bytes:
    return b"".join(encode_event(maker(number)) for number in range(9) for maker in makers)


@pytest.mark.parametrize("size", [70, 1 << 16])
@pytest.mark.parametrize(("family", "name"), ALL)
def test_a_tap_reports_payloads_alike_one_by_one(backend, family: str, name: str, size: int) -> None:
    body = body_of(FAMILIES[family][name])
    tap = backend.Tap(family=family, text=True, started_at=0)
    watch(tap, body, every(size, body))
    assert observed(tap.close(at=99)) == reported(body, family)


@pytest.mark.parametrize("size", [70, 1 << 16])
@pytest.mark.parametrize(("family", "name"), ALL)
def test_a_rewriter_changes_payloads_alike_one_by_one(backend, family: str, name: str, size: int) -> None:
    body = body_of(FAMILIES[family][name])
    for task in ({"model": "other"}, {"usage": "drop"}, {"model": "o", "usage": "drop"}):
        rewriter = backend.Rewriter(**task)
        assert b"".join(map(rewriter.feed, cut(body, size))) + rewriter.finish() == rewrite(body, **task)


@pytest.mark.parametrize("size", [70, 1 << 16])
@pytest.mark.parametrize("name", CHAT)
def test_an_accumulator_folds_payloads_alike_one_by_one(backend, name: str, size: int) -> None:
    body = body_of(CHAT[name])
    made = completed(backend.CompletionAccumulator(), *cut(body, size))
    assert made == completion_of(payloads_of(body))


@pytest.mark.parametrize("name", CHAT)
def test_decoders_give_payloads_alike_as_each_alone(backend, name: str) -> None:
    for kind in (backend.ChunkDecoder, backend.TextDecoder):
        one, many, alone = kind(), [], []
        for number in range(9):
            event = encode_event(CHAT[name](number))
            many += past_faults(one.feed, event)
            alone += past_faults(kind().feed, event)
        assert many == alone


def test_kinds_of_payloads_may_take_turns(backend) -> None:
    for family, makers in FAMILIES.items():
        for one, other in zip(makers.values(), [*makers.values()][1:], strict=False):
            body = body_of(one, other)
            tap = backend.Tap(family=family, text=True, started_at=0)
            tap.feed(body, at=1)
            assert observed(tap.close(at=99)) == reported(body, family)
            rewriter = backend.Rewriter(model="other", usage="drop")
            assert rewriter.feed(body) == rewrite(body, "other", "drop")


@pytest.mark.parametrize(("family", "name"), ALL)
def test_what_earlier_streams_were_like_changes_no_report(backend, family: str, name: str) -> None:
    for number in range(9):
        body = encode_event(FAMILIES[family][name](number))
        tap = backend.Tap(family=family, text=True, started_at=0)
        tap.feed(body, at=1)
        assert observed(tap.close(at=99)) == reported(body, family)


def test_data_of_several_lines_is_not_compared_with_the_wire(backend) -> None:
    message = b'data: {"choices":[{"index":0,"delta":{"content":\ndata: "a"}}],"model":"x"}\n\n'
    bad = message.replace(b'\ndata: "a"', b'\n"c"')
    decoder = backend.ChunkDecoder()
    chunks = decoder.feed(message * 3 + message.replace(b'"a"', b'"b"') * 2 + bad)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["a", "a", "a", "b", "b"]
    assert isinstance(decoder.error, ChunkDecodeError)
