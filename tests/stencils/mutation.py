"""Streams whose payloads differ a little, or are broken a little: food for stencils.

A `Chooser` makes every choice, so that chance, hypothesis and a coverage-guided fuzzer
can all drive the same code.
"""

import datetime as dt
import enum
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from deltawire import ChatCompletionChunk
from deltawire.replay import sample

from ..chat_json import COUNTED


class Chooser(Protocol):
    """Makes choices."""

    def below(self, end: int) -> int:
        """Return a number from 0 to `end` - 1."""


class Chance:
    """Chance, from a seed."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed).random

    def below(self, end: int) -> int:
        return int(self._random() * end)


class Bytes:
    """Choices that a fuzzer makes, by its bytes; 0 when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def below(self, end: int) -> int:
        first = next(self._bytes, 0)
        return first % end if end <= 256 else (first << 8 | next(self._bytes, 0)) % end


# --- types of every kind, and payloads for them


class Started(msgspec.Struct, tag="started", tag_field="type"):
    sequence_number: int
    name: str = ""


class TextDelta(msgspec.Struct, tag="delta", tag_field="type"):
    sequence_number: int
    item_id: str
    delta: str
    logprobs: list[Any] = msgspec.field(default_factory=list)


class Numbered(msgspec.Struct, tag=1, tag_field="n"):
    value: str | int | None = None


class Otherwise(msgspec.Struct, tag=2, tag_field="n"):
    value: float | None = None


Short = Annotated[str, msgspec.Meta(max_length=4)]
Word = Annotated[str, msgspec.Meta(pattern="^[a-z]*$")]
Small = Annotated[int, msgspec.Meta(ge=0, lt=100)]
Even = Annotated[int, msgspec.Meta(multiple_of=2)]


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Constrained(msgspec.Struct):
    kind: Literal["a", "b"]
    level: Literal[1, 2]
    color: Color
    short: Short
    small: Small
    text: str
    number: int
    ratio: float
    either: int | str | None = None


class Checked(msgspec.Struct):
    text: str

    def __post_init__(self) -> None:
        if self.text == "bad":
            raise ValueError("bad text")
        self.text += "!"


class Renamed(msgspec.Struct, rename="camel"):
    inner_text: str
    item_count: int = 0
    text: str = msgspec.field(default="", name="inner-text")


class Pair(msgspec.Struct, array_like=True):
    left: str
    right: int


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    pair: Pair | None = None


class Dated(msgspec.Struct):
    at: dt.datetime
    raw: bytes
    text: str


class Loose(msgspec.Struct):
    anything: Any
    names: dict[str, int] = {}
    strict_names: dict[Annotated[str, msgspec.Meta(max_length=3)], str] = {}
    by_number: dict[int, str] = {}
    floats: list[float | int] = []
    made: list[str] = msgspec.field(default_factory=lambda: ["made"])


class Tree(msgspec.Struct, gc=False):
    name: str
    children: list["Tree"] = []
    parent: "Tree | None" = None


T = TypeVar("T")


class Box(msgspec.Struct, Generic[T]):
    value: T
    values: list[T] = []


class Beside(msgspec.Struct, Generic[T]):
    """A member that refuses some values, beside one that takes any text."""

    guarded: T
    free: str = ""


class Pointed(msgspec.Struct, frozen=True, weakref=True, dict=True, cache_hash=True):
    x: int
    y: int | None = None
    label: str = ""


def hook(kind: type, value: Any) -> Any:
    return kind(value)


class Family(NamedTuple):
    """A type, and payloads that it takes."""

    new: Callable[[], Any]
    payloads: list[bytes]


def family(kind: Any, *payloads: str) -> Family:
    return Family(lambda: kind, [payload.encode() for payload in payloads])


