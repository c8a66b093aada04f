"""Small streams, one for each quirk of a provider, and what they fold into.

Where it is short, the completion is written out; the oracle is asked for every stream.
"""

from typing import Any

from .chat_json import FIRST, HI, STOP, USAGE, Quirk, completion, said, stream, whole
from .delta_quirks import CALLS, DELTAS

FILTER = {"hate": {"filtered": False, "severity": "safe"}}
SEARCH = [{"title": "t", "url": "https://example.org", "date": None}]
NAMED = {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "m"}


def running(count: int) -> dict[str, Any]:
    """Return the usage after `count` tokens."""
    return {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count}


def token(text: str) -> dict[str, Any]:
    candidate = {"token": text, "logprob": -0.5, "bytes": list(text.encode())}
    return candidate | {"top_logprobs": [candidate, {"token": "x", "logprob": -9999.0, "bytes": None}]}


def seen(text: str) -> dict[str, Any]:
    """Return `token(text)` as a completion has it."""
    candidate = {"token": text, "logprob": -0.5, "bytes": list(text.encode())}
    return candidate | {"top_logprobs": [candidate, {"token": "x", "logprob": -9999.0}]}


CHOICES = [
    Quirk(
        "the first choice at index 1",
        stream(said({"content": "h"}, 1), said({"content": "i"}, 1, finish_reason="stop")),
        completion({"index": 1, "message": {"content": "hi"}, "finish_reason": "stop"}),
    ),
    Quirk(
        "choices against their order, interleaved",
        stream(said({"content": "c"}, 2), said({"content": "a"}), said({"content": "b"}, 1), said({"content": "c"}, 2)),
        completion(
            *({"index": index, "message": {"content": text}} for index, text in enumerate(("a", "b", "cc"))),
        ),
    ),
    Quirk(
        "two choices in one chunk, without index",
        stream(*({"choices": [{"delta": {"content": piece}} for piece in pieces]} for pieces in ("hy", "io"))),
        completion(*({"index": index, "message": {"content": text}} for index, text in enumerate(("hi", "yo")))),
    ),
    Quirk("a choice without delta", stream(said(None, finish_reason="stop")), whole({}, finish_reason="stop")),
    Quirk("delta null", stream('{"choices":[{"index":0,"delta":null}]}'), whole({})),
    Quirk(
        "message beside delta",
        stream(*(said({"content": piece}, message={"content": "hi"}) for piece in "hi")),
        whole({"content": "hi"}),
    ),
    Quirk(
        "stop_reason and token_ids",
        stream(said({}, token_ids=[1, 2]), said({}, token_ids=[3], stop_reason=0), said({}, stop_reason=None)),
        whole({}, token_ids=[1, 2, 3], stop_reason=0),
    ),
    Quirk("matched_stop", stream(said({}, matched_stop=None), said({}, matched_stop=7)), whole({}, matched_stop=7)),
    Quirk(
        "logprobs",
        stream(
            said({"content": "h"}, logprobs={"content": [token("h")], "refusal": None}),
            said({"content": "i"}, logprobs={"content": [token("i")], "refusal": [token("r")]}),
            said({}, logprobs=None, finish_reason="stop"),
        ),
        whole(
            {"content": "hi"},
            logprobs={"content": [seen("h"), seen("i")], "refusal": [seen("r")]},
            finish_reason="stop",
        ),
    ),
    Quirk(
        "logprobs numbers",
        stream(said({"content": "h"}, logprobs=-0.5), said({"content": "i"}, logprobs=-1.25)),
        whole({"content": "hi"}, logprobs=[-0.5, -1.25]),
    ),
    Quirk(
        "logprobs numbers and tokens",
        stream(*(said({}, logprobs=value) for value in (-0.5, {"content": [token("a")]}, -0.5))),
        whole({}, logprobs={"content": [seen("a")]}),
    ),
    Quirk(
        "a refusal",
        stream(said({"role": "assistant", "refusal": ""}), *(said({"refusal": piece}) for piece in ("No", "."))),
        whole({"role": "assistant", "refusal": "No."}),
    ),
    Quirk(
        "content filter",
        stream(
            {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [FILTER]},
            said({"role": "assistant", "content": "hi"}),
            said(None, content_filter_results=FILTER, content_filter_offsets={"check_offset": 44}),
            said({}, finish_reason="content_filter", content_filter_results={}),
        ),
        {
            **whole(
                HI,
                finish_reason="content_filter",
                content_filter_results={},
                content_filter_offsets={"check_offset": 44},
            ),
            "prompt_filter_results": [FILTER],
        },
    ),
    *(Quirk(f"finish_reason {reason}", stream(said({}, finish_reason=reason))) for reason in ("error", "eos", "abort")),
    Quirk(
        "finish_reason empty, and null as text",
        stream(said({}, finish_reason="stop"), said({}, finish_reason=""), said({}, finish_reason="null")),
        whole({}, finish_reason="stop"),
    ),
    Quirk("finish_reason never sent", stream(said({"content": "hi"})), whole({"content": "hi"})),
]

