"""What a payload says to who only watches, by the family of its stream. Both twins ask here.

Sources: OpenAI API reference, "The chat completion chunk object", "The completion object"
and "Streaming events" (Responses); Anthropic API reference, "Streaming Messages".
"""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import msgspec

from .chunks import CompletionTokensDetails, PromptTokensDetails, Usage, index_of, text_of
from .coerce import NotAChunk, fitted, loads
from .report import Family

T = TypeVar("T")

FAMILIES: tuple[Family, ...] = get_args(Family)

# Around a payload (RFC 8259, section 2).
WHITE_SPACE = b" \t\r\n"

# What is sent for no finish reason at all.
_NO_REASON = ("", "null")


class Said(msgspec.Struct):
    """What one payload says.

    Attributes:
        bears_output: content, reasoning, a refusal, tool arguments or audio, not empty.
        text: what it adds to the content of choice 0.
        reasons: the choices that it has: index and finish reason, None for none.
        ended: it ends the stream.
    """

    bears_output: bool = False
    text: str = ""
    usage: Usage | None = None
    reasons: list[tuple[int, str | None]] = []
    model: str | None = None
    id: str | None = None
    error: Any = None
    ended: bool = False


def payload_of(data: bytes) -> Any:
    """Return an event's data as plain JSON, as leniently as chunks are read.

    Raises:
        NotAChunk: it is no JSON.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return loads(data)


def object_of(data: bytes) -> dict[str, Any] | None:
    """Return an event's data if it is a JSON object; None otherwise."""
    try:
        payload = payload_of(data)
    except NotAChunk:
        return None
    return payload if isinstance(payload, dict) else None


def family_of(payload: dict[str, Any]) -> Family | None:
    """Return the family that a payload belongs to; None where it does not tell."""
    kind = payload.get("type")
    if isinstance(kind, str):
        if kind.startswith("response."):
            return "responses"
        if kind == "ping" or kind.startswith(("message_", "content_block_")):
            return "messages"
        if kind == "error":
            return "messages" if isinstance(payload.get("error"), dict) else "responses"
    name = payload.get("object")
    if isinstance(name, str):
        if name.startswith("text_completion"):
            return "completions"
        if name.startswith("chat.completion"):
            return "chat"
    if choices := _objects(payload.get("choices")):
        return "completions" if "text" in choices[0] and "delta" not in choices[0] else "chat"
    return None


def said_by(payload: dict[str, Any], family: Family | None) -> Said:
    """Return what a payload says in a stream of `family`; None stands for one that has not told yet."""
    return _READERS.get(family, _chat)(payload)


def is_end(data: bytes, payload: dict[str, Any] | None, family: Family | None) -> bool:
    """Tell whether an event is the last of a stream of `family`."""
    if payload is None:
        return data.strip(WHITE_SPACE) == b"[DONE]"
    kind = payload.get("type")
    return kind == "message_stop" if family == "messages" else family == "responses" and kind in RESPONSE_ENDS


def merged(known: Usage | None, new: Usage, family: Family | None) -> Usage:
    """Return the usage so far, `new` included: Anthropic sends it in parts, the others as a whole."""
    if known is None or family != "messages":
        return new
    details = PromptTokensDetails()
    for usage in (known, new):
        if (sent := usage.prompt_tokens_details) is not None:
            details.cached_tokens = _latest(sent.cached_tokens, details.cached_tokens)
            details.cache_write_tokens = _latest(sent.cache_write_tokens, details.cache_write_tokens)
    prompt = _latest(_uncached(new), _uncached(known))
    both = Usage(
        prompt_tokens=prompt,
        completion_tokens=_latest(new.completion_tokens, known.completion_tokens),
        completion_tokens_details=_latest(new.completion_tokens_details, known.completion_tokens_details),
    )
    return _with_cache(both, details)


def _latest(new: T | None, known: T | None) -> T | None:
    return known if new is None else new


# --- chat completions, and the legacy ones ----------------------------------------------


class _Choice(msgspec.Struct):
    """What is read of a choice as a decoder reads it."""

    index: int | None = None
    finish_reason: str | None = None


def _chat(payload: dict[str, Any]) -> Said:
    usage = payload.get("usage")
    said = Said(
        usage=fitted(usage, Usage) if isinstance(usage, dict) else None,
        model=_name(payload.get("model")),
        id=_name(payload.get("id")),
        error=payload.get("error") or None,
        reasons=[],
    )
    for place, choice in enumerate(_objects(payload.get("choices"))):
        head = fitted(choice, _Choice)
        index = index_of(head.index, place)
        said.reasons.append((index, None if head.finish_reason in _NO_REASON else head.finish_reason))
        delta = choice.get("delta")
        content = delta.get("content") if isinstance(delta, dict) else choice.get("text")
        if (isinstance(delta, dict) and _delta_speaks(delta)) or _speaks(content):
            said.bears_output = True
        if index == 0 and isinstance(content, (str, list)):
            said.text += text_of(content)
    return said


def _delta_speaks(delta: dict[str, Any]) -> bool:
    """Tell whether a delta bears output beside its content."""
    if any(_speaks(delta.get(name)) for name in ("reasoning_content", "reasoning", "refusal", "reasoning_details")):
        return True
    audio = delta.get("audio")
    if isinstance(audio, dict) and (_speaks(audio.get("data")) or _speaks(audio.get("transcript"))):
        return True
    functions = [delta.get("function_call")]
    for call in _objects(delta.get("tool_calls")):
        functions += call.get("function"), call.get("custom")
    return any(
        _speaks(function.get("arguments")) or _speaks(function.get("input"))
        for function in functions
        if isinstance(function, dict)
    )


