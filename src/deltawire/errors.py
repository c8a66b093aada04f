"""What can go wrong while a stream is read.

Every error that belongs to an event leaves the reader usable: reading goes on behind
that event. A `LimitExceededError` does not, until `reset()`.
"""

from typing import Any


class DeltawireError(Exception):
    """The base of all errors that deltawire raises of its own."""

    #: What the same call had decoded before the error and could not return.
    chunks: list[Any]
    #: What `accumulate` had of the completion, a `ChatCompletion`; None from elsewhere.
    completion: Any

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.chunks = []
        self.completion = None


class LimitExceededError(DeltawireError):
    """A stream asked for more memory than `Limits` allows.

    Attributes:
        measured: what the stream asked for.
        allowed: the limit.
    """

    def __init__(self, message: str, *, measured: int, allowed: int) -> None:
        super().__init__(message)
        self.measured = measured
        self.allowed = allowed


class ChunkDecodeError(DeltawireError):
    """The data of one event is not a chunk.

    Attributes:
        payload: the event's data, as it came.
        event_index: which event of the stream it was, counted from 0.
    """

    def __init__(self, message: str, *, payload: bytes, event_index: int) -> None:
        super().__init__(message)
        self.payload = payload
        self.event_index = event_index


class UpstreamError(DeltawireError):
    """The server reported an error inside the stream.

    Attributes:
        body: the `error` member, or else the whole payload: decoded JSON, or text.
        code: the body's `code` (else `status`, else `type`), None where it has none.
        message: the body's `message`, or the body where it is text; None otherwise.
        chunk: the chunk that bore the error, None where it came without one.
        event_index: which event of the stream it was, counted from 0; for an
            `error:` line, the event that would have come next.
    """

    def __init__(self, body: Any, *, chunk: Any = None, event_index: int = 0) -> None:
        self.body = body
        self.code: str | int | None = None
        self.message: str | None = None
        if isinstance(body, dict):
            self.code = _first(body, ("code", "status", "type"), (str, int))
            self.message = _first(body, ("message",), (str,))
        elif isinstance(body, str):
            self.message = body
        self.chunk = chunk
        self.event_index = event_index
        code = "" if self.code is None else f" {self.code}"
        super().__init__(f"upstream error{code}: {_text(body) if self.message is None else self.message}")


class ResponseError(UpstreamError):
    """The server answered with something else than an event stream.

    Attributes:
        status: the HTTP status, None where there is none.
        content_type: as it came, "" for none.
        body: the `error` member of a JSON body, or else the whole body: decoded JSON, or
            text; of a long one the first 64 KiB.
    """

    def __init__(self, body: Any, *, status: int | None = None, content_type: str = "") -> None:
        super().__init__(body)
        self.status = status
        self.content_type = content_type
        shown = _text(body) if self.message is None else self.message
        shown = shown if len(shown) <= 500 else shown[:500] + "…"
        self.args = (f"HTTP status {status}, content type {content_type!r}, an event stream expected: {shown}",)


class TruncatedStreamError(DeltawireError):
    """A stream ended before it was complete: without `[DONE]`, and a choice without a finish reason, or no choice.

    Attributes:
        completion: what had come, a `ChatCompletion`.
        end: the `StreamEnd`.
    """

    def __init__(self, message: str, *, completion: Any, end: Any) -> None:
        super().__init__(message)
        self.completion = completion
        self.end = end


class ConcurrentFeedError(DeltawireError):
    """A reader was called while it was reading: from another thread, or from a hook.

    The call that was under way is not disturbed. Use one reader for each stream.
    """


class StencilMismatchError(DeltawireError):
    """A stencil and msgspec disagree, which is a bug of deltawire's.

    It is looked for under `DELTAWIRE_VERIFY=1` only; `DELTAWIRE_STENCILS=0` avoids it.
    """


def _first(body: dict[str, Any], names: tuple[str, ...], kinds: tuple[type, ...]) -> Any:
    """Return the first of `names` in `body` whose value is of `kinds`, a bool apart."""
    for name in names:
        value = body.get(name)
        if isinstance(value, kinds) and not isinstance(value, bool):
            return value
    return None


def _text(body: Any) -> str:
    try:
        return repr(body)
    except RecursionError:
        return "nested too deep to be shown"