CHUNKS = [
    Quirk(
        "a first chunk without choices, all empty",
        stream({"id": "", "object": "", "created": 0, "model": "", "choices": []}, NAMED | said(HI)),
        {"id": "c", "created": 5, "model": "m", **whole(HI)},
    ),
    Quirk("choices null", stream('{"choices":null,"id":"c"}'), {"id": "c", **completion()}),
    Quirk(
        "object chat.completion.done",
        stream(NAMED | said(HI), NAMED | STOP | {"object": "chat.completion.done", "id": "d", "model": "n"}),
        {"id": "c", "created": 5, "model": "m", **whole(HI, finish_reason="stop")},
    ),
    Quirk(
        "service_tier empty, system_fingerprint null",
        stream(
            {"service_tier": "auto", "system_fingerprint": "f"},
            {"service_tier": "on_demand"},
            {"service_tier": "", "system_fingerprint": None},
        ),
        completion(service_tier="on_demand", system_fingerprint="f"),
    ),
    Quirk(
        "citations and search_results",
        stream(*({"citations": ["a"] * count, "search_results": SEARCH} for count in (1, 2)), {"citations": None}),
        completion(citations=["a", "a"], search_results=SEARCH),
    ),
    Quirk(
        "x_groq",
        stream(said({}) | {"x_groq": {"id": "r"}}, STOP | {"x_groq": {"id": "r", "usage": USAGE, "error": None}}),
        {**whole({}, finish_reason="stop"), "x_groq": {"id": "r", "usage": USAGE, "error": None}},
    ),
    Quirk(
        "provider, openrouter_metadata, error null",
        stream({"provider": "P", "error": None, "openrouter_metadata": {"a": [None]}}),
        completion(provider="P", openrouter_metadata={"a": [None]}),
    ),
    Quirk(
        "prompt_token_ids and metrics",
        stream({"prompt_token_ids": [1, 2]}, {"metrics": {"ttft": 0.5}}, {"prompt_token_ids": None}),
        completion(prompt_token_ids=[1, 2], metrics={"ttft": 0.5}),
    ),
    *(
        Quirk(name, stream({name: {"a": 1}}, {name: None}, {name: {"b": [2]}}), completion(**{name: {"b": [2]}}))
        for name in ("sglext", "time_info", "perf_metrics", "warnings")
    ),
    Quirk(
        "obfuscation, moderation, unknown members",
        stream(
            {"obfuscation": "xyz", "moderation": {"input": {"type": "error", "code": "e", "new": 1}}},
            {"p": "abc", "moderation": None, "choices": [{"index": 0, "seed": 1, "delta": {"channel": "final"}}]},
        ),
        {**whole({}), "moderation": {"input": {"type": "error", "code": "e"}}},
    ),
    Quirk(
        "usage with costs",
        stream({"choices": [], "usage": {**USAGE, "cost": 0.5, "cost_details": {"a": None}, "is_byok": False}}),
        completion(usage={**USAGE, "cost": 0.5, "cost_details": {"a": None}, "is_byok": False}),
    ),
    Quirk(
        "usage with cache counts, null counts and unknown ones",
        stream(
            {"usage": {"prompt_cache_hit_tokens": 1, "prompt_cache_miss_tokens": 2, "total_tokens": None, "new": 1}}
        ),
        completion(usage={"prompt_cache_hit_tokens": 1, "prompt_cache_miss_tokens": 2}),
    ),
    Quirk(
        "usage before a chunk without it",
        stream(FIRST, {"choices": [], "usage": USAGE}, STOP | {"usage": None}, {"choices": []}),
        {**whole({"role": "assistant", "content": ""}, finish_reason="stop"), "usage": USAGE},
    ),
    Quirk(
        "cumulative usage",
        stream(*(said({"content": "x"}) | {"usage": running(count)} for count in range(3))),
        {**whole({"content": "xxx"}), "usage": running(2)},
    ),
    Quirk(
        "NaN and Infinity",
        stream('{"choices":[{"delta":{"hidden_states":[NaN,1]},"logprobs":NaN}],"metrics":{"a":-Infinity}}'),
        {**whole({"hidden_states": [None, 1]}, logprobs=[None]), "metrics": {"a": None}},
    ),
]

