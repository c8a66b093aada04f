"""Folding by the written rules, plainly and slowly: payloads as `json.loads` gives them, to the completion."""

import json
from typing import Any

import msgspec

from deltawire import Usage

LAST_OF_CHUNK = (
    "usage", "service_tier", "system_fingerprint", "moderation", "provider", "openrouter_metadata", "x_groq",
    "citations", "search_results", "prompt_filter_results", "prompt_token_ids", "metrics", "sglext", "time_info",
    "perf_metrics", "warnings",
)  # fmt: skip
LAST_OF_CHOICE = ("finish_reason", "stop_reason", "matched_stop", "content_filter_results", "content_filter_offsets")


def fold(payloads: list[Any]) -> dict[str, Any]:
    """Return the completion that the payloads make up, members that never came left out."""
    completion: dict[str, Any] = {"object": "chat.completion"}
    choices: dict[int, Any] = {}
    for chunk in payloads:
        if not isinstance(chunk, dict):
            continue
        for name in ("id", "created", "model"):
            first(completion, name, chunk.get(name))
        for name in LAST_OF_CHUNK:
            last(completion, name, chunk.get(name))
        for place, sent in enumerate(chunk.get("choices") or ()):
            index = place if sent.get("index") is None else sent["index"]
            choice = choices.setdefault(index, {"index": index, "message": {}, "calls": []})
            for name in LAST_OF_CHOICE:
                last(choice, name, sent.get(name))
            join(choice, "token_ids", sent.get("token_ids"))
            fold_logprobs(choice, sent.get("logprobs"))
            fold_delta(choice["message"], choice["calls"], sent.get("delta") or {})
    completion["choices"] = [finished(choices[index]) for index in sorted(choices)]
    if "usage" in completion:
        # Of its members, those that are known.
        completion["usage"] = json.loads(msgspec.json.encode(msgspec.convert(completion["usage"], Usage)))
    return without_nulls(completion)


def first(target: dict[str, Any], name: str, value: Any) -> None:
    if name not in target and value and value != "null":
        target[name] = value


def last(target: dict[str, Any], name: str, value: Any) -> None:
    if value is not None and value not in ("", "null"):
        target[name] = value


def join(target: dict[str, Any], name: str, piece: Any) -> None:
    if piece is not None:
        target[name] = target[name] + piece if name in target else piece


def text(value: Any) -> Any:
    """What is no text becomes its JSON, as decoding has it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def fold_logprobs(choice: dict[str, Any], sent: Any) -> None:
    if isinstance(sent, (int, float)):
        if not isinstance(choice.get("logprobs"), dict):
            join(choice, "logprobs", [sent])
    elif sent is not None:
        kept = choice.get("logprobs")
        choice["logprobs"] = kept = kept if isinstance(kept, dict) else {}
        for name in ("content", "refusal"):
            join(kept, name, sent.get(name))


def fold_delta(message: dict[str, Any], calls: list[Any], delta: dict[str, Any]) -> None:
    first(message, "role", delta.get("role"))
    fold_content(message, delta.get("content"))
    for name in ("refusal", "reasoning_content", "reasoning"):
        join(message, name, text(delta.get(name)))
    for name in ("annotations", "reasoning_details", "executed_tools", "images"):
        if delta.get(name) is not None:
            fold_parts(message.setdefault(name, []), delta[name])
    last(message, "hidden_states", delta.get("hidden_states"))
    fold_function(message, "function_call", delta.get("function_call"), "arguments")
    if (audio := delta.get("audio")) is not None:
        kept = message.setdefault("audio", {})
        first(kept, "id", audio.get("id"))
        join(kept, "data", audio.get("data"))
        join(kept, "transcript", audio.get("transcript"))
        last(kept, "expires_at", audio.get("expires_at"))
    for fragment in delta.get("tool_calls") or ():
        fold_call(calls, fragment)


def fold_function(target: dict[str, Any], name: str, sent: Any, argument: str) -> None:
    if sent is not None:
        kept = target.setdefault(name, {})
        first(kept, "name", sent.get("name"))
        join(kept, argument, text(sent.get(argument)))


def fold_call(calls: list[Any], fragment: dict[str, Any]) -> None:
    index, name = fragment.get("index"), fragment.get("id")
    name = None if name in ("", "null") else name
    if index is None:
        same = [call for call in calls if call["id"] == name] if name else calls[-1:]
        index = same[-1]["index"] if same else max((call["index"] for call in calls), default=-1) + 1
    there = sorted((call for call in calls if call["index"] == index), key=lambda call: call["used"])
    if name and there and there[-1]["id"] not in (None, name):
        there = [call for call in there if call["id"] == name]
    if not there:
        calls.append({"index": index, "id": name, "call": {}, "used": 0})
        there = calls[-1:]
    call = there[-1]
    call["used"] = 1 + max(each["used"] for each in calls)
    call["id"] = name or call["id"]
    kept = call["call"]
    first(kept, "id", fragment.get("id"))
    first(kept, "type", fragment.get("type"))
    fold_function(kept, "function", fragment.get("function"), "arguments")
    fold_function(kept, "custom", fragment.get("custom"), "input")
    last(kept, "extra_content", fragment.get("extra_content"))


def fold_content(message: dict[str, Any], piece: Any) -> None:
    """Text stays text until a part comes; "text ends" tells that the last part takes no more."""
    known = message.get("content")
    if isinstance(piece, list):
        parts = known if isinstance(known, list) else [{"type": "text", "text": known}] if known else []
        message["content"] = parts
        fold_parts(parts, piece)
        message["text ends"] = True
    elif isinstance(known, list):
        if piece:
            if message.pop("text ends", True):
                known.append({"type": "text", "text": ""})
            known[-1]["text"] += piece
            message["text ends"] = False
    else:
        join(message, "content", piece)


def fold_parts(parts: list[Any], sent: list[Any]) -> None:
    for part in sent:
        index = part.get("index") if isinstance(part, dict) else None
        if type(index) is not int:
            parts.append(part)
            continue
        kind = part.get("type") or None
        there = [each for each in parts if isinstance(each, dict) and each.get("index") == index]
        # No stream of ours has parts of one index and several types in turn.
        there = [each for each in there if kind is None or (each.get("type") or kind) == kind]
        if not there:
            parts.append({})
            there = parts[-1:]
        for name, value in part.items():
            known = there[-1].get(name)
            if name in ("text", "summary", "data", "thinking") and type(known) is type(value) in (str, list):
                there[-1][name] = known + value
            elif value is not None:
                there[-1][name] = value


def finished(choice: dict[str, Any]) -> dict[str, Any]:
    calls = [each["call"] for each in sorted(choice.pop("calls"), key=lambda call: call["index"])]
    choice["message"].pop("text ends", None)
    if calls:
        choice["message"]["tool_calls"] = calls
    return choice


def without_nulls(value: Any) -> Any:
    """Leave out null members: whether a Struct's or another object's, nobody can tell from JSON."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
