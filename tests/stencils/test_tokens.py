"""What learning sees in a payload, and what a slot takes: never more than msgspec does."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..conftest import PURE_ONLY

if PURE_ONLY:
    pytest.skip("only the pure twin is asked for", allow_module_level=True)

from deltawire._compiled.tokens import integer_of, string_of, tokens_of


def test_every_value_is_a_token() -> None:
    payload = b' {"a" : "b\\"" , "c":[1 ,-2.5,{}, null],"d":{"e":-30}} '
    assert [(kind, text) for kind, text in tokens_of(payload) if kind not in ("object", "array")] == [
        ("string", b'b\\"'), ("integer", b"1"), ("other", b"-2.5"), ("other", b"null"), ("integer", b"-30"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":1,"a":2}',
        b'{"x":{"a":1,"b":2,"a":3}}',
        b'{"\\u0061":1}',
        b'{"a":' + b"[" * 20 + b"]" * 20 + b"}",
        b'{"a":[' + b"1," * 300 + b"1]}",
        b'{"a":"b',
        b'{"a"',
        b"",
    ],
    ids=["doubled", "doubled inside", "escaped name", "deep", "long", "cut string", "cut name", "empty"],
)
def test_what_cannot_be_learned_from_gives_no_tokens(payload: bytes) -> None:
    assert tokens_of(payload) == []


@pytest.mark.parametrize(
    "number", [b"0", b"7", b"-1", b"10", b"123456789012345678", b"-123456789012345678", b"999999999999999999"]
)
def test_an_integer_is_read(number: bytes) -> None:
    assert integer_of(number) == int(number)


@pytest.mark.parametrize(
    "number",
    [b"", b"-", b"-0", b"00", b"01", b"-01", b"+1", b"1.0", b"1e3", b"1E3", b"1 ", b" 1", b"1234567890123456789",
     b"0x1", b"a"],
)  # fmt: skip
def test_a_doubtful_integer_is_left_to_msgspec(number: bytes) -> None:
    assert integer_of(number) is None


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        (b'\\n\\"\\\\\\/\\b\\f\\r\\t', '\n"\\/\b\f\r\t'),
        (b"\\u0041\\u00e9\\u6c34\\uD83D\\uDE80\\u0000", "Aé水🚀\x00"),
        ("é水🚀\x7f\u2028".encode(), "é水🚀\x7f\u2028"),
        (b"x" * 1000 + b"\\n", "x" * 1000 + "\n"),
    ],
)
def test_a_string_is_read(inside: bytes, text: str) -> None:
    assert string_of(inside) == text


@pytest.mark.parametrize(
    "inside",
    [b'"', b"\x00", b"\n", b"1234567\x1f", b"\\", b"\\x", b"\\u12", b"\\u12G4", b"\\ud83d", b"\\ud83d\\u0041",
     b"\\ude80", b"\xff", b"\x80", b"\xc0\xaf", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\xaf",
     b"\xf0\x8f\xbf\xbf", b"1234567\xff"],
)  # fmt: skip
def test_a_doubtful_string_is_left_to_msgspec(inside: bytes) -> None:
    assert string_of(inside) is None


# Bytes on which the ways to read a string part.
PIECES = st.sampled_from(
    [b"a", b"b" * 7, b"\\", b'"', b"u", b"\\u", b"d83d", b"\\ud83d", b"\\ude80", b"00", b"n", b"\xc3", b"\xa9",
     b"\xe6\xb0", b"\xb4", b"\xf0\x9f", b"\x9a\x80", b"\xed", b"\xa0\x80", b"\x1f", b"\x20", b"\x7f", b"\x80",
     b"\xff", b"/", b"0"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=10).map(b"".join) | st.binary(max_size=20))
def test_a_string_that_is_read_is_what_msgspec_reads(inside: bytes) -> None:
    text = string_of(inside)
    if text is None:
        return
    assert msgspec.json.decode(b'"' + inside + b'"') == text


@given(st.lists(st.sampled_from([b"0", b"1", b"9", b"-", b".", b"e", b"8" * 17]), max_size=4).map(b"".join))
def test_an_integer_that_is_read_is_what_msgspec_reads(number: bytes) -> None:
    value = integer_of(number)
    if value is not None:
        decoded = msgspec.json.decode(number)
        assert (type(decoded), decoded) == (int, value)