STREAM = stream(said({"role": "assistant", "content": "h"}), said({"content": "i"}), STOP)
PLAIN = whole(HI, finish_reason="stop")
LARGE = whole({"content": "x" * 140_000, "reasoning_details": [{"type": "reasoning.encrypted", "data": "y" * 140_000}]})

WIRE = [
    Quirk("no space behind the colon", STREAM.replace(b"data: ", b"data:"), PLAIN),
    Quirk("CRLF", STREAM.replace(b"\n", b"\r\n"), PLAIN),
    Quirk("CR", STREAM.replace(b"\n", b"\r"), PLAIN),
    Quirk("comments", b": OPENROUTER PROCESSING\n\n" + STREAM.replace(b"\n\n", b"\n\n: ping - 12\n\n:\n\n"), PLAIN),
    Quirk("events with ids and names", STREAM.replace(b"data", b"id: 1\nevent: completion.chunk\ndata"), PLAIN),
    Quirk("no [DONE]", STREAM.replace(b"data: [DONE]\n\n", b""), PLAIN),
    Quirk("[DONE] without its blank line", STREAM[:-2], PLAIN),
    Quirk("[DONE] and a space", STREAM.replace(b"[DONE]", b"[DONE] "), PLAIN),
    Quirk("[DONE] and a CR", STREAM.replace(b"[DONE]\n", b"[DONE]\r\n"), PLAIN),
    Quirk("chunks behind [DONE]", STREAM + stream(said({"content": "no"})), PLAIN),
    Quirk("null and empty payloads", b"data: null\n\ndata\n\ndata: \n\n" + STREAM, PLAIN),
    Quirk("a byte order mark", b"\xef\xbb\xbf" + STREAM, PLAIN),
    Quirk("no blank line at the end", STREAM.replace(b"\n\ndata: [DONE]\n\n", b"\n"), PLAIN),
    Quirk("an error behind the text", stream(said(HI), '{"error":{"message":"slow"}}', done=""), whole(HI)),
    Quirk("an error event", stream(said(HI), done="event: error\ndata: slow\n\n"), whole(HI)),
    Quirk("an error line", stream(said(HI), done='error: {"code":500}\n\n'), whole(HI)),
    Quirk(
        "events over 128 KiB",
        stream(
            said({"content": "x" * 140_000}),
            said({"reasoning_details": LARGE["choices"][0]["message"]["reasoning_details"]}),
        ),
        LARGE,
    ),
    Quirk("a cut stream", stream(said(HI), done="data: {"), whole(HI)),
    Quirk("nothing", b"", completion()),
]

QUIRKS = DELTAS + CALLS + CHOICES + CHUNKS + WIRE
