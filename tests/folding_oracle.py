"""What a stream folds into: all values of a member at once, plainly and slowly.

A table gives, for each member of an object, how a value of it is read and what becomes
of all the values read. Null says nothing anywhere; members that no table names are left
out.

Source: OpenAI API reference, "The chat completion object".
"""

import json
import math
import re
from typing import Any, NamedTuple

import msgspec

from deltawire import ChatCompletion, ChunkDecodeError, UpstreamError

from .oracle import interpret

# --- from bytes to payloads -----------------------------------------------------------


def payloads_of(stream: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects of a stream that may be cut, up to `[DONE]`; errors are left out."""
    payloads = []
    for name, data, *_ in interpret(stream + b"\n\n").events:
        if data.strip(" \t\r\n") == "[DONE]":
            break
        try:
            payload = without_surrogates(json.loads(data))
        except ValueError:
            continue
        if name != "error" and isinstance(payload, dict) and not payload.get("error"):
            payloads.append(payload)
    return payloads


def observed(accumulator: Any, *reads: bytes) -> dict[str, Any]:
    """Return the JSON of what an accumulator makes of `reads`, read on behind each fault."""
    for read in reads:
        past_faults(accumulator.feed, read)
    past_faults(accumulator.finish)
    return json_of(accumulator.completion())


def past_faults(call: Any, *arguments: Any) -> Any:
    while True:
        try:
            return call(*arguments)
        except (ChunkDecodeError, UpstreamError):
            continue


def json_of(completion: ChatCompletion) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(completion))


def without_surrogates(value: Any) -> Any:
    """Lone surrogates are no Unicode text."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(name): without_surrogates(item) for name, item in value.items()}
    return value


def without_nan(value: Any) -> Any:
    """JSON has no such numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, dict):
        return {name: without_nan(item) for name, item in value.items()}
    return value


# --- how a value is read: None where it is of no use ----------------------------------


def text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def anything(value: Any) -> Any:
    return value


def array(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) else None


def list_of(read: Any) -> Any:
    def read_list(value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            return None
        return [item for item in map(read, value) if item is not None]

    return read_list


def record(**members: Any) -> Any:
    """An object of these members, which goes through as it is."""

    def read_record(value: Any) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            return None
        items = {name: without_nan(read(value.get(name))) for name, read in members.items()}
        return {name: item for name, item in items.items() if item is not None}

    return read_record


def text_or_list(value: Any) -> str | list[Any] | None:
    return value if isinstance(value, list) else text(value)


def text_or_whole(value: Any) -> str | int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else text(value)


# --- what becomes of the values -------------------------------------------------------

NONE = ("", "null")
PIECES = ("text", "summary", "data", "thinking")


def first(values: list[Any]) -> Any:
    return next((value for value in values if value not in (0, *NONE)), None)


def last(values: list[Any]) -> Any:
    return next((value for value in reversed(values) if not (isinstance(value, str) and value in NONE)), None)


def joined(values: list[str]) -> str:
    return "".join(values)


def extended(values: list[list[Any]]) -> list[Any]:
    return [item for value in values for item in value]


def sent_index(value: dict[str, Any], otherwise: Any = None) -> Any:
    """Return an index; 64 bits hold it, or it is none."""
    index = value.get("index", otherwise)
    return otherwise if isinstance(index, int) and index not in range(-(2**63), 2**63) else index


def parts(values: list[list[Any]]) -> list[Any]:
    """Parts of the same index and type are one."""
    result: list[Any] = []
    places: dict[int, list[dict[str, Any]]] = {}  # the parts of an index, the last one touched last
    for part in extended(values):
        index = sent_index(part) if isinstance(part, dict) else None
        if not isinstance(index, int) or isinstance(index, bool):
            result.append(part)
            continue
        here = places.setdefault(index, [])
        target = next((other for other in reversed(here) if one_type(other, part)), None)
        if target is None:
            target = {}
            result.append(target)
        merge(target, part)
        places[index] = [other for other in here if other is not target] + [target]
    return result


def one_type(part: dict[str, Any], other: dict[str, Any]) -> bool:
    return not part.get("type") or not other.get("type") or part["type"] == other["type"]


def merge(target: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        if value is None:
            continue
        held = target.get(name)
        if name in PIECES and type(held) is type(value) and isinstance(value, str | list):
            target[name] = held + value
        else:
            target[name] = value


def content(values: list[str | list[Any]]) -> Any:
    """Text; once there are parts, text among them is a part."""
    if all(isinstance(value, str) for value in values):
        return joined(values)
    lists: list[list[Any]] = []
    text_before = False
    for value in values:
        if isinstance(value, list):
            lists.append(value)
            text_before = False
        elif value and text_before:
            lists[-1][0]["text"] += value
        elif value:
            lists.append([{"type": "text", "text": value}])
            text_before = True
    return parts(lists)


def logprobs(values: list[Any]) -> Any:
    tokens = [value for value in values if isinstance(value, dict)]
    return folded(tokens, LOGPROBS) if tokens else extended(values)


class Call(NamedTuple):
    """A tool call, in fragments."""

    index: int
    fragments: list[dict[str, Any]]

    @property
    def id(self) -> str | None:
        return first([fragment["id"] for fragment in self.fragments if "id" in fragment])


def calls(values: list[list[dict[str, Any]]]) -> list[Any]:
    """Calls are told apart by index and id."""
    found: list[Call] = []  # in the order of their making
    touched: list[Call] = []  # the same, the one that was touched last in front
    named: dict[str, Call] = {}  # by id, the call that was last called so
    for fragment in extended(values):
        index, name = sent_index(fragment), first([fragment.get("id")])
        if index is not None:
            call = call_at(index, name, touched)
        elif name is not None:
            call = named.get(name)
        else:
            call = found[-1] if found else None
        if call is None:
            call = Call(max((other.index for other in found), default=-1) + 1 if index is None else index, [])
            found.append(call)
        call.fragments.append(fragment)
        touched = [call] + [other for other in touched if other is not call]
        if name is not None:
            named[name] = call
    found.sort(key=lambda call: call.index)
    return [folded(call.fragments, CALL) for call in found]


def call_at(index: int, name: str | None, touched: list[Call]) -> Call | None:
    """Return the call that a fragment at `index` belongs to; None: to a new one."""
    here = [call for call in touched if call.index == index]
    if not here or name is None or here[0].id in (None, name):
        return here[0] if here else None
    return next((call for call in here if call.id == name), None)


def choices(values: list[list[dict[str, Any]]]) -> list[Any]:
    """Choices are told apart by index; one without has that of its position."""
    found: dict[int, list[dict[str, Any]]] = {}
    for value in values:
        for position, choice in enumerate(value):
            found.setdefault(sent_index(choice, position), []).append(choice)
    result = []
    for index in sorted(found):
        choice = folded(found[index], CHOICE)
        result.append({"index": index, "message": choice.pop("delta", {}), **choice})
    return result


# --- the tables: name, how it is read, what becomes of it -----------------------------


def nested(table: dict[str, Any]) -> tuple[Any, Any]:
    """An object that is folded by a table of its own."""
    return members_of(table), lambda values: folded(values, table)


def members_of(table: dict[str, Any]) -> Any:
    return record(**{name: read for name, (read, _) in table.items()})


def folded(objects: list[dict[str, Any]], table: dict[str, Any]) -> dict[str, Any]:
    result = {}
    for name, (_, fold) in table.items():
        values = [item[name] for item in objects if item.get(name) is not None]
        value = without_nan(fold(values)) if values else None
        if value is not None:
            result[name] = value
    return result


def token(*more: str) -> Any:
    members: dict[str, Any] = {"token": text, "logprob": number, "bytes": list_of(whole)}
    return record(**members, **{name: list_of(token()) for name in more})


FUNCTION = {"name": (text, first), "arguments": (text, joined)}
CUSTOM = {"name": (text, first), "input": (text, joined)}
CALL = {
    "id": (text, first),
    "type": (text, first),
    "function": nested(FUNCTION),
    "custom": nested(CUSTOM),
    "extra_content": (anything, last),
}
CALL_FRAGMENT = record(index=whole, **{name: read for name, (read, _) in CALL.items()})
AUDIO = {"id": (text, first), "data": (text, joined), "transcript": (text, joined), "expires_at": (whole, last)}
DELTA = {
    "role": (text, first),
    "content": (text_or_list, content),
    "refusal": (text, joined),
    "tool_calls": (list_of(CALL_FRAGMENT), calls),
    "function_call": nested(FUNCTION),
    "audio": nested(AUDIO),
    "reasoning_content": (text, joined),
    "reasoning": (text, joined),
    "reasoning_details": (array, parts),
    "annotations": (array, parts),
    "executed_tools": (array, parts),
    "images": (array, parts),
    "hidden_states": (anything, last),
}
TOKENS = list_of(token("top_logprobs"))
LOGPROBS = {"content": (TOKENS, extended), "refusal": (TOKENS, extended)}


def tokens_or_number(value: Any) -> dict[str, Any] | list[float] | None:
    return members_of(LOGPROBS)(value) if isinstance(value, dict) else None if number(value) is None else [value]


CHOICE = {
    "delta": nested(DELTA),
    "logprobs": (tokens_or_number, logprobs),
    "finish_reason": (text, last),
    "stop_reason": (text_or_whole, last),
    "matched_stop": (text_or_whole, last),
    "token_ids": (list_of(whole), extended),
    "content_filter_results": (anything, last),
    "content_filter_offsets": (anything, last),
}
CHOICE_CHUNK = record(index=whole, **{name: read for name, (read, _) in CHOICE.items()})
COMPLETION_DETAILS = "accepted_prediction_tokens audio_tokens reasoning_tokens rejected_prediction_tokens text_tokens"
PROMPT_DETAILS = "audio_tokens cache_write_tokens cached_tokens image_tokens text_tokens"
COUNTS = "prompt_tokens completion_tokens total_tokens prompt_cache_hit_tokens prompt_cache_miss_tokens"
USAGE = record(
    **dict.fromkeys(COUNTS.split(), whole),
    completion_tokens_details=record(**dict.fromkeys(COMPLETION_DETAILS.split(), whole)),
    prompt_tokens_details=record(**dict.fromkeys(PROMPT_DETAILS.split(), whole)),
    cost=anything,
    cost_details=anything,
    is_byok=flag,
)
VERDICT = record(
    type=text,
    model=text,
    flagged=flag,
    categories=anything,
    category_scores=anything,
    category_applied_input_types=anything,
)
SIDE = record(type=text, model=text, results=list_of(VERDICT), code=text, message=text)
CHUNK = {
    "id": (text, first),
    "created": (whole, first),
    "model": (text, first),
    "choices": (list_of(CHOICE_CHUNK), choices),
    "usage": (USAGE, last),
    "service_tier": (text, last),
    "system_fingerprint": (text, last),
    "moderation": (record(input=SIDE, output=SIDE), last),
    "provider": (text, last),
    "openrouter_metadata": (anything, last),
    "x_groq": (anything, last),
    "citations": (array, last),
    "search_results": (array, last),
    "prompt_filter_results": (anything, last),
    "prompt_token_ids": (list_of(whole), last),
    "metrics": (anything, last),
    "sglext": (anything, last),
    "time_info": (anything, last),
    "perf_metrics": (anything, last),
    "warnings": (anything, last),
}


def completion_of(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON of the completion that the payloads make up."""
    read = members_of(CHUNK)
    return {"object": "chat.completion", "choices": []} | folded([read(payload) for payload in payloads], CHUNK)
