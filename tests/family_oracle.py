"""What one event of a family says: whose it is, what output it bears, its text, its usage.

Source: OpenAI API reference, "Streaming" of chat completions, completions and responses;
Anthropic API reference, "Streaming Messages".
"""

import re
from typing import Any

from .folding_oracle import PIECES, USAGE


def family_of(payload: dict[str, Any]) -> str | None:
    """Return the family that speaks so; None where that is open."""
    kind = str(payload.get("type"))
    if kind.startswith("response."):
        return "responses"
    if kind == "ping" or re.match("message_|content_block_", kind):
        return "messages"
    if kind == "error":
        return "messages" if payload.get("error") else "responses"
    if payload.get("object") == "text_completion":
        return "completions"
    if str(payload.get("object")).startswith("chat.completion"):
        return "chat"
    choices = items(payload.get("choices"))
    if not choices:
        return None  # the usage of chat completions and of completions look alike
    return "completions" if "text" in choices[0] and "delta" not in choices[0] else "chat"


def items(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def members(value: Any, *path: str) -> Any:
    """Return what is at `path` below `value`, None where nothing is."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def index_of(choice: Any, place: int) -> int:
    try:
        sent = int(members(choice, "index"))
    except (TypeError, ValueError, OverflowError):
        return place
    return sent if sent.bit_length() < 64 or sent == -(2**63) else place


def has_text(value: Any) -> bool:
    """Tell whether there is text, in parts too."""
    if isinstance(value, list):
        return any(map(has_text, value))
    if isinstance(value, dict):
        return any(has_text(value.get(name)) for name in PIECES)
    return isinstance(value, str) and value != ""


REASONING = ("reasoning_content", "reasoning", "reasoning_details")


def chat_bears(payload: dict[str, Any]) -> bool:
    for choice in items(payload.get("choices")):
        delta = choice.get("delta")
        values = [members(delta, name) for name in ("content", "refusal", *REASONING)]
        values.append(members(delta, "function_call", "arguments"))
        values += [members(delta, "audio", name) for name in ("data", "transcript")]
        for call in items(members(delta, "tool_calls")):
            arguments = members(call, "function", "arguments")
            # Some send an object where the others send its text.
            values += [str(arguments) if arguments else "", members(call, "custom", "input")]
        if any(map(has_text, values)):
            return True
    return False


def bears_output(payload: dict[str, Any], family: str | None) -> bool:
    """Tell whether an event has content, reasoning, a refusal or tool arguments that are not empty."""
    kind = str(payload.get("type"))
    if family == "chat":
        return chat_bears(payload)
    if family == "completions":
        return any(has_text(choice.get("text")) for choice in items(payload.get("choices")))
    if family == "responses":
        delta = payload.get("delta")  # always text here: parts come in events of their own
        return kind.startswith("response.") and kind.endswith(".delta") and isinstance(delta, str) and delta != ""
    if family == "messages" and kind == "content_block_delta":
        return any(has_text(members(payload, "delta", name)) for name in ("text", "thinking", "partial_json"))
    if family == "messages" and kind == "content_block_start":
        block = payload.get("content_block")
        return bool(members(block, "text") or members(block, "thinking") or members(block, "input"))
    return False


def text_of(payload: dict[str, Any], family: str | None) -> str:
    """Return the content of choice 0."""
    kind = payload.get("type")
    if family in ("chat", "completions"):
        pieces = []
        for place, choice in enumerate(items(payload.get("choices"))):
            if index_of(choice, place) == 0:
                value = choice.get("text") if family == "completions" else members(choice, "delta", "content")
                parts = [part.get("text") for part in items(value) if part.get("type") != "thinking"]
                pieces += [value] if isinstance(value, str) else parts
        return "".join(piece for piece in pieces if isinstance(piece, str))
    if family == "responses" and kind == "response.output_text.delta":
        value = payload.get("delta")
    elif family == "messages" and kind == "content_block_delta":
        value = members(payload, "delta", "text")
    elif family == "messages" and kind == "content_block_start":
        value = members(payload, "content_block", "text")
    else:
        value = None
    return value if isinstance(value, str) else ""


def some(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {})}


def usage_of(value: dict[str, Any], family: str | None) -> dict[str, Any]:
    if family == "responses":
        return some(
            prompt_tokens=value.get("input_tokens"),
            completion_tokens=value.get("output_tokens"),
            total_tokens=value.get("total_tokens"),
            prompt_tokens_details=some(cached_tokens=members(value, "input_tokens_details", "cached_tokens")),
            completion_tokens_details=some(
                reasoning_tokens=members(value, "output_tokens_details", "reasoning_tokens")
            ),
        )
    if family == "messages":
        read, written = value.get("cache_read_input_tokens"), value.get("cache_creation_input_tokens")
        asked = [count for count in (value.get("input_tokens"), read, written) if count is not None]
        prompt, output = sum(asked) if asked else None, value.get("output_tokens")
        return some(
            prompt_tokens=prompt,
            completion_tokens=output,
            total_tokens=None if prompt is None or output is None else prompt + output,
            prompt_tokens_details=some(cached_tokens=read, cache_write_tokens=written),
            completion_tokens_details=some(reasoning_tokens=members(value, "output_tokens_details", "thinking_tokens")),
        )
    return USAGE(value)


def said_usage(payload: dict[str, Any]) -> Any:
    """Return the usage of an event, wherever its family has it."""
    for path in (("usage",), ("response", "usage")):
        if isinstance(members(payload, *path), dict):
            return members(payload, *path)
    usage = members(payload, "message", "usage")
    # Of a message that begins no output is counted yet, whatever stands there.
    return (
        {name: count for name, count in usage.items() if name != "output_tokens"} if isinstance(usage, dict) else None
    )


def without_none(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {name: without_none(item) for name, item in value.items()}
    return {name: item for name, item in kept.items() if item is not None and item != {}}