def _speaks(value: Any) -> bool:
    """Tell whether a value bears output: text, arguments as an object, or parts of which one does, however deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            for part in value:
                if isinstance(part, dict):
                    waiting += map(part.get, ("text", "thinking", "summary", "data"))
                elif isinstance(part, str) and part:
                    return True
        elif isinstance(value, (str, dict)) and value:
            return True
    return False


# --- OpenAI's Responses -------------------------------------------------------------------

RESPONSE_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")


def _responses(payload: dict[str, Any]) -> Said:
    kind = payload.get("type")
    kind = kind if isinstance(kind, str) else ""
    said = Said(error=payload.get("error") or None, ended=kind in RESPONSE_ENDS)
    if kind == "error":
        said.error = said.error or payload
    delta = payload.get("delta")
    if kind.endswith(".delta") and isinstance(delta, str):
        said.bears_output = delta != ""
        said.text = delta if kind == "response.output_text.delta" else ""
    response = payload.get("response")
    if not isinstance(response, dict):
        response = {}
    said.model = _name(response.get("model"))
    said.id = _name(response.get("id"))
    said.usage = _from_counts(response.get("usage"))
    if response or said.ended:
        said.reasons = [(0, _reason_of(response, kind) if said.ended else None)]
    if kind == "response.failed":
        said.error = response.get("error") or said.error or payload
    return said


def _reason_of(response: dict[str, Any], kind: str) -> str:
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return (isinstance(reason, str) and reason) or kind.removeprefix("response.")


# --- Anthropic's Messages -----------------------------------------------------------------


def _messages(payload: dict[str, Any]) -> Said:
    kind = payload.get("type")
    said = Said(usage=_from_counts(payload.get("usage")), error=payload.get("error") or None)
    if kind == "error":
        said.error = said.error or payload
    message = payload.get("message")
    if kind == "message_start" and isinstance(message, dict):
        said.model = _name(message.get("model"))
        said.id = _name(message.get("id"))
        said.usage = _from_counts(message.get("usage"))
        if said.usage is not None:
            # A place holder, whatever it is: what was put out is counted at the end.
            said.usage.completion_tokens = said.usage.total_tokens = None
        said.reasons = [(0, _name(message.get("stop_reason")))]
    block = payload.get("content_block") if kind == "content_block_start" else payload.get("delta")
    if isinstance(block, dict):
        if kind == "message_delta":
            said.reasons = [(0, _name(block.get("stop_reason")))]
        else:
            said.bears_output = any(_speaks(block.get(name)) for name in ("text", "thinking", "partial_json", "input"))
            said.text = _name(block.get("text")) or ""
    said.ended = kind == "message_stop"
    return said


# --- what they have in common ---------------------------------------------------------------

_READERS: dict[Family | None, Callable[[dict[str, Any]], Said]] = {
    "chat": _chat,
    "completions": _chat,
    "responses": _responses,
    "messages": _messages,
}


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; nothing of what is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


class _OutputDetails(msgspec.Struct):
    """The same tokens, under the name of each."""

    reasoning_tokens: int | None = None
    thinking_tokens: int | None = None


class _Counts(msgspec.Struct):
    """Usage as Responses and Messages have it."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    input_tokens_details: PromptTokensDetails | None = None
    output_tokens_details: _OutputDetails | None = None


def _from_counts(value: Any) -> Usage | None:
    """Return such a usage under the names of chat completions; None where it is no object."""
    if not isinstance(value, dict):
        return None
    counts = fitted(value, _Counts)
    usage = Usage(
        prompt_tokens=counts.input_tokens,
        completion_tokens=counts.output_tokens,
        total_tokens=counts.total_tokens,
        prompt_tokens_details=counts.input_tokens_details,
    )
    if (spent := counts.output_tokens_details) is not None:
        reasoning = _latest(spent.reasoning_tokens, spent.thinking_tokens)
        usage.completion_tokens_details = CompletionTokensDetails(reasoning_tokens=reasoning)
    if counts.cache_creation_input_tokens is None and counts.cache_read_input_tokens is None:
        return usage if usage.total_tokens is not None else _with_total(usage)
    cached, written = counts.cache_read_input_tokens, counts.cache_creation_input_tokens
    return _with_cache(usage, PromptTokensDetails(cached_tokens=cached, cache_write_tokens=written))


def _with_cache(usage: Usage, details: PromptTokensDetails) -> Usage:
    """Count Anthropic's cached tokens, which it counts apart, among those of the prompt, as OpenAI does."""
    if details != PromptTokensDetails():
        usage.prompt_tokens_details = details
        if usage.prompt_tokens is not None:
            usage.prompt_tokens += (details.cached_tokens or 0) + (details.cache_write_tokens or 0)
    return _with_total(usage)


def _uncached(usage: Usage) -> int | None:
    """Return a prompt's tokens as Anthropic counts them."""
    details = usage.prompt_tokens_details
    if details is None or usage.prompt_tokens is None:
        return usage.prompt_tokens
    return usage.prompt_tokens - (details.cached_tokens or 0) - (details.cache_write_tokens or 0)


def _with_total(usage: Usage) -> Usage:
    if usage.prompt_tokens is not None and usage.completion_tokens is not None:
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens
    return usage


def checked(family: str) -> Family | None:
    """Return a caller's family; None for "auto".

    Raises:
        ValueError: there is none of that name.
    """
    if family == "auto":
        return None
    for known in FAMILIES:
        if family == known:
            return known  # a plain str, where the caller's is a subclass
    raise ValueError(f"family {family!r}, one of {('auto', *FAMILIES)} expected")
