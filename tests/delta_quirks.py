"""Quirks of providers in deltas and tool calls; see `quirks`."""

from .chat_json import FIRST, HI, STOP, Quirk, call, called, made, said, stream, whole

DELTAS = [
    Quirk(
        "reasoning_content",
        stream(FIRST, said({"reasoning_content": "a", "content": None}), said({"reasoning_content": "b"}), STOP),
        whole({"role": "assistant", "content": "", "reasoning_content": "ab"}, finish_reason="stop"),
    ),
    Quirk(
        "reasoning",
        stream(FIRST, said({"reasoning": "a"}), said({"reasoning": "b", "content": "c"}), STOP),
        whole({"role": "assistant", "content": "c", "reasoning": "ab"}, finish_reason="stop"),
    ),
    Quirk(
        "reasoning_details of one index",
        stream(
            said({"reasoning_details": [{"type": "reasoning.text", "text": "a", "format": "f", "index": 0}]}),
            said({"reasoning_details": [{"type": "reasoning.text", "text": "b", "format": "f", "index": 0}]}),
            said({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "format": None, "index": 0}]}),
        ),
        whole(
            {
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "ab", "format": "f", "index": 0, "signature": "s"}
                ]
            }
        ),
    ),
    Quirk(
        "reasoning_details of two types at one index",
        stream(
            said({"reasoning_details": [{"type": "reasoning.summary", "summary": "a", "index": 0}]}),
            said({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "index": 0}]}),
            said({"reasoning_details": [{"data": "y", "index": 0}]}),
            said({"reasoning_details": [{"type": "reasoning.summary", "summary": "b", "index": 0}]}),
            said({"reasoning_details": [{"summary": "c", "index": 0}]}),
            said({"reasoning_details": [{"summary": "d", "index": 1}]}),
        ),
        whole(
            {
                "reasoning_details": [
                    {"type": "reasoning.summary", "summary": "abc", "index": 0},
                    {"type": "reasoning.encrypted", "data": "xy", "index": 0},
                    {"summary": "d", "index": 1},
                ]
            }
        ),
    ),
    Quirk(
        "reasoning_details without index",
        stream(*(said({"reasoning_details": [{"type": "reasoning.text", "text": text}]}) for text in "ab")),
        whole({"reasoning_details": [{"type": "reasoning.text", "text": text} for text in "ab"]}),
    ),
    Quirk(
        "content in parts, thinking among them",
        stream(
            said({"role": "assistant", "content": ""}),
            said({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]}),
            said({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "b"}], "closed": True}]}),
            said({"content": "c"}),
            said({"content": ""}),
            said({"content": "d"}),
            said({"content": [{"type": "reference", "reference_ids": [1]}]}),
            said({"content": "e"}, finish_reason="stop"),
        ),
        whole(
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "a"}]},
                    {"type": "thinking", "thinking": [{"type": "text", "text": "b"}], "closed": True},
                    {"type": "text", "text": "cd"},
                    {"type": "reference", "reference_ids": [1]},
                    {"type": "text", "text": "e"},
                ],
            },
            finish_reason="stop",
        ),
    ),
    Quirk(
        "text before the first part",
        stream(said({"content": "a"}), said({"content": "b"}), said({"content": [{"index": 0, "text": "c"}]})),
        whole({"content": [{"type": "text", "text": "ab"}, {"index": 0, "text": "c"}]}),
    ),
    Quirk(
        "thinking of one index",
        stream(
            said({"content": [{"type": "thinking", "index": 0, "thinking": [{"text": "a"}]}]}),
            said({"content": [{"type": "thinking", "index": 0, "thinking": [{"text": "b"}]}]}),
        ),
        whole({"content": [{"type": "thinking", "index": 0, "thinking": [{"text": "a"}, {"text": "b"}]}]}),
    ),
    Quirk(
        "indexes that are none",
        stream(said({"images": [{"index": index, "text": "a"} for index in (True, True, "0", "0", 0.5, 0.5)]})),
        whole({"images": [{"index": index, "text": "a"} for index in (True, True, "0", "0", 0.5, 0.5)]}),
    ),
    Quirk(
        "annotations",
        stream(*(said({"annotations": [{"type": "url_citation", "url_citation": {"url": url}}]}) for url in "ab")),
        whole({"annotations": [{"type": "url_citation", "url_citation": {"url": url}} for url in "ab"]}),
    ),
    Quirk(
        "executed_tools, begun and then finished",
        stream(
            said({"executed_tools": [{"index": 0, "type": "search", "arguments": "{}"}]}),
            said({"executed_tools": [{"index": 0, "type": "search", "arguments": "{}", "output": "found"}]}),
        ),
        whole({"executed_tools": [{"index": 0, "type": "search", "arguments": "{}", "output": "found"}]}),
    ),
    Quirk(
        "images",
        stream(said({"images": [{"type": "image_url", "image_url": {"url": "data:,"}, "index": 0}]}), STOP),
        whole(
            {"images": [{"type": "image_url", "image_url": {"url": "data:,"}, "index": 0}]},
            finish_reason="stop",
        ),
    ),
    Quirk(
        "hidden_states",
        stream(said({"hidden_states": [[0.5]]}), said({"hidden_states": None}), said({"hidden_states": [[1.5]]})),
        whole({"hidden_states": [[1.5]]}),
    ),
    Quirk(
        "audio",
        stream(
            said({"audio": {"id": "a", "transcript": "he"}}),
            said({"audio": {"id": "a", "transcript": "llo", "data": "AA"}}),
            said({"audio": {"data": "BB", "expires_at": 9}}),
        ),
        whole({"audio": {"id": "a", "transcript": "hello", "data": "AABB", "expires_at": 9}}),
    ),
    Quirk(
        "function_call",
        stream(
            said({"function_call": {"name": "f", "arguments": ""}}),
            said({"function_call": {"arguments": "{}"}}),
            said({"function_call": {"name": "f"}}, finish_reason="function_call"),
        ),
        whole({"function_call": {"name": "f", "arguments": "{}"}}, finish_reason="function_call"),
    ),
    Quirk(
        "role in every chunk",
        stream(*(said({"role": "assistant", "content": piece}) for piece in "hi"), STOP),
        whole(HI, finish_reason="stop"),
    ),
    Quirk(
        "role null, then empty, then said",
        stream(said({"role": None, "content": "h"}), said({"role": ""}), said({"role": "assistant", "content": "i"})),
        whole(HI),
    ),
    Quirk(
        "a surrogate pair in two chunks",
        stream('{"choices":[{"delta":{"content":"a\\ud83d"}}]}', '{"choices":[{"delta":{"content":"\\ude00b"}}]}'),
        whole({"content": "a\ufffd\ufffdb"}),
    ),
]

