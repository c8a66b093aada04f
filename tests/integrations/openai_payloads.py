"""Payloads of chat streams, as they should be, and mutated until they are not."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

# --- trees that may hold what `json.dumps` never writes


class Raw(str):
    """JSON text that is written as it is."""

    __slots__ = ()


class Members(list[list[Any]]):
    """An object: its members in order, as [key, value]; a key may come twice, and is JSON text if it is `Raw`."""


def tree(value: Any) -> Any:
    """Return a JSON value with its objects as `Members`."""
    if isinstance(value, dict):
        return Members([key, tree(member)] for key, member in value.items())
    return [tree(item) for item in value] if isinstance(value, list) else value


def written(value: Any) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, Members):
        return "{" + ", ".join(f"{written(key)}: {written(member)}" for key, member in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


# --- payloads as they should be. TEXT and 7007 stand for what differs from chunk to chunk.

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7007, "model": "m-1"}
CANDIDATE = {"token": "TEXT", "logprob": -0.25, "bytes": [84, 69]}
TOKEN = CANDIDATE | {"top_logprobs": [CANDIDATE, {"token": "x", "logprob": -9999.0, "bytes": None}]}
RESULT = {
    "type": "moderation_result",
    "model": "omni",
    "flagged": False,
    "categories": {"hate": False, "violence": True},
    "category_scores": {"hate": 0.125, "violence": 1},
    "category_applied_input_types": {"hate": ["text"], "violence": ["text", "image"]},
}
RESULTS = {"type": "moderation_results", "model": "omni", "results": [RESULT]}
DETAILS = {"reasoning_tokens": 1, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 7007,
    "total_tokens": 10,
    "completion_tokens_details": DETAILS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": None},
}


def chunk(delta: Any, **members: Any) -> dict[str, Any]:
    return HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": None, **members}]}


FUNCTION = {"name": "look", "arguments": "TEXT"}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": FUNCTION}
BASES: dict[str, Any] = {
    "text": chunk({"content": "TEXT"}, logprobs=None) | {"system_fingerprint": "fp", "service_tier": "default"},
    "first": chunk({"role": "assistant", "content": "", "refusal": None}),
    "nulls": chunk({"role": None, "content": "TEXT", "refusal": None, "tool_calls": None}) | {"usage": None},
    "refusal": chunk({"refusal": "TEXT"}),
    "call": chunk({"tool_calls": [CALL]}),
    "arguments": chunk({"tool_calls": [{"index": 0, "function": {"arguments": "TEXT"}}]}),
    "function_call": chunk({"function_call": FUNCTION}),
    "audio": chunk({"audio": {"id": "a", "data": "TEXT", "transcript": None, "expires_at": 7007}}),
    "logprobs": chunk({"content": "TEXT"}, logprobs={"content": [TOKEN, TOKEN], "refusal": [TOKEN]}),
    "finish": chunk({}, finish_reason="stop"),
    "usage": HEAD | {"choices": [], "usage": USAGE},
    "obfuscation": chunk({"content": "TEXT"}) | {"obfuscation": "TEXT"},
    "two choices": HEAD | {"choices": [{"index": index, "delta": {"content": "TEXT"}} for index in (1, 0)]},
    "reasoning": chunk({"reasoning_content": "TEXT", "reasoning_details": [{"type": "t", "text": "TEXT"}]}),
    "moderation": HEAD | {"choices": [], "moderation": {"input": RESULTS, "output": RESULTS}},
    "moderation error": HEAD
    | {"choices": [], "moderation": {"input": RESULTS, "output": {"type": "error", "code": "c", "message": "TEXT"}}},
    "unknown": chunk({"content": "TEXT", "mood": {"is": ["good", 1]}}, seen=[1.5, None]) | {"x": {"y": [{"z": 7007}]}},
}

# --- what takes the place of a value, and of a key


def words(text: str) -> list[str]:
    return text.split()


NUMBERS = words("""
    0 1 -1 7 1.0 1.5 -0 -0.0 1e2 1E-2 1.0e0 1e400 -1e400 1e-400 0.1 3.141592653589793238462643 100000000000000000000.0
    9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775809 18446744073709551616
    123456789012345678901234567890 NaN Infinity -Infinity
""")
TEXTS = words(r"""
    1 1.0 -7 1_000 2020-01-01 true null NaN x stop tool tool_calls function assistant default text image error
    moderation_results moderation_result chat.completion.chunk é 水 \u00e9 \uff11 \/ \n \" \\ \u0000
    \ud83d\ude00 \ud83d \ude00 \ude00\ud83d a\ud800b \ud83d\ud83d\ude00