OTHER_TYPES = [
    family(
        Started | TextDelta,
        '{"type":"delta","sequence_number":7,"item_id":"m_1","delta":"Hi","logprobs":[]}',
        '{"type":"started","sequence_number":1,"name":"x"}',
        '{"sequence_number":7,"delta":"Hi","item_id":"a","type":"delta"}',
    ),
    family(
        Numbered | Otherwise, '{"n":1,"value":"x"}', '{"n":2,"value":1.5}', '{"n":1,"value":12}', '{"n":2,"value":3}'
    ),
    family(
        Constrained,
        '{"kind":"a","level":1,"color":"red","short":"abc","small":7,"text":"t","number":5,"ratio":1,"either":3}',
        '{"kind":"b","level":2,"color":"blue","short":"","small":0,"text":"\\u00e9","number":-5,"ratio":0.5,"either":"3"}',
    ),
    family(Checked, '{"text":"good"}', '{"text":"bad"}'),
    family(Renamed, '{"innerText":"x","itemCount":3,"inner-text":"y"}', '{"innerText":"x","unknown":{"deep":["z",5]}}'),
    family(Strict, '{"text":"x","pair":["l",3]}', '{"text":"x"}', '{"text":"x","pair":null}'),
    family(Dated, '{"at":"2026-11-23T10:00:00Z","raw":"aGk=","text":"x"}'),
    family(
        Loose,
        '{"anything":{"a":"b","c":[1,"d",2.5,null,true]},"names":{"x":1,"y":2},"floats":[1,2.5]}',
        '{"anything":5,"strict_names":{"abc":"d"},"by_number":{"1":"x"}}',
        '{"anything":[],"made":["x"]}',
    ),
    family(Tree, '{"name":"a","children":[{"name":"b"},{"name":"c","children":[]}],"parent":{"name":"p"}}'),
    family(Box[int], '{"value":5,"values":[1,2]}'),
    family(Box[Literal["a", "b"]], '{"value":"a","values":["b","a"]}'),
    family(Beside[Short], '{"guarded":"a","free":"x"}', '{"guarded":"word","free":"x"}'),
    family(Beside[Word], '{"guarded":"a","free":"x"}', '{"guarded":"word","free":"x"}'),
    family(Beside[Small], '{"guarded":7,"free":"x"}', '{"guarded":99,"free":"x"}'),
    family(Beside[Even], '{"guarded":2,"free":"x"}', '{"guarded":100,"free":"x"}'),
    family(Beside[float], '{"guarded":1,"free":"x"}', '{"guarded":1.5,"free":"x"}'),
    family(Beside[Literal["a", "b"]], '{"guarded":"a","free":"x"}', '{"guarded":"b","free":"x"}'),
    family(Beside[Literal[1, 2]], '{"guarded":1,"free":"x"}', '{"guarded":2,"free":"x"}'),
    family(Pointed, '{"x":1,"y":2,"label":"here"}'),
    family(dict, '{"a":"b","c":[1,{"d":"e"}],"f":null}'),
    family(dict[str, str | int], '{"a":"b","c":3}'),
    family(Any, '{"a":"b"}', '["a",1]', '"text"', "5"),
    family(list[Pair], '[["a",1],["b",2]]'),
    family(msgspec.Raw, '{"a":"b"}'),
    Family(lambda: msgspec.json.Decoder(dict[str, complex], dec_hook=hook), [b'{"a":"1"}', b'{"a":2}']),
    Family(lambda: msgspec.json.Decoder(dict[str, int], strict=False), [b'{"a":"1"}', b'{"a":2}']),
    Family(lambda: msgspec.json.Decoder(Box[int | str], strict=False), [b'{"value":"1"}', b'{"value":"x"}']),
    Family(lambda: msgspec.json.Decoder(Any, float_hook=str), [b'{"a":1.5,"b":"c"}']),
]


def chunks() -> Family:
    """Chat completion chunks of the sample streams, and odd ones."""
    payloads = [payload for name in COUNTED for payload in sample(name, chunks=24).payloads]
    odd = [
        '{"id":"a","choices":[{"delta":{"content":"x"}}],"error":""}',
        '{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"{"}}]}}]}',
        '{"choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","text":"x","index":0}]}}]}',
        '{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"part"}]},"token_ids":[1,2]}]}',
        '{"choices":[{"index":1,"delta":{"role":"assistant","refusal":"no","audio":{"data":"QUJD","id":"x"}}}]}',
        '{"x_groq":{"id":"r"},"usage":{"cost":{"a":"b"},"prompt_tokens":1},"choices":[{"delta":null,"finish_reason":"x"}]}',
        '{"choices":[{"index":0,"delta":{"content":"a"},"stop_reason":3},{"index":1,"delta":{"content":"b"}}],"new":["y",3]}',
    ]
    return Family(lambda: ChatCompletionChunk, payloads + [payload.encode() for payload in odd])


CHUNKS = chunks()

# --- changes

