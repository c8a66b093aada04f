"""Small streams as proxies meet them, in the four families, each named by its quirk."""

import json
from typing import Any

from .chat_json import FIRST, HI, STOP, USAGE, call, called, said, stream

DONE = "data: [DONE]\n\n"
ERROR = {"message": "slow down", "type": "rate_limit"}


def named(*payloads: dict[str, Any]) -> bytes:
    """Return an event stream whose events are named by their type, without `[DONE]`."""
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in payloads).encode()


# --- chat completions -----------------------------------------------------------------

NAMED = {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "m"}
LAST = NAMED | {"choices": [], "usage": USAGE}
NORMAL = stream(*(NAMED | one for one in (FIRST, said({"content": "h"}), said({"content": "i"}), STOP)), LAST)
THINKING = [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}]
PARTS = [{"type": "text", "text": "a"}, *THINKING, {"type": "text", "text": "b"}]
RUNNING = [{"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count} for count in range(1, 4)]

CHAT = {
    "normal": NORMAL,
    "only role frames": stream(FIRST, FIRST, said({"role": "assistant"}), STOP),
    "tools": stream(
        called(call(0, "a", "f", "")), called(call(0, arguments="{")), called(call(0, arguments="}")), STOP
    ),
    "a tool without arguments": stream(called(call(0, "a", "f", "")), said({}, finish_reason="tool_calls")),
    "arguments as an object": stream(called(call(0, "a", "f", {"x": 1}))),
    "a custom tool": stream(said({"tool_calls": [{"index": 0, "custom": {"name": "f", "input": "x"}}]})),
    "a function call": stream(said({"function_call": {"name": "f"}}), said({"function_call": {"arguments": "{}"}})),
    "reasoning_content": stream(FIRST, said({"reasoning_content": "so"}), said({"content": "hi"}), STOP),
    "reasoning": stream(said({"reasoning": ""}), said({"reasoning": "so", "content": ""}), said(HI), STOP),
    "reasoning_details": stream(
        said({"reasoning_details": [{"type": "reasoning.text", "signature": "s"}]}),
        said({"reasoning_details": [{"type": "reasoning.summary", "summary": "so"}]}),
    ),
    "a refusal": stream(said({"role": "assistant", "refusal": ""}), said({"refusal": "No"}), STOP),
    "content in parts": stream(said({"content": []}), said({"content": PARTS}), said({"content": "c"})),
    "several choices": stream(
        said(HI, 1), said(HI, 0), said({}, 1, finish_reason="length"), said({"content": "!"}), STOP
    ),
    "a choice that never finishes": stream(said(HI, 1), STOP, done=""),
    "choices without index": stream({"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]}),
    "no delta": stream(said(None, finish_reason="stop"), '{"choices":[{"index":0,"delta":null}]}'),
    "finish reasons empty, and null as text": stream(STOP, said({}, finish_reason=""), said({}, finish_reason="null")),
    "usage on each chunk": stream(*(said({"content": "x"}) | {"usage": usage} for usage in RUNNING)),
    "usage early, then null": stream(FIRST | {"usage": USAGE}, said(HI) | {"usage": None}, STOP),
    "usage never": stream(FIRST, said(HI), STOP),
    "usage before the finish reason": stream(said(HI), {"choices": [], "usage": USAGE}, STOP),
    "usage with null counts": stream(said(HI) | {"usage": {"prompt_tokens": 3, "completion_tokens": None}}),
    "usage with details": stream(
        said(HI) | {"usage": USAGE | {"prompt_tokens_details": {"cached_tokens": 1}, "cost": 0.5, "new": {"a": 1}}}
    ),
    "id and model come late": stream({"id": "", "model": "", "choices": []}, NAMED | said(HI), {"id": "d"} | STOP),
    "no [DONE]": stream(NAMED | FIRST, said(HI), STOP, LAST, done=""),
    "cut": stream(NAMED | FIRST, said(HI), done='data: {"choices":[{"index":0,"del'),
    "cut behind a payload": stream(FIRST, said(HI))[: -len(DONE) - 2],
    "cut in [DONE]": stream(FIRST, said(HI), STOP)[:-5],
    "[DONE] without its blank line": stream(FIRST, STOP)[:-2],
    "[DONE] with white space": stream(STOP, done="data: \t[DONE] \r\n\r\n"),
    "[DONE] within content": stream(said({"content": "data: [DONE]\n\n"}), STOP, done=""),
    "chunks behind [DONE]": stream(said(HI), STOP) + stream(said({"content": "no"}), {"error": ERROR}),
    "bytes behind [DONE]": stream(said(HI), STOP) + b"\n\n: bye\n\nrest",
    "an error member": stream(said(HI), {"error": ERROR}, done=""),
    "an error beside choices": stream(said(HI) | {"error": ERROR}, STOP),
    "an error event": stream(said(HI), done='event: error\ndata: {"message":"slow"}\n\n'),
    "an error event of text": stream(said(HI), done="event: error\ndata: slow\n\n"),
    "an error line": stream(said(HI), done='error: {"code":500,"error":{"message":"full"}}\n\n'),
    "an error line that is none": stream(said(HI), done="error: no\n\n"),
    "two errors": stream({"error": ERROR}, {"error": {"message": "other"}}),
    "errors that are none": stream(FIRST | {"error": None}, {"error": {}}, {"error": ""}, STOP),
    "an error first of all": stream({"error": ERROR}, done=""),
    "faults": stream("{", "[1]", "12", '"x"', "true", "nul", said(HI), STOP),
    "null and empty payloads": b"data: null\n\ndata\n\ndata:\n\ndata:  \n\n" + NORMAL,
    "NaN": stream('{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":NaN}]}'),
    "a lone surrogate": stream('{"id":"\\ud800","choices":[{"index":0,"delta":{"content":"\\udc00"}}]}'),
    "no UTF-8": b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xe2\x82"}}]}\n\n',
    "wide characters": stream(said({"content": "\u00e9\u20ac\U0001f600"})).replace(b"\\u00e9", "\u00e9".encode()),
    "escapes": stream('{"ch\\u006fices":[{"index":0,"delta":{"cont\\u0065nt":"\\u0068i"}}],"\\u006dodel":"m"}'),
    "duplicate members": stream('{"id":"a","id":"b","choices":[{"index":0,"index":1,"delta":{"content":"x"}}]}'),
    "nested look-alikes": stream(
        said({"content": '"usage":{"completion_tokens":9}', "usage": {"completion_tokens": 8}}, model="no", error="no")
    ),
    "several data lines": b'data: {"choices":[{"index":0,\ndata: "delta":{"content":"hi"}}]}\n\n',
    "values of the wrong kind": stream(
        {"id": 5, "model": [], "usage": "x", "choices": [{"index": "0", "delta": 5, "finish_reason": 5}, 5]}
    ),
    "choices null": stream({"choices": None, "id": "c"}),
}

WIRE = {
    "CRLF": NORMAL.replace(b"\n", b"\r\n"),
    "CR": NORMAL.replace(b"\n", b"\r"),
    "LF CR": NORMAL.replace(b"\n\n", b"\n\r"),
    "no space behind the colon": NORMAL.replace(b"data: ", b"data:"),
    "comments": b": PROCESSING\n\n" + NORMAL.replace(b"\n\n", b"\n: within\n\n: ping\n\n:\n\n"),
    "ids, names and unknown fields": NORMAL.replace(b"data", b"id: 1\nevent: chunk\nretry: 5\nx: y\ndata"),
    "many blank lines": b"\n\r\n" + NORMAL.replace(b"\n\n", b"\n\n\n\n"),
    "a byte order mark": b"\xef\xbb\xbf" + NORMAL,
    "a comment alone": b": keep-alive\n\n",
    "nothing": b"",
}

# --- the other families ---------------------------------------------------------------


def written(text: str | None, reason: str | None = None, index: int = 0) -> dict[str, Any]:
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
    return {"id": "cmpl", "object": "text_completion", "model": "m", "choices": [choice]}


COMPLETIONS = {
    "normal": stream(written(""), written("h"), written("i"), written("", "stop"), {"choices": [], "usage": USAGE}),
    "several choices": stream(written("a", None, 1), written("b"), written("", "stop", 1), written("", "length")),
    "no object": stream({"choices": [{"text": "hi", "index": 0}]}, done=""),
    "an error": stream(written("h"), {"error": ERROR}),
}

RESPONSE = {"id": "resp", "object": "response", "model": "m", "status": "in_progress", "error": None, "usage": None}
SPENT = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens": 4,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}


def told(kind: str, **members: Any) -> dict[str, Any]:
    """Return an event of the Responses API."""
    return {"type": f"response.{kind}", **members}


CREATED = told("created", response=RESPONSE)
WORDS = [told("output_text.delta", delta=piece, output_index=0, content_index=0) for piece in ("", "h", "i")]
COMPLETED = told("completed", response=RESPONSE | {"status": "completed", "usage": SPENT})
CUT_SHORT = RESPONSE | {"incomplete_details": {"reason": "max_output_tokens"}, "usage": SPENT}
RESPONSES = {
    "normal": named(CREATED, told("in_progress", response=RESPONSE), *WORDS, COMPLETED),
    "no names": stream(CREATED, *WORDS, COMPLETED, done=""),
    "[DONE], too": stream(CREATED, *WORDS, COMPLETED),
    "reasoning": named(CREATED, told("reasoning_summary_text.delta", delta="so"), *WORDS, COMPLETED),
    "reasoning text": named(CREATED, told("reasoning_text.delta", delta="so")),
    "a refusal": named(CREATED, told("refusal.delta", delta="No"), COMPLETED),
    "tools": named(
        CREATED,
        told("output_item.added", item={"type": "function_call", "name": "f", "arguments": ""}),
        told("function_call_arguments.delta", delta="{}"),
        told("function_call_arguments.done", arguments="{}"),
        told("custom_tool_call_input.delta", delta="x"),
    ),
    "incomplete": named(CREATED, *WORDS, told("incomplete", response=CUT_SHORT)),
    "failed": named(CREATED, told("failed", response=RESPONSE | {"error": {"code": "server_error"}})),
    "failed, it does not say why": named(CREATED, told("failed", response=RESPONSE)),
    "an error event": named(CREATED, {"type": "error", "code": "x", "message": "slow", "param": None}),
    "cut": named(CREATED, *WORDS),
    "behind its end": named(CREATED, COMPLETED, *WORDS, {"type": "error", "code": "x"}),
}

SPOKEN = {"input_tokens": 10, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 1}
MESSAGE = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": SPOKEN}
START = {"type": "message_start", "message": MESSAGE}
PING = {"type": "ping"}
END = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]


def block(kind: str, **members: Any) -> list[dict[str, Any]]:
    """Return the start of a block, and one delta."""
    opened = {"type": "content_block_start", "index": 0, "content_block": {"type": kind}}
    return [opened, {"type": "content_block_delta", "index": 0, "delta": members}]


TEXT = block("text", type="text_delta", text="hi")
MESSAGES = {
    "normal": named(START, PING, *TEXT, {"type": "content_block_stop", "index": 0}, *END),
    "no names": stream(START, *TEXT, *END, done=""),
    "thinking": named(START, *block("thinking", type="thinking_delta", thinking="so"), *TEXT, *END),
    "a signature": named(START, *block("thinking", type="signature_delta", signature="s")),
    "tools": named(
        START,
        *block("tool_use", type="input_json_delta", partial_json=""),
        *block("tool_use", type="input_json_delta", partial_json="{}"),
        *END,
    ),
    "usage at the end alone": named(START | {"message": {"id": "msg", "model": "m"}}, *TEXT, *END),
    "all counts at the end": named(START, END[0] | {"usage": SPOKEN | {"input_tokens": 11, "output_tokens": 9}}),
    "thinking counted": named(
        START, END[0] | {"usage": {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5}}}, END[1]
    ),
    "no end": named(START, *TEXT, END[0]),
    "cut": named(START, *TEXT),
    "an error": named(START, *TEXT, {"type": "error", "error": {"type": "overloaded_error"}}),
    "an error first of all": named({"type": "error", "error": {"type": "overloaded_error"}}),
    "behind its end": named(START, *END, *TEXT),
}

FAMILIES = {"chat": CHAT, "completions": COMPLETIONS, "responses": RESPONSES, "messages": MESSAGES}
STREAMS = {f"{family}: {name}": body for family, streams in FAMILIES.items() for name, body in streams.items()}
STREAMS |= {f"wire: {name}": body for name, body in WIRE.items()}
STREAMS["messages: usage without cache"] = named(
    START | {"message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}, *END
)
