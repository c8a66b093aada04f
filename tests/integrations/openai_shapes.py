"""Payloads of odd shapes, and such as are no chunk at all, by name."""

import json

from .openai_payloads import BASES, NASTY, written

NORMAL = json.dumps(BASES["text"])
HEAD = NORMAL[: NORMAL.index('"choices"')]
DIGITS = "9" * 5000
LIST, OBJECT = "[" * 150 + "]" * 150, '{"a": ' * 150 + "1" + "}" * 150
SHAPES = {
    "no members": "{}",
    "nothing but null": '{"id": null, "choices": null, "created": null, "model": null, "object": null, "usage": null}',
    "choices an object": '{"choices": {"index": 0, "delta": {"content": "a"}}}',
    "choices text": '{"choices": "none"}',
    "choices in a choice": '{"choices": [[{"index": 0}], {"index": 1}]}',
    "a choice null": '{"choices": [null, {"index": 1, "delta": {"content": "a"}}]}',
    "delta null": '{"choices": [{"index": 0, "delta": null}]}',
    "delta text": '{"choices": [{"index": 0, "delta": "a"}]}',
    "delta a list": '{"choices": [{"index": 0, "delta": [{"content": "a"}, 1, {"tool_calls": [{"index": "0"}]}]}]}',
    "no delta": '{"choices": [{"index": 0, "finish_reason": "stop"}]}',
    "content in parts": '{"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "a"}]}}]}',
    "content a number": '{"choices": [{"index": 0, "delta": {"content": 5}}]}',
    "index text": '{"choices": [{"index": "0", "delta": {"tool_calls": [{"index": "1"}]}}]}',
    "index a whole float": '{"choices": [{"index": 0.0, "delta": {"tool_calls": [{"index": 1.0}]}}]}',
    "index a float": '{"choices": [{"index": 0.5, "delta": {"tool_calls": [{"index": 1.5}]}}]}',
    "index true": '{"choices": [{"index": true, "delta": {"tool_calls": [{"index": true}]}}]}',
    "created text": HEAD.replace("7007", '"7007"') + '"choices": []}',
    "created a float": HEAD.replace("7007", "7007.0") + '"choices": []}',
    "roles unknown": '{"choices": [{"index": 0, "delta": {"role": "model"}}, {"index": 1, "delta": {"role": ""}}]}',
    "finish reasons unknown": '{"choices": [{"finish_reason": "eos"}, {"finish_reason": ""}, {"finish_reason": 1}]}',
    "service tier unknown": '{"service_tier": "standard"}',
    "object unknown": '{"object": "chat.completion.done", "choices": []}',
    "a known field of another model": '{"delta": {"content": 1}, "index": 0, "logprobs": {"content": []}}',
    "usage counts as text": '{"usage": {"prompt_tokens": "3", "completion_tokens": "4", "total_tokens": "7"}}',
    "usage counts as floats": '{"usage": {"prompt_tokens": 3.0, "completion_tokens": 4.0, "total_tokens": 7.0}}',
    "usage counts as halves": '{"usage": {"prompt_tokens": 3.5, "completion_tokens": 4.5, "total_tokens": 8}}',
    "usage counts as bools": '{"usage": {"prompt_tokens": true, "completion_tokens": false, "total_tokens": true}}',
    "usage without counts": '{"usage": {"cost": 0.5}}',
    "usage null inside": '{"usage": {"prompt_tokens": null, "completion_tokens": 1, "total_tokens": 1}}',
    "usage details odd": '{"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": "2", '
    '"prompt_tokens_details": {"cached_tokens": "1", "x": [1]}, "completion_tokens_details": [{"a": 1}]}}',
    "usage a list": '{"usage": [{"prompt_tokens": "1"}]}',
    "usage text": '{"usage": "none"}',
    "big ints": f'{{"created": {1 << 63}, "x": {1 << 64}, "choices": [{{"index": {-1 << 70}}}], '
    f'"usage": {{"prompt_tokens": {1 << 65}, "completion_tokens": {1 << 31}, "total_tokens": "{1 << 66}"}}}}',
    "numbers": '{"x": [1, 1.0, -0, -0.0, 1e2, 1E400, -1e400, 1e-400, 0.1, 123456789.123456789, 9007199254740993]}',
    "NaN": '{"created": NaN, "x": [NaN, Infinity, -Infinity], "choices": [{"index": NaN, "delta": {"content": NaN}}]}',
    "logprobs in ints": '{"choices": [{"logprobs": {"content": [{"token": "a", "logprob": -1, "bytes": [1, "2", 3.0], '
    '"top_logprobs": [{"token": "b", "logprob": 0}, null, {"logprob": "0.5"}]}], "refusal": []}}]}',
    "logprob too big for a float": '{"choices": [{"logprobs": {"content": [{"logprob": 9007199254740993}]}}]}',
    "logprobs a number": '{"choices": [{"logprobs": -0.5, "delta": {}}]}',
    "logprobs a list": '{"choices": [{"logprobs": [{"content": [{"token": 1}]}], "delta": {}}]}',
    "a lone surrogate": r'{"id": "\ud800", "choices": [{"delta": {"content": "\udc00a"}}], "x\ud800": "\ud83d\ude00"}',
    "a lone surrogate in a key of usage": r'{"usage": {"\ud800": 0, "prompt_tokens": 3, "completion_tokens": 2, '
    '"total_tokens": 5}}',
    "escapes": r'{"i\u0064": "\u0041\/\b\f\n\"\\", "choices": [{"delta": {"content": "\u0000\ud83d\ude00\u2028"}}]}',
    "line separators": '{"id": "\u2028\u2029\x85\x7f", "choices": []}',
    "a member twice": '{"id": "a", "x": 1, "x": 2, "id": 3, "choices": [], "choices": [{"index": 1, "index": 2}]}',
    "arguments an object": '{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {"a": 1}}}]}}]}',
    "a custom tool": '{"choices": [{"delta": {"tool_calls": [{"type": "custom", "custom": {"name": "n"}}]}}]}',
    "calls an object": '{"choices": [{"delta": {"tool_calls": {"index": 0, "function": {"name": "n"}}}}]}',
    "a call null": '{"choices": [{"delta": {"tool_calls": [null, {"index": null, "id": 5}]}}]}',
    "function a list": '{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": [{"name": "n"}]}]}}]}',
    "white space": ' \t{ "id"\t:  "a" , "choices" : [ ] } \t',
    "error falsy": '{"error": null, "id": "a"}',
    "error empty": '{"error": {}, "id": "a", "choices": [{"delta": {"error": {"message": "x"}}}]}',
    "error zero": '{"error": 0}',
    "deep": f'{{"x": {LIST}, "choices": [{{"delta": {{"content": {OBJECT}}}}}]}}',
    "a list": "[1, {}]",
    "a list of chunks": f"[{NORMAL}, {NORMAL}]",
    "text": '"a"',
    "a number": "1.0",
    "zero": "0",
    "false": "false",
    "empty": "[]",
} | {f"key {key!r}": f'{HEAD}{written(key)}: "a", "choices": [{{"delta": {{{written(key)}: [1]}}}}]}}'
     for key in NASTY if key not in ("_fields_set", "_BaseModel__cls", "error")}  # fmt: skip

FAULTS = {
    "not JSON": "{",
    "two values": "{} {}",
    "a control character": '{"id": "\x01"}',
    "a key of the SDK's own": '{"choices": [], "_fields_set": "a"}',
    "such a key within": '{"choices": [{"index": 0, "delta": {"content": "a"}, "_fields_set": [1]}]}',
    "another key of the SDK's own": '{"_BaseModel__cls": 1}',
    "too deep": "[" * 100_000,
    "too many digits": f'{{"x": {DIGITS}}}',
    "an error": '{"error": {"message": "m", "code": "c", "param": "p", "type": "t", "more": [1]}}',
    "an error in text": '{"error": "overloaded", "choices": []}',
}
