"""Chunks, streams and completions for tests, in few words."""

import json
from typing import Any, NamedTuple

from deltawire.replay import SAMPLES

# Sample streams of as many chunks as are asked for.
COUNTED = [name for name in SAMPLES if name not in ("big", "demo")]


class Quirk(NamedTuple):
    """A stream with its quirk's name."""

    name: str
    body: bytes
    completion: dict[str, Any] | None = None


def stream(*payloads: dict[str, Any] | str, done: str = "data: [DONE]\n\n") -> bytes:
    """Return an event stream of `payloads`; text goes in as it is."""
    texts = (payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads)
    return ("".join(f"data: {text}\n\n" for text in texts) + done).encode()


def said(delta: dict[str, Any] | None = None, index: int | None = 0, **members: Any) -> dict[str, Any]:
    """Return a chunk of one choice; further `members` are the choice's."""
    choice: dict[str, Any] = members if index is None else {"index": index, **members}
    return {"choices": [choice if delta is None else {**choice, "delta": delta}]}


def called(*calls: dict[str, Any], index: int = 0) -> dict[str, Any]:
    """Return a chunk with fragments of tool calls."""
    return said({"tool_calls": list(calls)}, index)


def call(index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = None) -> Any:
    """Return a fragment of a tool call; what is None is absent."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    members = {"index": index, "id": id, "type": id and "function", "function": function or None}
    return {key: value for key, value in members.items() if value is not None}


def whole(message: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return the completion of one choice; further `members` are the choice's."""
    return completion({"index": 0, "message": message, **members})


def completion(*choices: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"object": "chat.completion", "choices": list(choices), **members}


def made(id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a finished tool call."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


FIRST = said({"role": "assistant", "content": ""}, finish_reason=None, logprobs=None)
STOP = said({}, finish_reason="stop")
HI = {"role": "assistant", "content": "hi"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
