"""Telling a client of an error, in the form that its stream has for that."""

from typing import Any

from .errors import UpstreamError
from .events import encode_event
from .report import Family


def encode_error(error: Any, *, family: Family | None = "chat") -> bytes:
    """Return an event that tells a client of an error, as streams of `family` do; the stream's end is not in it.

    Args:
        error: an exception, a message, or the error's body: an object, or the object
            that has it as `error`; members that the family has and that are missing are
            made up.
        family: "chat", "completions", "responses" or "messages"; None is "chat".

    Source: OpenAI API reference, "Errors" and "Streaming events"; Anthropic API
    reference, "Streaming Messages".
    """
    body = error.body if isinstance(error, UpstreamError) else error
    if isinstance(body, dict):
        body = body["error"] if isinstance(body.get("error"), dict) else body
    elif isinstance(body, bytes):
        body = {"message": body.decode("utf-8", "replace")}
    else:
        body = {"message": str(body) or type(body).__name__}
    if family == "messages":
        return encode_event({"type": "error", "error": {"type": "api_error"} | body}, event="error")
    if family == "responses":
        members = {"code": None, "message": None, "param": None} | body
        return encode_event(members | {"type": "error"}, event="error")
    members = {"message": None, "type": "upstream_error", "param": None, "code": None}
    return encode_event({"error": members | body})


def encode_end(error: Any, family: Family | None) -> bytes:
    """Return what ends a client's stream with an error: the event, and `[DONE]` where `family` has that."""
    event = encode_error(error, family=family)
    return event if family in ("messages", "responses") else event + b"data: [DONE]\n\n"
