"""Payloads of a few shapes after one another, which stencils learn, with members of kinds that nobody expects."""

from typing import Any

import msgspec

from tests.readers import cut
from tests.stencils.mutation import Chooser, one


class Varying:
    """A place whose value is another one in each payload, of one kind."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values


_TEXTS = ["", "a", "b", " word", "é", "line\n", '"', "7", "x" * 40]
_NUMBERS = [0, 1, 2, 7, 63, 64, 99, -5]
_ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**63, 1.5, "", "x", "stop", "null", "error", "[DONE]", "response.completed",
    [], {}, [1], ["x"], [[]], [None], {"a": 1}, {"type": "x"}, {"text": "q"}, [{"text": "w"}],
    [{"type": "text", "text": ""}],
]  # fmt: skip

_CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}, "custom": {"input": "i"}}
_DELTA = {
    **dict.fromkeys(("role", "content", "refusal", "reasoning", "reasoning_content"), "x"),
    "tool_calls": [_CALL],
    "function_call": {"name": "f", "arguments": "a"},
    "audio": {"data": "d", "transcript": "t"},
    "reasoning_details": [{"type": "t", "index": 0, "text": "x"}],
}
_CHOICE = {"index": 0, "delta": _DELTA, "finish_reason": None, "logprobs": None}
_HEAD = {"id": "i", "object": "chat.completion.chunk", "created": 5, "model": "m", "error": None, "type": None}
_USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "input_tokens": 1, "output_tokens": 2}
_ENDS = ["completed", "incomplete", "failed", "cancelled"]

#: Of each family, what its payloads have.
_BASES: dict[str, list[dict[str, Any]]] = {
    "chat": [{**_HEAD, "choices": [_CHOICE, _CHOICE], "usage": _USAGE}, {**_HEAD, "choices": [_CHOICE]}],
    "completions": [{"object": "text_completion", "choices": [{"index": 0, "text": "t", "finish_reason": None}]}],
    "responses": [
        *({"type": f"response.{kind}", "delta": "d"} for kind in ("output_text.delta", "x.delta", "created")),
        *({"type": f"response.{kind}", "sequence_number": 1, "error": None} for kind in _ENDS),
        {"type": "response.created", "response": {"id": "r", "model": "m", "usage": _USAGE, "status": "x"}},
        {"type": "error", "message": "m", "error": None},
    ],
    "messages": [
        *({"type": f"content_block_{kind}", "index": 0, "delta": {"text": "t"}} for kind in ("delta", "stop")),
        {"type": "content_block_delta", "delta": {"thinking": "t", "partial_json": "{", "text": "x"}, "usage": _USAGE},
        {"type": "content_block_start", "content_block": {"text": "t", "input": {}}},
        {"type": "message_start", "message": {"id": "i", "model": "m", "usage": _USAGE, "stop_reason": None}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": _USAGE},
        *({"type": kind, "error": None, "n": 0} for kind in ("message_stop", "ping", "error")),
    ],
}


def _shape(choose: Chooser, value: Any) -> Any:
    """Return what payloads have in common: of a payload, some members left out, odd, or varying."""
    if choose.below(12) == 0:
        return one(choose, _ODD)
    if isinstance(value, dict):
        return {name: _shape(choose, each) for name, each in value.items() if choose.below(4)}
    if isinstance(value, list):
        return [_shape(choose, each) for each in value if choose.below(6)]
    if choose.below(3) == 0:
        return Varying(_TEXTS if choose.below(2) else _NUMBERS)
    return value


def _filled(choose: Chooser, shape: Any) -> Any:
    """Return a payload of a shape."""
    if isinstance(shape, Varying):
        return one(choose, shape.values)
    if isinstance(shape, dict):
        return {name: _filled(choose, each) for name, each in shape.items()}
    if isinstance(shape, list):
        return [_filled(choose, each) for each in shape]
    return shape


def stream(choose: Chooser) -> tuple[str, list[bytes]]:
    """Return the reads of a stream, and its family."""
    family = one(choose, list(_BASES))
    shapes = [_shape(choose, one(choose, _BASES[family])) for _ in range(one(choose, [1, 1, 2]))]
    payloads = [_filled(choose, one(choose, shapes)) for _ in range(4 + choose.below(9))]
    body = b"".join(b"data: %b\n\n" % msgspec.json.encode(payload) for payload in payloads)
    return family, cut(body, one(choose, [60, 300, 1 << 20]))
