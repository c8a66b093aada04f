"""What openai's client gives and what ours gives: the same chunks, down to the type of each number."""

import json
import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltawire.replay import SAMPLES, ReplayServer, sample, split_events

from ..corpus import body, is_chat, needs_corpus, streams
from ..quirks import QUIRKS
from . import openai_payloads as payloads
from .openai_beside import (
    WAYS,
    Read,
    anatomy,
    assert_same,
    assert_same_chunk,
    openai,
    ours,
    read_bytes,
    read_from,
)
from .openai_server import ScriptedServer, answer
from .openai_shapes import FAULTS, NORMAL, SHAPES


def event(payload: str | bytes) -> bytes:
    return b"data: %b\n\n" % (payload.encode() if isinstance(payload, str) else payload)


def stream(*sent: str | bytes) -> bytes:
    return b"".join(map(event, sent)) + b"data: [DONE]\n\n"


def compare(data: bytes, *cuts: int) -> None:
    """Compare both clients, sync and async, on a stream that is cut into reads."""
    reads = [data[start:end] for start, end in pairwise(sorted({*cuts, 0, len(data)}))]
    stock = read_bytes(openai, *reads)
    assert_same(read_bytes(ours, *reads), stock)
    assert_same(read_bytes(ours, *reads, asynchronous=True), stock)


# --- the samples and recorded streams, over a socket


@WAYS
@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "big"])
def test_a_sample_is_the_same(name: str, asynchronous: bool) -> None:
    with ReplayServer(name, events_per_write=5) as server:
        stock = read_from(openai, server.base_url)
        assert_same(read_from(ours, server.base_url, asynchronous), stock)
    assert len(stock.chunks) == len(sample(name).payloads)


@WAYS
def test_an_event_of_a_mebibyte_is_the_same(asynchronous: bool) -> None:
    with ReplayServer("big") as server:
        stock = read_from(openai, server.base_url)
        assert_same(read_from(ours, server.base_url, asynchronous), stock)
    assert len(stock.chunks[1].choices[0].delta.content) == 1 << 20


# It ends in a line `error: {...}`, which the SDK does not see.
ERROR_LINE = "gpustack_error-mid-stream.sse"


@needs_corpus
@pytest.mark.parametrize("entry", [entry for entry in streams() if is_chat(entry)], ids=lambda entry: entry["file"])
def test_a_recorded_stream_is_the_same(entry: dict[str, Any]) -> None:
    recorded = split_events(body(entry["file"]))
    if entry["file"] == ERROR_LINE:
        assert recorded.pop().startswith(b"error: {")
    writes = [b"".join(recorded[start : start + 7]) for start in range(0, len(recorded), 7)]
    with ScriptedServer(answer(*writes)) as server:
        stock = read_from(openai, server.base_url)
        assert_same(read_from(ours, server.base_url), stock)
        assert_same(read_from(ours, server.base_url, asynchronous=True), stock)
    assert stock.chunks or stock.fault


# Those that the SDK does not read rightly; `test_openai_deviations.py` says what ours makes of such streams.
MISREAD = {
    "null and empty payloads",
    "a byte order mark",
    "no blank line at the end",
    "an error event",
    "an error line",
}


@pytest.mark.parametrize(
    "quirk", [quirk for quirk in QUIRKS if quirk.name not in MISREAD], ids=lambda quirk: quirk.name
)
def test_a_quirk_of_a_provider_is_the_same(quirk: Any) -> None:
    compare(quirk.body)


def test_the_quirks_that_are_misread_are_there() -> None:
    assert {quirk.name for quirk in QUIRKS} >= MISREAD


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_small_reads_are_the_same(size: int) -> None:
    data = sample("demo").body.replace(b"\n", b"\r\n")
    compare(data, *range(0, len(data), size))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_are_the_same(end: str) -> None:
    lines = [
        ": hello",
        'data: {"id":',
        f"data:{json.dumps(payloads.BASES['text'])[7:]}",
        "retry: 5",
        "event: x",
        "other",
        "",
    ]
    compare("".join(line + end for line in [*lines, *lines, "data: [DONE]", ""]).encode())


# --- odd shapes, as a table


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_odd_shape_is_the_same_between_chunks(shape: str) -> None:
    other = NORMAL.replace("TEXT", "other")
    compare(stream(NORMAL, shape, NORMAL, other, shape, shape.replace("a", "b"), NORMAL))


def test_all_odd_shapes_after_one_another_are_the_same() -> None:
    compare(stream(*SHAPES.values(), *reversed(SHAPES.values())))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_the_same_behind_chunks(fault: str) -> None:
    compare(stream(NORMAL, NORMAL, NORMAL.replace("TEXT", "x"), fault, NORMAL))


@pytest.mark.parametrize("name", payloads.BASES)
def test_each_odd_value_in_each_place_is_the_same(name: str) -> None:
    sent = []
    for number in range(len(list(payloads.places(payloads.tree(payloads.BASES[name]))))):
        for odd in payloads.ODD[number % 3 :: 3]:
            root = payloads.tree(payloads.BASES[name])
            holder, at = list(payloads.places(root))[number]
            holder[at] = odd
            sent.append(payloads.written(root))
    data = stream(*sent)
    assert_same(read_bytes(ours, data), read_bytes(openai, data))


# --- by chance