_VALUE = re.compile(rb'(?<=[:\[,])(?:"((?:[^"\\]|\\.)*)"|-?\d+)(?=[,}\]])')
_STRINGS = [
    b"", b"x", b" word", b"a" * 40, b"\\n", b'\\"', b"\\\\", b"\\/", b"\\b\\f\\r\\t", b"\\u0041", b"\\u00e9",
    b"\\u6c34", b"\\ud83d\\ude80", b"\\ud83d", b"\\ude80", b"\\ud83d\\u0041", b"\\u12", b"\\x41", b"\\",
    "é水🚀".encode(), b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xe2\x82",
    b"\xf4\x90\x80\x80", b"\x7f", b"\x1f", b"\t", b"null",
    b"[DONE]", b"\\u0000", b"stop", b"a", b"b", b"red",
]  # fmt: skip
_NUMBERS = [
    b"0", b"1", b"2", b"-1", b"-0", b"7", b"99", b"100", b"00", b"01", b"1.0", b"1.5", b"1e3", b"1E400",
    b"123456789012345678", b"1234567890123456789", b"9223372036854775807", b"9223372036854775808",
    b"-9223372036854775808", b"18446744073709551616",
    b"1" * 30, b"-", b"+1", b"NaN", b"Infinity", b"true", b"false", b"null", b"{}", b"[]", b'"5"', b"nul",
]  # fmt: skip
_BYTES = b'"\\{}[]:,0129-+.eE \t\n\r\x00\x1f\x7f\x80\xc3\xa9\xff\xf0ntu/abd'


def one(choose: Chooser, options: Any) -> Any:
    return options[choose.below(len(options))]


def with_other_values(choose: Chooser, payload: bytes) -> bytes:
    """Give some values of the payload another content of their kind; as a rule it stays what it is."""
    kept = one(choose, [2, 6, 20])

    def other(match: re.Match[bytes]) -> bytes:
        if choose.below(kept):
            return match[0]
        if match[1] is None:
            return one(choose, _NUMBERS[: 8 if choose.below(8) else None])
        return b'"' + one(choose, _STRINGS[: 13 if choose.below(8) else None]) + b'"'

    return _VALUE.sub(other, payload)


def flipped(choose: Chooser, payload: bytes) -> bytes:
    at = choose.below(len(payload) or 1)
    return payload[:at] + bytes([one(choose, _BYTES)]) + payload[at + 1 :]


def inserted(choose: Chooser, payload: bytes) -> bytes:
    at = choose.below(len(payload) + 1)
    what = bytes([one(choose, _BYTES)]) if choose.below(2) else one(choose, _STRINGS + _NUMBERS)
    return payload[:at] + what + payload[at:]


def deleted(choose: Chooser, payload: bytes) -> bytes:
    at = choose.below(len(payload) or 1)
    return payload[:at] + payload[at + 1 + choose.below(4) :]


def truncated(choose: Chooser, payload: bytes) -> bytes:
    return payload[: choose.below(len(payload) + 1)]


def spaced(choose: Chooser, payload: bytes) -> bytes:
    at = one(choose, [place for place, byte in enumerate(payload) if byte in b'{}[]:,"'] or [0])
    return payload[:at] + one(choose, [b" ", b"\t", b"  "]) + payload[at:]


def reordered(choose: Chooser, payload: bytes) -> bytes:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    if not isinstance(value, dict):
        return payload
    names = list(value)
    turn = choose.below(len(names) or 1)
    members = {name: value[name] for name in names[turn:] + names[:turn]}
    return json.dumps(members, separators=(",", ":"), ensure_ascii=bool(choose.below(2))).encode(
        "utf-8", "surrogatepass"
    )


def doubled(choose: Chooser, payload: bytes) -> bytes:
    """A member, or a piece of one, occurs twice."""
    places = [place for place, byte in enumerate(payload) if byte in b"{,}"]
    if len(places) < 2:
        return payload
    start = choose.below(len(places) - 1)
    end = start + 1 + choose.below(min(3, len(places) - start - 1))
    piece = payload[places[start] + 1 : places[end]]
    return payload[: places[start] + 1] + piece + b"," + payload[places[start] + 1 :]


def escaped_key(choose: Chooser, payload: bytes) -> bytes:
    names = list(re.finditer(rb'"(\w)(\w*)":', payload))
    if not names:
        return payload
    name = one(choose, names)
    return payload[: name.start()] + b'"\\u%04x%b":' % (name[1][0], name[2]) + payload[name.end() :]


CHANGES: list[Callable[[Chooser, bytes], bytes]] = [
    with_other_values, flipped, inserted, deleted, truncated, spaced, reordered, doubled, escaped_key,
]  # fmt: skip


def payloads(choose: Chooser, kind: Family) -> Iterator[bytes]:
    """Yield the payloads of one stream: two or three that change slowly, and now and then a broken one."""
    bases = [one(choose, kind.payloads) for _ in range(1 + choose.below(2))]
    for _ in range(4 + choose.below(12)):
        payload = with_other_values(choose, one(choose, bases))
        while choose.below(4) == 3:  # 0 is what a fuzzer gives when it has no more to say
            payload = one(choose, CHANGES)(choose, payload)
        if choose.below(16) == 0:
            bases[choose.below(len(bases))] = payload
        yield payload