""")
OTHERS = ["null", "true", "false", "[]", "{}", "[[]]", "[null]", "[{}]", "[[{}]]", "[1, 2]", '["a"]', '{"a": 1}']
OTHERS += ['{"a": {"b": []}}', '{"type": "error"}', '{"type": []}', '{"index": 0}', '{"": null}', '""', '" 12 "']
ODD: list[Any] = [Raw(token) for token in NUMBERS + OTHERS] + [Raw(f'"{text}"') for text in TEXTS]

FIELDS = words("""
    id object created model choices usage index delta finish_reason logprobs content role refusal tool_calls audio data
    function_call name arguments type function token bytes logprob top_logprobs moderation input output categories
    results flagged code message service_tier prompt_tokens total_tokens obfuscation
""")
NASTY = words("""
    _fields_set self cls __cls _BaseModel__cls values m model_config model_fields model_extra model_fields_set __dict__
    __class__ __pydantic_extra__ __pydantic_fields_set__ __pydantic_private__ __slots__ __init__ model_dump
    model_construct construct copy json dict schema to_dict _request_id __exclude_fields__ error
""")
KEYS: list[Any] = [*FIELDS, *NASTY, "", "é", "a b", Raw(r'"\ud800"'), Raw(r'"\u0000"'), Raw(r'"c\u006fntent"')]

# What differs from chunk to chunk: inside a JSON string, and a number.
WORDS = [
    "a",
    "",
    "hello",
    " wörld",
    r"\n",
    r"\"q\"",
    r"\u00e9",
    r"\ud83d\ude80",
    r"\ud83d",
    r"\udc00",
    "水" * 9,
    "{}",
    "7007",
]
COUNTS = ["7007", "0", "-1", "1", "10", "12345678901", "9223372036854775808", "1.0", "true", "null", '"7"']

# --- mutation


def places(value: Any) -> Iterator[tuple[list[Any], int]]:
    """Yield where the values of a tree are: a list, or a member, and the position in it."""
    for position, item in enumerate(value):
        holder, at = (item, 1) if isinstance(value, Members) else (value, position)
        yield holder, at
        if isinstance(holder[at], list):
            yield from places(holder[at])


def mutate(draw: Callable[..., Any], root: Members) -> None:
    """Change one thing in a tree."""
    holder, at = draw(st.sampled_from(list(places(root))))
    objects = [root, *(held[where] for held, where in places(root) if isinstance(held[where], Members))]
    members: Members = draw(st.sampled_from(objects))
    odd = st.sampled_from(ODD)
    match draw(st.integers(0, 9)):
        case 0 | 1 | 2:
            holder[at] = draw(odd)
        case 3:
            holder[at] = [holder[at]] * draw(st.integers(1, 2))
        case 4:
            other, position = draw(st.sampled_from(list(places(root))))
            holder[at] = copy.deepcopy(other[position])
        case 5 | 6:
            member = [draw(st.sampled_from(KEYS)), draw(odd)]
            members.insert(draw(st.integers(0, len(members))), member)
        case 7 if members:
            del members[draw(st.integers(0, len(members) - 1))]
        case 8 if members:
            key = draw(st.sampled_from(members))[0]
            members.insert(draw(st.integers(0, len(members))), [key, draw(odd)])
        case _:
            members[:] = draw(st.permutations(members))


@st.composite
def payloads(draw: Callable[..., Any], changes: int = 3) -> str:
    """Draw the text of a payload, with TEXT and 7007 in it where the payload it comes from had them."""
    root = tree(draw(st.sampled_from(list(BASES.values()))))
    for _ in range(draw(st.integers(0, changes))):
        mutate(draw, root)
    return written(root)


@st.composite
def streams(draw: Callable[..., Any], kinds: int = 4, chunks: int = 16) -> list[bytes]:
    """Draw payloads of a few kinds after one another, as one stream may have them."""
    drawn = draw(st.lists(payloads(), min_size=1, max_size=kinds))
    order = draw(st.lists(st.sampled_from(drawn), min_size=1, max_size=chunks))
    words, counts = st.sampled_from(WORDS), st.sampled_from(COUNTS)
    return [text.replace("TEXT", draw(words)).replace("7007", draw(counts)).encode() for text in order]
