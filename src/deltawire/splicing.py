"""Changing one member of a payload, and not a byte beside it. Both twins come here.

A payload is walked only after a decoder has found it valid, so tokens are told apart by
their first bytes alone. Places are those of the payload; a block of several data lines
is mended line by line: what is cut out holds a line end only between two tokens, where
JSON takes it for white space (RFC 8259, section 2).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from .chunks import ChatCompletionChunk
from .coerce import NotAChunk, coerce
from .families import object_of

# From, to, and what comes instead; in order, none overlapping.
Edit = tuple[int, int, bytes]

# Name, start, start of the value, end.
Member = tuple[bytes, int, int, int]

BodyT = TypeVar("BodyT", bytes, str, dict[str, Any])

# Tokens of JSON. Possessive: what has matched is not tried in another way.
_S = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NESTED = rb"[\[{](?:[^][{}\"]++|" + _STRING + rb")*+[]}]"
for _ in range(8):  # as deep as the bytes of the most likely tokens
    _NESTED = rb"[\[{](?:[^][{}\"]++|" + _STRING + rb"|" + _NESTED + rb")*+[]}]"
_NAME = _S + rb"(" + _STRING + rb")" + _S + rb":" + _S
_VALUE = _STRING + rb"|" + _NESTED + rb"|[^][{}\",: \t\r\n]++"

_FIRST = re.compile(_S + rb"\{" + _S)
_MEMBER = re.compile(_NAME + rb"(" + _VALUE + rb")" + _S + rb"([,}])", re.DOTALL)
_MEMBER_BEGUN = re.compile(_NAME, re.DOTALL)
_TOKEN = re.compile(_STRING + rb"|[][{}]", re.DOTALL)
_SIMPLE = re.compile(_STRING + rb"|[^][{}\",: \t\r\n]++", re.DOTALL)
_COMMA = re.compile(_S + rb",")

_decode = msgspec.json.Decoder(ChatCompletionChunk).decode


class RawEvent:
    """One event of a stream that is rewritten, with its bytes.

    Attributes:
        raw: the whole block: fields, comments, and the blank line.
        event: the event's type, "message" where it has none.
        data: its data lines, joined by LF.
    """

    __slots__ = ("_chunk", "data", "event", "raw")

    def __init__(self, raw: bytes, event: str, data: bytes) -> None:
        self.raw = raw
        self.event = event
        self.data = data
        self._chunk: Any = ...

    @property
    def chunk(self) -> ChatCompletionChunk | None:
        """The data as a chunk, decoded when it is first asked for; None where it is none."""
        if self._chunk is ...:
            self._chunk = _chunk_of(self.data)
        chunk: ChatCompletionChunk | None = self._chunk
        return chunk

    def __repr__(self) -> str:
        return f"RawEvent(raw={self.raw!r})"


def _chunk_of(data: bytes) -> ChatCompletionChunk | None:
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return coerce(data, ChatCompletionChunk)
    except NotAChunk:
        return None


class Lines:
    """A block, read: its type, its data, and where in the block each data line has its value.

    An error is told by the type, or by a line of that name beside the data (llama.cpp).
    """

    __slots__ = ("_values", "data", "is_error", "raw", "type")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.type = b""
        self._values: list[tuple[int, int]] = []
        has_error = False
        start = 0
        for line in raw.splitlines(keepends=True):
            content = line.rstrip(b"\r\n")
            name, colon, value = content.partition(b":")
            if name == b"data":
                at = start + len(name) + len(colon) + value.startswith(b" ")
                self._values.append((at, start + len(content)))
            elif name == b"event":
                self.type = value.removeprefix(b" ")
            elif name == b"error":
                has_error = True
            start += len(line)
        self.is_error = has_error or self.type == b"error"
        self.data = b"\n".join(raw[at:end] for at, end in self._values) if self._values else None

    def event(self) -> RawEvent:
        """Return it for who looks at events; it has data."""
        return RawEvent(self.raw, self.type.decode("utf-8", "replace") or "message", self.data or b"")

    def edited(self, edits: list[Edit]) -> bytes:
        """Return the block with `edits` of its data."""
        pieces: list[bytes] = []
        copied = place = number = 0
        for at, end in self._values:
            while number < len(edits):
                start, stop, instead = edits[number]
                low, high = max(start - place, 0), min(stop - place, end - at)
                if low < high:
                    pieces += self.raw[copied : at + low], instead if start >= place else b""
                    copied = at + high
                if stop - place > end - at:
                    break
                number += 1
            place += end - at + 1  # the LF that joins it to the next
        pieces.append(self.raw[copied:])
        return b"".join(pieces)


def encoded_model(model: str | None) -> bytes | None:
    """Return as JSON what clients are to see as `model`.

    Raises:
        TypeError: it is no string.
        ValueError: it is empty, or has a lone surrogate.
    """
    if model is None:
        return None
    if not isinstance(model, str):
        raise TypeError(f"model of type {type(model).__name__}, a str expected")
    if not model:
        raise ValueError("model of 0 characters, at least 1 expected")
    return msgspec.json.encode(model)


def joined(answer: RawEvent | bytes | Iterable[RawEvent | bytes] | None) -> bytes:
    """Return the bytes of what a caller wants to go on.

    Raises:
        TypeError: it is nothing of that.
    """
    if answer is None:
        return b""
    if isinstance(answer, RawEvent):
        answer = answer.raw  # which the caller may have set
        if not isinstance(answer, (bytes, bytearray, memoryview)):
            raise TypeError(f"bytes are required as a RawEvent's raw, not {type(answer).__name__!r}")
    if type(answer) is bytes:
        return answer
    if isinstance(answer, (bytes, bytearray, memoryview)):
        return bytes(memoryview(answer))  # whatever the `__bytes__` of a subclass gives
    if isinstance(answer, (str, dict)) or not isinstance(answer, Iterable):
        raise TypeError(f"a RawEvent, bytes, several of both, or None is required, not {type(answer).__name__!r}")
    return b"".join(map(joined, answer))


def edits_of(
    data: bytes,
    payload: dict[str, Any],
    model: bytes | None,
    drops_usage: bool,
    walk: Callable[[bytes], Iterable[Member]] | None = None,
    *,
    is_error: bool = False,
) -> list[Edit] | None:
    """Return what is to be changed in an event's data; None where the whole event is to go.

    Args:
        data: of one event.
        payload: the same, decoded.
        model: what each `model` that is a string, and not empty, is to be, as JSON.
        drops_usage: a chunk that brings only usage is to go, and `usage` from others.
        walk: in place of `members`.
        is_error: the event is one, which never goes as a whole.
    """
    cuts_usage = drops_usage and "usage" in payload and _is_chat(payload)
    is_error = is_error or bool(payload.get("error"))
    if cuts_usage and not is_error and not payload.get("choices") and payload["usage"] is not None:
        return None
    edits: list[Edit] = []
    if cuts_usage or (model is not None and "model" in payload):
        walked = list((walk or members)(data))
        kept = False  # a member that stays was before
        for number, (name, start, value, end) in enumerate(walked):
            if cuts_usage and name == b"usage":
                # With the comma before it, or behind it where nothing stays before.
                last = number + 1 == len(walked)
                edits.append(
                    (walked[number - 1][3], end, b"") if kept else (start, end if last else walked[number + 1][1], b"")
                )
                continue
            kept = True
            if model is not None and name == b"model" and data[value : value + 1] == b'"' and end - value > 2:
                edits.append((value, end, model))
    return edits


def include_usage_in_request(body: BodyT) -> tuple[BodyT, bool]:
    """Return a request's body so that a stream tells its usage, and whether that was not asked for before.

    `stream_options.include_usage` is set where `stream` is true; the rest stays as it
    is, byte for byte where the body is text. What is no JSON object comes back as it is.

    Args:
        body: JSON as bytes or str, or what it decodes to; a dict is not changed.

    Returns:
        The body, of the type that it came as, and whether the member was set here, so that a
        client that did not ask need not get it (`Rewriter(usage="drop")`).

    Source: OpenAI API reference, "Create chat completion", `stream_options`.
    """
    if isinstance(body, dict):
        options = body.get("stream_options")
        if not _lacks_usage(body):
            return body, False
        return body | {"stream_options": (options or {}) | {"include_usage": True}}, True
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    payload = object_of(data)
    if payload is None or not _lacks_usage(payload):
        return body, False
    options = b"{}"
    for name, _, value, end in members(data):
        if name == b"stream_options":
            options = data[value:end] if data[value : value + 1] == b"{" else b"{}"
    data = _with_member(data, b"stream_options", _with_member(options, b"include_usage", b"true"))
    return data.decode("utf-8", "surrogatepass") if isinstance(body, str) else data, True


def _lacks_usage(request: dict[str, Any]) -> bool:
    """Tell whether it asks for a stream and, as far as one can see, for no usage in it."""
    options = request.get("stream_options")
    if request.get("stream") is not True or not isinstance(options, (dict, type(None))):
        return False
    return options is None or options.get("include_usage") is not True


def _with_member(data: bytes, name: bytes, value: bytes) -> bytes:
    """Return an object with a member set; of several of that name, the last, which counts."""
    places = [(start, end) for known, _, start, end in members(data) if known == name]
    if places:
        start, end = places[-1]
        return data[:start] + value + data[end:]
    end = data.rindex(b"}")
    comma = b"," if _end_of(_FIRST.match(data)) < end else b""
    return b'%b%b"%b":%b%b' % (data[:end], comma, name, value, data[end:])


def _is_chat(payload: dict[str, Any]) -> bool:
    """Tell whether it is a chunk of chat completions, or of legacy ones."""
    name = payload.get("object")
    return "choices" in payload or (isinstance(name, str) and name.startswith(("chat.completion", "text_completion")))


def members(data: bytes) -> Iterator[Member]:
    """Yield the members of an object, which is valid."""
    at = _end_of(_FIRST.match(data))
    while (member := _MEMBER.match(data, at)) is not None:
        yield plain(member[1]), member.start(1), member.start(2), member.end(2)
        at = member.end()
        if member[3] == b"}":
            return
    # It has no member, or one that is nested deeper than the pattern.
    while (begun := _MEMBER_BEGUN.match(data, at)) is not None:
        end = _end_of_value(data, begun.end())
        yield plain(begun[1]), begun.start(1), begun.end(), end
        at = _end_of(_COMMA.match(data, end)) or len(data)


def _end_of_value(data: bytes, at: int) -> int:
    if (value := _SIMPLE.match(data, at)) is not None:
        return value.end()
    depth = 0
    for token in _TOKEN.finditer(data, at):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(data)


def _end_of(match: re.Match[bytes] | None) -> int:
    return 0 if match is None else match.end()


def plain(string: bytes) -> bytes:
    """Return what a string, with its quotes, says."""
    if b"\\" not in string:
        return string[1:-1]
    text: str = json.loads(string.decode("utf-8", "replace"))
    return text.encode("utf-8", "surrogatepass")