@given(payloads.streams(), st.lists(st.integers(0, 4000), max_size=8), st.booleans())
def test_mutated_payloads_are_the_same(sent: list[bytes], cuts: list[int], asynchronous: bool) -> None:
    data = stream(*sent)
    ends = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reads = [data[start:end] for start, end in pairwise(ends)]
    assert_same(read_bytes(ours, *reads, asynchronous=asynchronous), read_bytes(openai, *reads))


# Lines that may stand before the data of an event, and between two events; no `id`, behind which the SDK
# takes a comment for an event.
BEFORE = st.sampled_from(["", ": comment", "retry: 5", "retry", "event: other", "event", "other: x", ":", "dat: {}"])
BETWEEN = st.sampled_from(["", "", ": alive", ": alive\n: twice", "\n", "x: y", "dat"])


@given(
    st.lists(st.tuples(BEFORE, BETWEEN, st.sampled_from(["data: ", "data:", "data:\t"]), st.booleans()), max_size=12),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.lists(st.integers(0, 3000), max_size=20),
    st.booleans(),
)
def test_framing_is_the_same(events: list[Any], end: str, cuts: list[int], asynchronous: bool) -> None:
    text = ""
    for number, (before, between, field, split) in enumerate(events):
        payload = NORMAL.replace("TEXT", str(number))
        # The data of an event may come in lines, between two members.
        data = payload.replace(', "', f'\n{field}, "') if split else payload
        text += f"{before}\n{field}{data}\n\n{between}\n\n" if before else f"{field}{data}\n\n{between}\n\n"
    body = (text + "data: [DONE]\n\n").replace("\n", end).encode()
    reads = [body[start:stop] for start, stop in pairwise(sorted({0, len(body), *(c for c in cuts if c < len(body))}))]
    assert_same(read_bytes(ours, *reads, asynchronous=asynchronous), read_bytes(openai, *reads))


@pytest.mark.exhaustive
@settings(max_examples=int(os.environ.get("DELTAWIRE_EXAMPLES", "20000")))
@given(payloads.streams(kinds=6, chunks=40))
def test_many_mutated_payloads_are_the_same(sent: list[bytes]) -> None:
    data = stream(*sent)
    assert_same(read_bytes(ours, data), read_bytes(openai, data))


# --- chunks of their own


def spoil(value: Any) -> None:
    """Change all that can be changed in a value."""
    if isinstance(value, openai.BaseModel):
        for member in [*value.__dict__.values(), *(value.model_extra or {}).values()]:
            spoil(member)
        for name in list(value.__dict__):
            setattr(value, name, "spoilt")
        (value.model_extra or {}).clear()
        value.model_fields_set.add("spoilt")
    elif isinstance(value, dict):
        for member in value.values():
            spoil(member)
        value["spoilt"] = 1
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")


@WAYS
@pytest.mark.parametrize("when", ["while reading", "at the end"])
def test_a_chunk_that_is_changed_changes_no_other(when: str, asynchronous: bool) -> None:
    texts = [
        json.dumps(base).replace("TEXT", word) for word in ("a", "b", "c", "d") for base in payloads.BASES.values()
    ]
    alike = [json.dumps(base) for base in payloads.BASES.values() for _ in range(4)]
    data = stream(*texts, *alike)
    stock = read_bytes(openai, data).chunks
    mine = read_bytes(ours, data, asynchronous=asynchronous).chunks
    if when == "while reading":
        # Reading again: what was spoilt must not be in what comes.
        for chunk in mine:
            spoil(chunk)
        mine = read_bytes(ours, data, asynchronous=asynchronous).chunks
    for number, chunk in enumerate(mine):
        assert_same_chunk(chunk, stock[number])
        spoil(chunk)
        assert anatomy(chunk) != anatomy(stock[number])


def test_a_chunk_that_is_changed_at_once_changes_none_that_follow() -> None:
    texts = [json.dumps(base) for base in payloads.BASES.values() for _ in range(5)]
    data = stream(*texts)
    stock = read_bytes(openai, data).chunks
    mine: list[Any] = []

    def keep(chunk: Any) -> None:
        mine.append(anatomy(chunk))
        spoil(chunk)

    read_spoiling(data, keep)
    assert mine == list(map(anatomy, stock))


def read_spoiling(data: bytes, keep: Callable[[Any], None]) -> None:
    with (
        ScriptedServer(answer(*split_events(data))) as server,
        ours.OpenAI(api_key="k", base_url=server.base_url) as made,
    ):
        for chunk in made.chat.completions.create(model="m", messages=[], stream=True):
            keep(chunk)


# --- the comparison itself


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"created": 1}', '{"created": 1.0}'),
        ('{"created": 1}', '{"created": true}'),
        ('{"x": 0.0}', '{"x": -0.0}'),
        ('{"x": {"a": 1, "b": 2}}', '{"x": {"b": 2, "a": 1}}'),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ('{"usage": null}', "{}"),
        ('{"choices": [{"index": 0}]}', '{"choices": [{"index": 0, "delta": null}]}'),
        ('{"usage": {"prompt_tokens": 1}}', '{"usage": [{"prompt_tokens": 1}]}'),
        ("{}", "[]"),
        ("{", "[1"),
        ('{"error": {"code": "a"}}', '{"error": {"code": "b"}}'),
    ],
)
def test_the_comparison_tells_apart(one: str, other: str) -> None:
    reads: list[Read] = [read_bytes(openai, stream(text)) for text in (one, other)]
    assert_same(reads[0], reads[0])
    with pytest.raises(AssertionError):
        assert_same(*reads)
