"""Deltas folded into a completion, in plain Python.

Each member is kept in the form in which it grows: text as UTF-8, a list as the JSON of
its items, anything else as its JSON. So what is held is counted in bytes, nothing kept is
shared with a chunk, and a completion is the JSON of it all, decoded anew.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from ..chunks import ChatCompletionChunk, Choice, Logprobs, ToolCallDelta, index_of
from ..errors import LimitExceededError
from ..limits import Limits
from ..rules import CHOICE, CHUNK, LOGPROBS, MEMBER, NESTED, NOTHING, OUTPUT, PIECES, TOOL_CALL, Rule, Table

_encode = msgspec.json.encode
_SURROGATE = re.compile("[\ud800-\udfff]")


class Member(Protocol):
    """What has become of a member."""

    def json(self) -> bytes:
        """Return it as JSON."""


EntryT = TypeVar("EntryT")
MemberT = TypeVar("MemberT", bound=Member)


class Held:
    """What is held, against the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = 0
        self._items = 0

    def grow(self, size: int) -> None:
        """Count `size` bytes, before they are kept.

        Raises:
            LimitExceededError: they are too many.
        """
        size += self._bytes
        allowed = self._limits.max_message
        if 0 < allowed < size:
            raise LimitExceededError(
                f"message of {size} bytes, at most {allowed} allowed", measured=size, allowed=allowed
            )
        self._bytes = size

    def add_item(self) -> None:
        """Count a choice, a tool call or a part.

        Raises:
            LimitExceededError: it is one too many.
        """
        items = self._items + 1
        allowed = self._limits.max_items
        if 0 < allowed < items:
            raise LimitExceededError(
                f"{items} choices, tool calls and parts, at most {allowed} allowed", measured=items, allowed=allowed
            )
        self._items = items


class Scalar:
    """A value that is replaced as a whole."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._json = b"null"  # until the first value, which may be too large to be kept
        self._size = 0

    def set(self, value: Any) -> None:
        """Keep `value` instead of the one before."""
        if isinstance(value, str):
            utf8 = _utf8(value)
            size, json = len(utf8), _encode(utf8.decode())
        else:
            json = _encode(value)
            size = len(json)
        self._held.grow(size - self._size)
        self._size = size
        self._json = json

    def json(self) -> bytes:
        return self._json


class Text:
    """A text that comes in pieces."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._utf8 = bytearray()

    def __len__(self) -> int:
        return len(self._utf8)

    def add(self, piece: str) -> None:
        """Append `piece`."""
        utf8 = _utf8(piece)
        self._held.grow(len(utf8))
        self._utf8 += utf8

    def text(self) -> str:
        """Return the pieces as one."""
        return self._utf8.decode()

    def json(self) -> bytes:
        return _encode(self.text())


class Items:
    """A list that comes in pieces."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._json = bytearray()

    def extend(self, items: Sequence[Any]) -> None:
        """Append `items`."""
        json = _encode(items)
        if json[:1] + json[-1:] != b"[]":  # a chunk that was added may hold anything
            raise TypeError(f"a list is required, not {type(items).__name__!r}")
        json = json[1:-1]
        self._held.grow(len(json))
        if json and self._json:
            self._json += b","
        self._json += json

    def json(self) -> bytes:
        return b"[%b]" % bytes(self._json)


class Places(Generic[EntryT]):
    """Entries by their index; where several have the same one, by their name."""

    def __init__(self) -> None:
        self._latest: dict[int, EntryT] = {}
        self._named: dict[tuple[int, str], EntryT] = {}
        self._names: dict[EntryT, str] = {}

    def find(self, index: int, name: str | None) -> EntryT | None:
        """Return the entry at `index`: the last one there, unless its name is another."""
        entry = self._latest.get(index)
        if entry is not None and name and self._names.get(entry, name) != name:
            entry = self._named.get((index, name))
        if entry is not None:
            self.put(index, name, entry)
        return entry

    def put(self, index: int, name: str | None, entry: EntryT) -> None:
        """Make `entry` the last one at `index`; it keeps its name where there is no new one."""
        self._latest[index] = entry
        if name:
            self._names[entry] = name
            self._named[index, name] = entry


class Part:
    """An object whose members are replaced, or grow."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._members: dict[str, Scalar | Text | Items] = {}

    def fold(self, part: Mapping[str, Any]) -> None:
        """Take in what came for it; null says nothing."""
        for name, value in part.items():
            if not _is_null(value):
                self._fold(name, value)

    def _fold(self, name: str, value: Any) -> None:
        kind: type[Scalar | Text | Items] = Scalar
        if name in PIECES:
            kind = Text if isinstance(value, str) else Items if isinstance(value, list) else Scalar
        member = self._members.get(name)
        if type(member) is not kind:
            self._held.grow(len(_utf8(name)) + MEMBER)
            member = kind(self._held)
        if isinstance(member, Text):
            member.add(value)
        elif isinstance(member, Items):
            member.extend(value)
        else:
            member.set(value)
        self._members[name] = member  # only now: what it replaces is not lost to a limit

    def json(self) -> bytes:
        return _object(self._members)


