"""What providers really send: one small stream for each quirk, and the choice that it makes up."""

from typing import Any, NamedTuple

from deltawire import encode_event


class Quirk(NamedTuple):
    """A stream, as payloads, and what is expected of choice 0 (or of the completion, by `whole`)."""

    name: str
    payloads: list[Any]
    message: dict[str, Any]
    finish_reason: str | None = None
    whole: Any = ()

    @property
    def body(self) -> bytes:
        return b"".join(encode_event(payload) for payload in self.payloads) + b"data: [DONE]\n\n"


def deltas(*sent: Any, **members: Any) -> list[Any]:
    return [{"choices": [{"index": 0, "delta": delta}]} | members for delta in sent]


def call(**members: Any) -> dict[str, Any]:
    return {"tool_calls": [members]}


def function(name: str | None = None, arguments: Any = None) -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}


def end(reason: Any = "stop", **members: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]} | members


def made(*calls: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "tool_calls": [
            {"id": name, "type": "function", "function": {"name": what, "arguments": arguments}}
            for name, what, arguments in calls
        ]
    }


F = {"type": "function"}

QUIRKS = [
    Quirk("role in each chunk", [*deltas(*({"role": "assistant", "content": each} for each in "abc")), end()],
          {"role": "assistant", "content": "abc"}, "stop"),
    Quirk("role empty, then sent", deltas({"role": "", "content": "a"}, {"role": None}, {"role": "assistant"}),
          {"role": "assistant", "content": "a"}),
    Quirk("content null, and empty", deltas({"content": None}, {"content": ""}), {"content": ""}),
    Quirk("content only null", deltas({"content": None}), {}),
    Quirk("reasoning_content", deltas({"reasoning_content": "a"}, {"reasoning_content": "b", "content": ""}, {"content": "c"}),
          {"reasoning_content": "ab", "content": "c"}),
    Quirk("reasoning", deltas({"reasoning": "a"}, {"reasoning": "b"}), {"reasoning": "ab"}),
    Quirk("reasoning_details by index",
          deltas(*({"reasoning_details": [part]} for part in (
              {"type": "reasoning.text", "text": "a", "format": "x", "index": 0},
              {"type": "reasoning.text", "text": "b", "format": "x", "index": 0},
              {"type": "reasoning.text", "signature": "s", "index": 0},
              {"type": "reasoning.summary", "summary": "c", "index": 1}))),
          {"reasoning_details": [{"type": "reasoning.text", "text": "ab", "format": "x", "index": 0, "signature": "s"},
                                 {"type": "reasoning.summary", "summary": "c", "index": 1}]}),
    Quirk("reasoning_details without index", deltas({"reasoning_details": [{"text": "a"}]}, {"reasoning_details": [{"text": "b"}]}),
          {"reasoning_details": [{"text": "a"}, {"text": "b"}]}),
    Quirk("content in parts", deltas({"content": ""}, {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}]},
                                     {"content": "a"}, {"content": "b"}, {"content": [{"type": "text", "text": "c"}]}, {"content": "d"}),
          {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "ab"},
                       {"type": "text", "text": "c"}, {"type": "text", "text": "d"}]}),
    Quirk("text before parts", deltas({"content": "a"}, {"content": [{"type": "text", "text": "b"}]}),
          {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
    Quirk("tool call ids and names repeated",
          deltas(*(call(index=0, id="c1", **F, function=function("f", each)) for each in ('{"a"', ":1}"))),
          made(("c1", "f", '{"a":1}'))),
    Quirk("first call at index 1", deltas(call(index=1, id="c1", **F, function=function("f", "{}"))), made(("c1", "f", "{}"))),
    Quirk("tool calls without index", deltas(
        {"tool_calls": [{"id": "a", **F, "function": function("f", "{}")}, {"id": "b", **F, "function": function("g", "[")}]},
        call(function=function(arguments="]")), call(id="a", function=function(arguments=" "))),
          made(("a", "f", "{} "), ("b", "g", "[]"))),
    Quirk("all tool calls at index 0", deltas(
        call(index=0, id="a", **F, function=function("f", "{")), call(index=0, function=function(arguments="}")),
        call(index=0, id="b", **F, function=function("g", "[")), call(index=0, function=function(arguments="]"))),
          made(("a", "f", "{}"), ("b", "g", "[]"))),
    Quirk("two fragments of one index in one chunk", deltas({"tool_calls": [
        {"index": 0, "id": "a", **F, "function": function("f", "{")}, {"index": 0, "function": function(arguments="}")}]}),
          made(("a", "f", "{}"))),
    Quirk("tool call id null as text", deltas(call(index=0, id="null", **F, function=function("f", "")),
                                             call(index=0, id="x", function=function(arguments="{}")),
                                             call(index=0, id="null", function=function(arguments=" "))),
          made(("x", "f", "{} "))),
    Quirk("arguments as an object", deltas(call(index=0, id="a", **F, function=function("f", {"x": [1, "é"]}))),
          made(("a", "f", '{"x":[1,"é"]}'))),
    Quirk("calls out of order", deltas(call(index=1, id="b", **F, function=function("g", "")),
                                       call(index=0, id="a", **F, function=function("f", ""))),
          made(("a", "f", ""), ("b", "g", ""))),
    Quirk("a thought signature", deltas(call(index=0, id="a", **F, function=function("f", "{}"),
                                             extra_content={"google": {"thought_signature": "s"}})),
          {"tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
                           "extra_content": {"google": {"thought_signature": "s"}}}]}),
    Quirk("a custom call", deltas(call(index=0, id="a", type="custom", custom={"name": "sh", "input": "l"}),
                                  call(index=0, custom={"input": "s"})),
          {"tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]}),
    Quirk("function_call", deltas({"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}),
          {"function_call": {"name": "f", "arguments": "{}"}}),
    Quirk("refusal", deltas({"refusal": "I "}, {"refusal": "won't"}), {"refusal": "I won't"}),
    Quirk("audio", deltas({"audio": {"id": "a", "transcript": "h"}}, {"audio": {"data": "QQ", "transcript": "i"}},
                          {"audio": {"data": "==", "expires_at": 9}}),
          {"audio": {"id": "a", "data": "QQ==", "transcript": "hi", "expires_at": 9}}),
    Quirk("annotations and tools that ran", deltas({"annotations": [{"type": "url_citation"}]}, {"annotations": [{"type": "b"}]},
                                                   {"executed_tools": [{"index": 0, "type": "search", "output": None}]},
                                                   {"executed_tools": [{"index": 0, "output": "found"}]}),
          {"annotations": [{"type": "url_citation"}, {"type": "b"}],
           "executed_tools": [{"index": 0, "type": "search", "output": "found"}]}),
    Quirk("usage before the last chunk", [{"choices": [], "usage": {"total_tokens": 3}}, *deltas({"content": "a"}, usage=None)],
          {"content": "a"}, whole={"usage": {"total_tokens": 3}}),
    Quirk("usage on each chunk", [*deltas({"content": "a"}, usage={"total_tokens": 1}), *deltas({"content": "b"}, usage={"total_tokens": 2})],
          {"content": "ab"}, whole={"usage": {"total_tokens": 2}}),
    Quirk("no finish reason at all", deltas({"content": "a"}), {"content": "a"}),
    Quirk("finish reason empty, and null as text", [*deltas({"content": "a"}), end(""), end("null")], {"content": "a"}),
    Quirk("finish reason repeated", [end("length"), end(None), end("")], {}, "length"),
    Quirk("a finish reason of its own", [end("eos")], {}, "eos"),
    Quirk("the first chunk of Azure", [{"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{"x": 1}]},
                                       *deltas({"content": "a"}, id="c", created=5, model="m")],
          {"content": "a"}, whole={"id": "c", "created": 5, "model": "m", "prompt_filter_results": [{"x": 1}]}),
    Quirk("a choice without delta", [{"choices": [{"index": 0, "content_filter_results": {"hate": {"filtered": False}}}]}], {},
          whole={"choices": [{"index": 0, "message": {}, "content_filter_results": {"hate": {"filtered": False}}}]}),
    Quirk("the whole message beside the delta", [{"choices": [{"index": 0, "delta": {"content": "a"}, "message": {"content": "a"}}]}],
          {"content": "a"}),
    Quirk("logprobs as a number", [{"choices": [{"index": 0, "delta": {"content": each}, "logprobs": -0.5}]} for each in "ab"],
          {"content": "ab"}, whole={"choices": [{"index": 0, "message": {"content": "ab"}, "logprobs": [-0.5, -0.5]}]}),
    Quirk("token ids and stop reasons", [{"choices": [{"index": 0, "delta": {}, "token_ids": [1, 2], "stop_reason": None}]},
                                         {"choices": [{"index": 0, "delta": {}, "token_ids": [3], "stop_reason": 7, "matched_stop": "x"}]}],
          {}, whole={"choices": [{"index": 0, "message": {}, "token_ids": [1, 2, 3], "stop_reason": 7, "matched_stop": "x"}]}),
    Quirk("members of the chunk", [{"choices": [], "x_groq": {"id": "r"}, "citations": ["a"], "provider": "P", "service_tier": ""},
                                   {"choices": [], "citations": ["b"], "x_groq": None, "service_tier": "default"}],
          {}, whole={"choices": [], "x_groq": {"id": "r"}, "citations": ["b"], "provider": "P", "service_tier": "default"}),
    Quirk("payloads that are null", [None, *deltas({"content": "a"}), None], {"content": "a"}),
]  # fmt: skip
