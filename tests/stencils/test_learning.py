"""What stencils are cut from which payloads, when they match, and when nobody tries any more."""

from typing import Any, Literal

import msgspec
import pytest

from deltawire import ChatCompletionChunk, DecoderStats
from deltawire.replay import SAMPLES, sample

from ..conftest import PURE_ONLY, twin
from ..corpus import body, is_chat, needs_corpus, streams
from .mutation import (
    Beside,
    Box,
    Checked,
    Color,
    Dated,
    Even,
    Loose,
    Numbered,
    Otherwise,
    Pair,
    Short,
    Small,
    Started,
    Strict,
    TextDelta,
    Word,
)
from .outcomes import event

if PURE_ONLY:
    pytest.skip("only the pure twin is asked for", allow_module_level=True)

from deltawire._compiled.stencil import learned_from

from deltawire._compiled import stencil


@pytest.fixture(autouse=True)
def switched_on():
    was = stencil.switch(True)
    yield
    stencil.switch(was)


def stats(kind: Any, *payloads: bytes) -> DecoderStats:
    decoder = twin("compiled").StreamDecoder(kind)
    for payload in payloads:
        decoder.feed(event(payload))
        assert decoder.error is None
    return decoder.stats


# The first payload of a stream is not learned from.
FIRST = b'{"first":true}'


def test_the_strings_and_integers_that_differ_are_the_slots() -> None:
    payloads = [FIRST, b'{"a":"x","b":1,"c":2,"d":1.5}', b'{"a":"y","b":1,"c":3,"d":1.5}']
    assert learned_from(dict, payloads) == [[b'{"a":"', b'","b":1,"c":', b',"d":1.5}']]


def test_a_payload_of_the_same_skeleton_widens_the_stencil() -> None:
    payloads = [FIRST, b'{"a":"x","b":1}', b'{"a":"y","b":1}', b'{"a":"y","b":2}']
    assert learned_from(dict, payloads) == [[b'{"a":"', b'","b":', b"}"]]


def test_two_skeletons_are_kept_and_a_third_takes_the_place_of_the_one_not_used() -> None:
    text, call, other = b'{"text":"%d"}', b'{"call":%d}', b'{"other":null,"n":%d}'
    payloads = [FIRST, *(line % number for number in range(4) for line in (text, call))]
    assert learned_from(dict, payloads) == [[b'{"call":', b"}"], [b'{"text":"', b'"}']]
    assert learned_from(dict, [*payloads, other % 1]) == [[b'{"call":', b"}"], [b'{"other":null,"n":1}']]


def test_hits_misses_and_learned_are_counted() -> None:
    counted = stats(dict, FIRST, *(b'{"a":%d}' % number for number in range(10)))
    assert (counted.chunks, counted.hits, counted.misses, counted.learned) == (11, 8, 3, 1)


@pytest.mark.parametrize(
    ("kind", "payloads"),
    [
        (Started | TextDelta, [b'{"type":"delta","sequence_number":%d,"item_id":"","delta":""}' % n for n in range(5)]),
        (Numbered | Otherwise, [b'{"n":1,"value":"%d"}' % n for n in range(5)]),
        (Box[int], [b'{"value":%d}' % n for n in range(5)]),
        (Box[int], [b'{"value":1,"unknown":{"deep":["%d"]}}' % n for n in range(5)]),
        (dict[str, str | int], [b'{"a":"%d"}' % n for n in range(5)]),
        (ChatCompletionChunk, [b'{"choices":[{"index":0,"delta":{"content":"\\u00e9\\n%d"}}]}' % n for n in range(5)]),
    ],
)  # fmt: skip
def test_a_slot_stands_where_any_value_of_its_kind_may(kind: Any, payloads: list[bytes]) -> None:
    assert stats(kind, payloads[0], *payloads).hits == 3


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Short, ["s", "t", "u", "v", "w"]),
        (Word, ["s", "t", "u", "v", "w"]),
        (Small, [1, 2, 3, 4, 5]),
        (Even, [2, 4, 6, 8, 10]),
        (float, [1, 2, 3, 4, 5]),
        (Literal["a", "b"], ["a", "b", "a", "b", "a"]),
        (Literal[1, 2], [1, 2, 1, 2, 1]),
    ],
)
def test_a_place_that_refuses_some_values_is_no_slot_and_the_others_are(kind: Any, values: list[Any]) -> None:
    guarded = [msgspec.json.encode({"guarded": value, "free": "x"}) for value in values]
    free = [msgspec.json.encode({"guarded": values[0], "free": f"{number}"}) for number in range(5)]
    assert stats(Beside[kind], *guarded, *guarded).hits == 0
    assert stats(Beside[kind], free[0], *free).hits == 3