class Parts:
    """A list of parts, of which those of the same index and type are one."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._parts: list[Member] = []
        self._places: Places[Part] = Places()

    def extend(self, parts: Sequence[Any]) -> None:
        """Append `parts`, or fold them into those of their index and type."""
        for part in parts:
            index = index_of(part.get("index"), None) if isinstance(part, dict) else None
            if type(index) is int:
                self._fold(index, part)
            else:
                self.append(part)

    def append(self, part: Any) -> None:
        """Append `part`, which nothing is folded into."""
        self._held.add_item()
        whole = Scalar(self._held)
        whole.set(part)
        self._parts.append(whole)

    def _fold(self, index: int, value: dict[str, Any]) -> None:
        kind = value.get("type")
        name = kind if kind and isinstance(kind, str) else None
        part = self._places.find(index, name)
        if part is None:
            self._held.add_item()
            part = Part(self._held)
            self._parts.append(part)
            self._places.put(index, name, part)
        part.fold(value)

    def json(self) -> bytes:
        return _array(part.json() for part in self._parts)


class Content:
    """Text, or parts: once parts have come, text is a part among them."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._text = Text(held)  # what came behind the last part
        self._parts: Parts | None = None

    def add(self, piece: str | Sequence[Any]) -> None:
        """Take in a piece of either kind."""
        if isinstance(piece, str):
            self._text.add(piece)
            return
        if self._parts is None:
            self._parts = Parts(self._held)
        if self._text:
            self._held.grow(-len(self._text))
            try:
                self._parts.append({"type": "text", "text": self._text.text()})
            except LimitExceededError:
                self._held.grow(len(self._text))
                raise
            self._text = Text(self._held)
        self._parts.extend(piece)

    def json(self) -> bytes:
        if self._parts is None:
            return self._text.json()
        parts = self._parts.json()
        if not self._text:
            return parts
        text = _encode({"type": "text", "text": self._text.text()})
        return b"[%b]" % text if parts == b"[]" else b"%b,%b]" % (parts[:-1], text)


class Record:
    """An object whose members are folded by the rules of a table."""

    def __init__(self, table: Table, held: Held) -> None:
        self._held = held
        self._table = table
        self._members: dict[str, Any] = {}

    def fold(self, struct: msgspec.Struct) -> None:
        """Take in the members of `struct` that are not None."""
        for name, rule in self._table.items():
            value = getattr(struct, name)
            if value is not None:
                self._by_rule[rule](self, name, value)

    def member(self, name: str, kind: Callable[..., MemberT], *arguments: Any) -> MemberT:
        """Return what becomes of the member `name`, begun where nothing came for it."""
        member: MemberT | None = self._members.get(name)
        if member is None:
            member = self._members[name] = kind(*arguments, self._held)
        return member

    def _first(self, name: str, value: Any) -> None:
        if name not in self._members and value and value not in NOTHING:
            self.member(name, Scalar).set(value)

    def _last(self, name: str, value: Any) -> None:
        if not _is_null(value) and value not in NOTHING:
            self.member(name, Scalar).set(value)

    def _join(self, name: str, piece: str) -> None:
        self.member(name, Text).add(piece)

    def _extend(self, name: str, items: Sequence[Any]) -> None:
        self.member(name, Items).extend(items)

    def _parts(self, name: str, parts: Sequence[Any]) -> None:
        self.member(name, Parts).extend(parts)

    def _content(self, name: str, piece: str | Sequence[Any]) -> None:
        self.member(name, Content).add(piece)

    def _nest(self, name: str, struct: msgspec.Struct) -> None:
        self.member(name, Record, NESTED[name]).fold(struct)

    def _calls(self, name: str, fragments: Sequence[ToolCallDelta]) -> None:
        self.member(name, Calls).fold(fragments)

    def _logprobs(self, name: str, value: Logprobs | float) -> None:
        self.member(name, Probabilities).add(value)

    def _choices(self, name: str, choices: Sequence[Choice]) -> None:
        self.member(name, Choices).fold(choices)

    def json(self) -> bytes:
        return _object(self._members)

    _by_rule: ClassVar[dict[Rule, Callable[..., None]]] = {
        Rule.FIRST: _first,
        Rule.LAST: _last,
        Rule.JOIN: _join,
        Rule.EXTEND: _extend,
        Rule.PARTS: _parts,
        Rule.CONTENT: _content,
        Rule.NEST: _nest,
        Rule.CALLS: _calls,
        Rule.LOGPROBS: _logprobs,
        Rule.CHOICES: _choices,
    }


