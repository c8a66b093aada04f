"""What a rewriter must write, word for word: the whole stream at once, slowly.

Payloads are read as Latin-1, so that a character is a byte: all that is structure in JSON is ASCII.
"""

import json
import re
from typing import Any, NamedTuple

SPACE = " \t\n\r"
LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
MARK = b"\xef\xbb\xbf"
CHAT = "chat.completion.chunk"
DECODER = json.JSONDecoder()


class Member(NamedTuple):
    """One member of an object, and where it lies: `text[start:end]`, its value from `value_start`."""

    name: str
    value: Any
    start: int
    value_start: int
    end: int


class Edit(NamedTuple):
    """What comes instead of `text[start:end]`."""

    start: int
    end: int
    text: str


class Line(NamedTuple):
    """One line of a block: its field ("" for a comment), its value, and where that lies in the block."""

    field: str
    value: str
    value_start: int
    value_end: int


def split_mark(stream: bytes) -> tuple[bytes, bytes]:
    """Return the byte order mark that the stream begins with, and the rest."""
    rest = stream.removeprefix(MARK)
    return stream[: len(stream) - len(rest)], rest


def blocks(stream: bytes) -> list[bytes]:
    """Return the blocks, each with its blank line; the last one is the rest, which has none (it may be empty)."""
    found, start = [], 0
    for line in LINE.finditer(stream):
        if line[2] and not line[1]:
            found.append(stream[start : line.end()])
            start = line.end()
    return [*found, stream[start:]]


def lines(block: bytes) -> list[Line]:
    """Return the lines of a block."""
    found = []
    for line in LINE.finditer(block.rstrip(b"\r\n")):
        field, colon, value = line[1].decode("latin-1").partition(":")
        value_start = line.start() + len(field) + len(colon) + value.startswith(" ")
        found.append(Line(field, value.removeprefix(" "), value_start, line.end(1)))
    return found


def skip_space(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in SPACE:
        at += 1
    return at


def members(text: str) -> list[Member] | None:
    """Return the members of a JSON object, duplicates too; None where `text` is no JSON object."""
    try:
        if not isinstance(json.loads(text), dict):
            return None
    except (ValueError, RecursionError):
        return None
    found = []
    at = skip_space(text, skip_space(text, 0) + 1)
    while text[at] != "}":
        name, end = DECODER.raw_decode(text, at)
        value_start = skip_space(text, skip_space(text, end) + 1)
        value, end = DECODER.raw_decode(text, value_start)
        found.append(Member(name, value, at, value_start, end))
        at = skip_space(text, end)
        if text[at] == ",":
            at = skip_space(text, at + 1)
    return found


def is_chat(read: list[Member]) -> bool:
    """Tell whether a payload is a chunk of chat or of legacy completions: it has choices, or says so."""
    return any(
        member.name == "choices" or (member.name, member.value) in (("object", CHAT), ("object", "text_completion"))
        for member in read
    )


def is_usage_only(read: list[Member]) -> bool:
    """Tell whether a chunk is there for its usage alone: it has some, no choice, and no error."""
    payload = {member.name: member.value for member in read}
    # Left open: choices of another kind. What holds nothing has no choice in it.
    is_empty = payload.get("choices") in ([], {}, "", None)
    return payload.get("usage") is not None and is_empty and not payload.get("error")


def cuts(read: list[Member], name: str) -> list[Edit]:
    """Return what takes out the members called `name`, each with the comma before it, or else the one behind."""
    found, is_first = [], True
    for at, member in enumerate(read):
        if member.name != name:
            is_first = False
        elif is_first:
            found.append(Edit(member.start, read[at + 1].start if at + 1 < len(read) else member.end, ""))
        else:
            found.append(Edit(read[at - 1].end, member.end, ""))
    return found


def edits(text: str, model: str | None, usage: str, *, is_error: bool) -> list[Edit] | None:
    """Return what is to be changed in a payload, in order; None where its event is dropped."""
    read = members(text)
    if read is None:
        return []
    found = []
    if usage == "drop" and is_chat(read):
        if is_usage_only(read) and not is_error:
            return None
        found = cuts(read, "usage")
    for member in read if model is not None else []:
        if member.name == "model" and isinstance(member.value, str) and member.value:
            found.append(Edit(member.value_start, member.end, json.dumps(model)))
    return sorted(found)


def block_rewritten(block: bytes, model: str | None, usage: str) -> bytes:
    """Return what becomes of a block: every line stays, and loses or changes only what the edits name."""
    read = lines(block)
    data = [line for line in read if line.field == "data"]
    event = next((line.value for line in reversed(read) if line.field == "event"), "")
    is_error = event == "error" or any(line.field == "error" for line in read)
    found = edits("\n".join(line.value for line in data), model, usage, is_error=is_error)
    if found is None:
        return b""
    # Where each character of the payload lies in the block; the LF between two lines lies nowhere.
    places = [place for line in data for place in (*range(line.value_start, line.value_end), None)]
    characters = list(block.decode("latin-1"))
    for start, end, text in found:
        for place in places[start:end]:
            if place is not None:
                characters[place] = ""
        if text:
            characters[places[start]] = text
    return "".join(characters).encode("latin-1")


def rewrite(stream: bytes, model: str | None = None, usage: str = "keep") -> bytes:
    """Return what a rewriter makes of a stream, `finish()` included."""
    mark, stream = split_mark(stream)
    *whole, rest = blocks(stream)
    return mark + b"".join(block_rewritten(block, model, usage) for block in whole) + rest


def ready(stream: bytes) -> int:
    """Return how many bytes of what came belong to whole blocks."""
    return len(stream) - len(blocks(split_mark(stream)[1])[-1])