@pytest.mark.parametrize(
    ("kind", "payloads"),
    [
        (Beside[Color], [b'{"guarded":"red","free":"%d"}' % n for n in range(5)]),
        (Checked, [b'{"text":"%d"}' % n for n in range(5)]),
        (Dated, [b'{"at":"2026-11-23T10:00:00Z","raw":"aGk=","text":"%d"}' % n for n in range(5)]),
        (Strict, [b'{"text":"x","pair":["a",%d]}' % n for n in range(5)]),
        (Loose, [b'{"anything":%d}' % n for n in range(5)]),  # `made` has a default of its own
        (list[Pair], [b'[["a",%d]]' % n for n in range(5)]),
        (dict[Color, int], [b'{"red":%d}' % n for n in range(5)]),
        (msgspec.json.Decoder(dict[str, int], strict=False), [b'{"a":%d}' % n for n in range(5)]),
        (msgspec.json.Decoder(dict[str, int], dec_hook=lambda kind, value: value), [b'{"a":%d}' % n for n in range(5)]),
        (msgspec.Raw, [b'{"a":%d}' % n for n in range(5)]),
    ],
)  # fmt: skip
def test_what_is_off_the_white_list_is_msgspecs_always(kind: Any, payloads: list[bytes]) -> None:
    assert stats(kind, *payloads, *payloads).hits == 0


def test_numbers_with_a_fraction_are_no_slots() -> None:
    counted = stats(dict, *(b'{"a":%d.5}' % number for number in range(5000)))
    assert (counted.hits, counted.misses, counted.learned) == (0, 5000, 0)


def test_it_is_tried_again_after_a_pause() -> None:
    decoder = twin("compiled").StreamDecoder(dict)
    for number in range(200):
        decoder.feed(event(b'{"a":%d.5}' % number))
    for number in range(1000):
        decoder.feed(event(b'{"b":%d}' % number))
    assert decoder.stats.hits > 400


def test_no_stencil_is_cut_from_a_very_long_payload() -> None:
    padding = b"x" * 3000
    assert stats(dict, FIRST, *(b'{"a":%d,"b":"%b"}' % (number, padding) for number in range(5))).hits == 0


def test_a_slot_may_hold_more_than_it_was_learned_with() -> None:
    payloads = [b'{"a":"x"}', b'{"a":"y"}', b'{"a":"%b"}' % (b"z" * 100_000)]
    assert stats(dict, FIRST, *payloads).hits == 1


def test_stencils_can_be_switched_off() -> None:
    stencil.switch(False)
    assert stats(dict, FIRST, *(b'{"a":%d}' % number for number in range(10))).misses == 0


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in ("big", "logprobs", "demo")])
def test_nearly_every_chunk_of_a_sample_hits(name: str) -> None:
    decoder = twin("compiled").ChunkDecoder()
    stream = sample(name, chunks=500)
    decoder.feed(stream.body)
    assert decoder.stats.hits >= len(stream.payloads) - 15


@needs_corpus
def test_nine_in_ten_chunks_of_long_recorded_streams_hit() -> None:
    hits = chunks = 0
    for entry in filter(is_chat, streams()):
        decoder = twin("compiled").ChunkDecoder()
        decoder.feed(body(entry["file"]))
        if decoder.stats.chunks >= 100:
            hits += decoder.stats.hits
            chunks += decoder.stats.chunks
    assert hits >= 0.9 * chunks


def short(*_: object) -> Any:
    raise MemoryError


@pytest.mark.parametrize("where", ["msgspec.inspect.type_info", "deltawire._compiled.building.type_info"])
def test_memory_that_is_short_once_leaves_stencils_on(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    class Fresh(msgspec.Struct):
        text: str

    with monkeypatch.context() as patched:
        patched.setattr(where, short)
        with pytest.raises(MemoryError):
            twin("compiled").StreamDecoder(Fresh)
    decoder = twin("compiled").StreamDecoder(Fresh)
    decoder.feed(b"".join(b'data: {"text":"%d"}\n\n' % number for number in range(20)))
    assert decoder.stats.hits > 10