class Probabilities:
    """Log probabilities: lists of tokens; or numbers alone."""

    def __init__(self, held: Held) -> None:
        self._tokens = Record(LOGPROBS, held)
        self._numbers = Items(held)
        self._are_tokens = False

    def add(self, value: Logprobs | float) -> None:
        """Take in those of a chunk."""
        if isinstance(value, msgspec.Struct):
            self._are_tokens = True
            self._tokens.fold(value)
        else:
            self._numbers.extend([value])

    def json(self) -> bytes:
        return self._tokens.json() if self._are_tokens else self._numbers.json()


class Calls:
    """Tool calls by index, or else by id, or else the last one; a new id at a used index is a new call."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._calls: list[tuple[int, Record]] = []
        self._places: Places[Record] = Places()
        self._index_of: dict[str, int] = {}
        self._next = 0  # the index of a call that comes without one

    def fold(self, fragments: Sequence[ToolCallDelta]) -> None:
        """Take in fragments of calls."""
        for fragment in fragments:
            self._call(index_of(fragment.index, None), None if fragment.id in NOTHING else fragment.id).fold(fragment)

    def _call(self, index: int | None, name: str | None) -> Record:
        if index is None and name is None and self._calls:
            index, call = self._calls[-1]
            self._places.put(index, None, call)
            return call
        if index is None:
            index = self._index_of.get(name, self._next) if name else 0
        found = self._places.find(index, name)
        if name:
            self._index_of[name] = index
        return self._new(index, name) if found is None else found

    def _new(self, index: int, name: str | None) -> Record:
        self._held.add_item()
        call = Record(TOOL_CALL, self._held)
        self._calls.append((index, call))
        self._places.put(index, name, call)
        self._next = max(self._next, index + 1)
        return call

    def json(self) -> bytes:
        return _array(call.json() for _, call in sorted(self._calls, key=_index))


class Choices:
    """Choices by index."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._choices: dict[int, Record] = {}

    def fold(self, choices: Sequence[Choice]) -> None:
        """Take in what one chunk has of each; one without an index has that of its place."""
        for place, delta in enumerate(choices):
            index = index_of(delta.index, place)
            choice = self._choices.get(index)
            if choice is None:
                self._held.add_item()
                choice = self._choices[index] = Record(CHOICE, self._held)
                choice.member("delta", Record, NESTED["delta"])
            choice.fold(delta)

    def json(self) -> bytes:
        indexes = sorted(self._choices)
        return _array(b'{"index":%d,%b' % (index, self._choices[index].json()[1:]) for index in indexes)


class Folding:
    """A completion, as far as it has come."""

    def __init__(self, limits: Limits) -> None:
        self._record = Record(CHUNK, Held(limits))
        self._record.member("choices", Choices)

    def fold(self, chunk: ChatCompletionChunk) -> None:
        """Take in one chunk.

        Raises:
            LimitExceededError: it makes the completion larger than the limits allow.
        """
        self._record.fold(chunk)

    def json(self) -> bytes:
        """Return the completion as JSON, members that never came left out."""
        return b'{"object":"chat.completion",' + self._record.json()[1:]


def _index(entry: tuple[int, Record]) -> int:
    return entry[0]


def _is_null(value: Any) -> bool:
    """Tell whether a value is null in JSON, as NaN and Infinity are."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates: of a caller's own chunk, for no decoder lets them in
        return _SURROGATE.sub("\ufffd", text).encode()


def _array(items: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(items)


def _object(members: Mapping[str, Member]) -> bytes:
    items = (_encode(OUTPUT.get(name, name)) + b":" + member.json() for name, member in members.items())
    return b"{%b}" % b",".join(items)
