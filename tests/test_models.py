"""Models built from a table, on both twins: what is kept, what is made, and what is left to the library."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from deltawire import ChunkDecodeError, LimitExceededError, Limits, UpstreamError
from deltawire.models import Field, Kind, Model, Value

from .client_models import Made

EXACT = 2**53

INNER = Model(
    Made,
    (Field("n", Value(Kind.INT), required=True), Field("kind", Value(Kind.LITERAL, of=("a", "b")), required=False)),
)
CONSTRUCTED = object()


def refuse(value: object) -> object:
    raise KeyError("no")


def decoder(backend: Any, *fields: Field, construct: Callable[[Any], Any] = lambda value: CONSTRUCTED) -> Any:
    return backend.ModelDecoder(Model(Made, fields), construct)


def event(value: object) -> bytes:
    return b"data: %b\n\n" % json.dumps(value).encode()


def become(backend: Any, value: Value, item: object) -> Any:
    """Return what becomes of one member; `CONSTRUCTED` where the library was asked."""
    reader = decoder(backend, Field("m", value, required=True))
    (chunk,) = reader.feed(event({"m": item}))
    assert reader.stats.coerced == (chunk is CONSTRUCTED)
    return chunk if chunk is CONSTRUCTED else chunk.m


# Items of each kind that JSON has.
ITEMS: list[Any] = [None, True, 7, -7, 1.5, "a", "z", "", [], [1], {}]


@pytest.mark.parametrize("kind", [Kind.ANY, Kind.STR, Kind.INT, Kind.BOOL, Kind.LITERAL])
def test_what_is_constructed_is_kept_as_it_came(backend, kind: Kind) -> None:
    for item in ITEMS:
        kept = become(backend, Value(kind, of=("a", "b")), item)
        assert (type(kept), kept) == (type(item), item)


@pytest.mark.parametrize(
    ("kind", "converted"),
    [
        (Kind.ANY, []),
        (Kind.STR, []),
        (Kind.INT, [True, 1.5, "a", "z", ""]),
        (Kind.BOOL, [7, -7, 1.5, "a", "z", ""]),
        (Kind.LITERAL, []),
    ],
)
def test_what_validation_may_convert_is_left_to_the_library(backend, kind: Kind, converted: list[Any]) -> None:
    for item in ITEMS:
        kept = become(backend, Value(kind, optional=True, of=("a", "b")), item)
        left = any(type(item) is type(each) and item == each for each in converted)
        assert kept is CONSTRUCTED if left else (type(kept), kept) == (type(item), item)


@pytest.mark.parametrize("optional", [False, True])
def test_an_integer_becomes_a_float_where_a_float_has_it(backend, optional: bool) -> None:
    value = Value(Kind.FLOAT, optional=optional)
    for item in (0, 1, -1, EXACT, -EXACT, 1.5):
        made = become(backend, value, item)
        assert (type(made), made) == (float, item)
    for item in (EXACT + 1, -EXACT - 1, True):
        assert become(backend, value, item) is CONSTRUCTED
    assert become(backend, value, [1]) == [1]
    assert become(backend, value, "1") == (CONSTRUCTED if optional else "1")


def test_a_list_is_made_of_its_items(backend) -> None:
    floats = Value(Kind.LIST, of=Value(Kind.FLOAT))
    made = become(backend, floats, [1, 2.5, "x"])
    assert ([*map(type, made)], made) == ([float, float, str], [1.0, 2.5, "x"])
    assert become(backend, Value(Kind.LIST, optional=True, of=Value(Kind.FLOAT)), [1, "x"]) is CONSTRUCTED
    assert become(backend, Value(Kind.LIST, optional=True, of=Value(Kind.STR)), []) == []
    for item in ("x", {"a": 1}, 5):
        assert become(backend, floats, item) == item
        assert become(backend, Value(Kind.LIST, optional=True, of=Value(Kind.STR)), item) == item


def test_what_is_not_in_the_table_is_left_to_the_library(backend) -> None:
    for item in (5, "x", [], {}):
        assert become(backend, Value(Kind.OTHER, optional=True), item) is CONSTRUCTED
        assert become(backend, Value(Kind.OTHER), item) is CONSTRUCTED
    assert become(backend, Value(Kind.OTHER, optional=True), None) is None
    assert become(backend, Value(Kind.MODEL, of=INNER), [{"n": 1}]) is CONSTRUCTED
    assert become(backend, Value(Kind.MODEL, of=INNER), "x") == "x"
    assert become(backend, Value(Kind.MODEL, of=INNER), 5) == 5


@pytest.mark.parametrize(
    ("item", "validated"),
    [
        ({"n": 1, "kind": "a", "x": 2}, True),
        ({"n": 1, "x": 2}, True),
        ({"kind": "a", "x": 2}, False),  # a required member is missing
        ({"n": 1, "kind": "z", "x": 2}, False),
        ({"n": [], "x": 2}, False),
    ],
)
def test_extras_are_among_the_fields_set_of_what_was_validated(backend, item: dict[str, Any], validated: bool) -> None:
    for optional in (False, True):
        values, fields_set, extra, private = become(
            backend, Value(Kind.MODEL, optional=optional, of=INNER), item
        ).parts()
        assert values == {"n": item.get("n"), "kind": item.get("kind")}
        assert fields_set == item.keys() - ({} if optional and validated else {"x"})
        assert (extra, private) == ({"x": 2}, None)


def test_a_model_in_an_optional_list_is_validated_with_it(backend) -> None:
    optional = Value(Kind.LIST, optional=True, of=Value(Kind.MODEL, of=INNER))
    assert [made.parts()[1] for made in become(backend, optional, [{"n": 1, "x": 2}] * 2)] == [{"n", "x"}] * 2
    assert [made.parts()[1] for made in become(backend, optional, [{"n": 1, "x": 2}, {"x": 2}])] == [{"n"}, set()]
    assert become(backend, optional, [{"n": "1"}, {"n": 1}]) is CONSTRUCTED


def test_a_member_that_is_absent_or_null_has_its_default(backend) -> None:
    fields = (
        Field("a", Value(Kind.STR), required=True, default="A"),
        Field("b", Value(Kind.STR, optional=True), required=False, default="B"),
    )
    reader = decoder(backend, *fields)
    absent, null = reader.feed(event({}) + event({"a": None, "b": None}))
    assert absent.parts() == ({"a": "A", "b": "B"}, set(), {}, None)
    assert null.parts() == ({"a": "A", "b": "B"}, {"a", "b"}, {}, None)


def test_an_extra_with_an_underscore_is_left_to_the_library(backend) -> None:
    reader = decoder(backend, Field("_own", Value(Kind.INT), required=False))
    first, second, third = reader.feed(event({"_x": 1}) + event({"_own": 1, "x_": 2}) + event({"y": 1, "_x": 1}))
    assert first is third is CONSTRUCTED
    assert second.parts() == ({"_own": 1}, {"_own"}, {"x_": 2}, None)
    assert reader.stats.coerced == 2


def test_what_the_library_refuses_is_a_fault_of_its_event(backend) -> None:
    reader = decoder(backend, construct=refuse)
    reader.feed(event({}) + event([1]))
    with pytest.raises(ChunkDecodeError, match=r"^event 1: 'no'$") as raised:
        reader.feed(b"")
    assert (raised.value.payload, raised.value.event_index) == (b"[1]", 1)
    for payload in (b'{"x":NaN}', b'{"_x":1}'):
        reader.feed(b"data: %b\n\n" % payload)
        with pytest.raises(ChunkDecodeError, match="'no'") as raised:
            reader.feed(b"")
        assert raised.value.payload == payload
    assert reader.stats.coerced == 0


def test_what_is_no_json_is_a_fault_of_its_event(backend) -> None:
    reader = decoder(backend)
    reader.feed(event({}) + b"data: {bad\n\n")
    with pytest.raises(ChunkDecodeError, match=r"^event 1: Expecting property name") as raised:
        reader.feed(b"")
    assert (raised.value.payload, raised.value.event_index) == (b"{bad", 1)


def test_what_json_reads_and_msgspec_does_not_is_constructed(backend) -> None:
    seen: list[Any] = []
    reader = decoder(backend, construct=lambda value: seen.append(value) or len(seen))
    assert reader.feed(b'data: {"a":"\\ud800"}\n\ndata: [1]\n\ndata: {"a":"\xff"}\n\ndata: null\n\n') == [1, 2, 3]
    assert seen == [{"a": "\ud800"}, [1], {"a": "\N{REPLACEMENT CHARACTER}"}]
    assert (reader.stats.coerced, reader.stats.chunks) == (3, 3)


@pytest.mark.parametrize("end", [b"[DONE]", b"[DONE] and more", b"[DONE]\xff"])
def test_what_begins_with_done_is_the_end(backend, end: bytes) -> None:
    reader = decoder(backend)
    assert len(reader.feed(event({}) + b"data: %b\n\n" % end + event({}))) == 1
    assert (reader.done, reader.error) == (True, None)


def test_an_error_that_only_json_reads_is_an_upstream_error(backend) -> None:
    reader = decoder(backend)
    reader.feed(event({}) + b'data: {"error":{"message":"\\ud800"}}\n\n' + event([{"error": 1}]))
    with pytest.raises(UpstreamError) as raised:
        reader.feed(b"")
    assert (raised.value.body, raised.value.event_index) == ({"message": "\ud800"}, 1)
    assert reader.feed(b"") == [CONSTRUCTED]


def test_errors_and_limits_are_those_of_any_reader(backend) -> None:
    reader = backend.ModelDecoder(INNER, refuse, limits=Limits(max_event=50))
    reader.feed(event({"n": 1}) + event({"error": "slow"}) + event({"n": 2}))
    with pytest.raises(UpstreamError, match=r"^upstream error: slow$") as raised:
        reader.feed(b"")
    assert (raised.value.event_index, reader.stats.chunks) == (1, 1)
    assert len(reader.feed(b"data: " + b"x" * 45)) == 1
    with pytest.raises(LimitExceededError, match=r"^event of 51 bytes, at most 50 allowed$"):
        reader.feed(b"")