CALLS = [
    Quirk(
        "index missing, ids given",
        stream(called(call(None, "a", "f", "{}"), call(None, "b", "g", "[]")), called(call(None, "c", "h", ""))),
        whole({"tool_calls": [made("a", "f", "{}"), made("b", "g", "[]"), made("c", "h", "")]}),
    ),
    Quirk(
        "index null",
        stream(
            called({"index": None, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}),
            called({"index": None, "id": "a", "function": {"arguments": "}"}}),
            called({"index": None, "id": None, "function": {"arguments": " "}}),
        ),
        whole({"tool_calls": [made("a", "f", "{} ")]}),
    ),
    Quirk(
        "neither index nor id",
        stream(
            called(call(None, None, "f", "{")),
            called(call(None, None, None, "}")),
            called(call(None, "b", "g", "[")),
            called(call(None, "", None, "]")),
        ),
        whole({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}, made("b", "g", "[]")]}),
    ),
    Quirk(
        "neither index nor id behind a call that was gone on with",
        stream(
            called(call(0, "a", "f", "1"), call(0, "b", "g", "2")),
            called(call(0, "a", None, "3"), call(None, None, None, "4")),
        ),
        whole({"tool_calls": [made("a", "f", "13"), made("b", "g", "24")]}),
    ),
    Quirk(
        "index missing behind an index",
        stream(called(call(4, "a", "f", "4")), called(call(None, "b", "g", "5")), called(call(5, None, None, "!"))),
        whole({"tool_calls": [made("a", "f", "4"), made("b", "g", "5!")]}),
    ),
    Quirk(
        "all calls at index 0",
        stream(
            called(call(0, "a", "f", "1")),
            called(call(0, None, None, "2")),
            called(call(0, "b", "g", "3")),
            called(call(0, None, None, "4")),
            called(call(0, "a", None, "5")),
            called(call(0, None, None, "6")),
        ),
        whole({"tool_calls": [made("a", "f", "1256"), made("b", "g", "34")]}),
    ),
    Quirk(
        "two fragments of one index in one chunk",
        stream(called(call(0, "a", "f", "1"), call(0, None, None, "2")), called(call(0, None, None, "3"))),
        whole({"tool_calls": [made("a", "f", "123")]}),
    ),
    Quirk(
        "ids and names in every chunk",
        stream(*(called(call(0, "a", "f", piece)) for piece in "123")),
        whole({"tool_calls": [made("a", "f", "123")]}),
    ),
    Quirk(
        "the first call at index 1",
        stream(called(call(1, "a", "f", "1")), called(call(1, None, None, "2"))),
        whole({"tool_calls": [made("a", "f", "12")]}),
    ),
    Quirk(
        "calls against their order",
        stream(called(call(2, "c", "h", "")), called(call(0, "a", "f", "")), called(call(1, "b", "g", ""))),
        whole({"tool_calls": [made("a", "f", ""), made("b", "g", ""), made("c", "h", "")]}),
    ),
    Quirk(
        "the id null as text, then empty",
        stream(called(call(0, "null", "f", "1")), called(call(0, "", None, "2")), called(call(0, "a", None, "3"))),
        whole({"tool_calls": [made("a", "f", "123")]}),
    ),
    Quirk(
        "arguments an object",
        stream(called(call(0, "a", "f", {"city": "Genève", "days": [1, 2.5, None, True]}))),
        whole({"tool_calls": [made("a", "f", '{"city":"Genève","days":[1,2.5,null,true]}')]}),
    ),
    Quirk(
        "arguments null, and empty",
        stream(called({"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}), called(call(0))),
        whole({"tool_calls": [{"id": "a", "function": {"name": "f"}}]}),
    ),
    Quirk(
        "an index behind a higher one, then none",
        stream(called(call(4, "c", "h", "")), called(call(1, "a", "f", "")), called(call(None, "d", "i", ""))),
        whole({"tool_calls": [made("a", "f", ""), made("c", "h", ""), made("d", "i", "")]}),
    ),
    Quirk(
        "another type and name later",
        stream(called(call(0, "a", "f", "")), called(call(0, None, "g", "{}") | {"type": "custom"})),
        whole({"tool_calls": [made("a", "f", "{}")]}),
    ),
    Quirk(
        "a thought signature",
        stream(
            called(call(0, "a", "f", "") | {"extra_content": {"google": {"thought_signature": "s"}}}),
            called(call(0, None, None, "{}") | {"extra_content": None}),
        ),
        whole({"tool_calls": [made("a", "f", "{}") | {"extra_content": {"google": {"thought_signature": "s"}}}]}),
    ),
    Quirk(
        "a custom call",
        stream(
            called({"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": ""}}),
            called({"index": 0, "custom": {"input": "1 +"}}),
            called({"index": 0, "custom": {"input": " 1"}}),
        ),
        whole({"tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "f", "input": "1 + 1"}}]}),
    ),
    Quirk(
        "tool_calls null and empty",
        stream(said({"tool_calls": None, "content": "hi"}), said({"tool_calls": []})),
        whole({"content": "hi", "tool_calls": []}),
    ),
    Quirk(
        "stop after tool calls",
        stream(called(call(0, "a", "f", "{}")), STOP),
        whole({"tool_calls": [made("a", "f", "{}")]}, finish_reason="stop"),
    ),
]
