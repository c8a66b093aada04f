"""What a rewriter changes, and that it changes nothing else: against hand-written answers, and a slow reading."""

import json
import random
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltawire import encode_error, encode_event

from . import corpus
from .conftest import PURE_ONLY, TWINS, twin
from .quirks import QUIRKS
from .readers import cut
from .rewrite_oracle import blocks, lines, members, ready, rewrite
from .rewritten_streams import (
    CHUNK,
    MODEL,
    ONLY_USAGE,
    PAYLOADS,
    PLAIN,
    RICH,
    SPLIT,
    WIRE,
    Payload,
    chats,
    mutated,
    payloads,
    streams,
)

TASKS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "model": {"model": MODEL},
    "usage": {"usage": "drop"},
    "both": {"model": MODEL, "usage": "drop"},
}
BODIES = {f"wire, {name}": body for name, body in WIRE.items()} | {
    f"quirk, {quirk.name}": quirk.body for quirk in QUIRKS if len(quirk.body) < 20_000
}
RECORDED = [entry["file"] for entry in corpus.streams()]


def written(backend: SimpleNamespace, reads: list[bytes], **task: Any) -> bytes:
    """Return all that a rewriter writes."""
    rewriter = backend.Rewriter(**task)
    return b"".join([*(rewriter.feed(read) for read in reads), rewriter.finish()])


@cache
def recorded(name: str, length: int | None, **task: Any) -> bytes:
    """Return what the oracle says of a recorded stream, or of its beginning; once for both twins."""
    return rewrite(corpus.body(name)[:length], **task)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", BODIES)
def test_a_stream_becomes_what_the_oracle_says(backend, name: str, task: str) -> None:
    body, want = BODIES[name], rewrite(BODIES[name], **TASKS[task])
    for size in (1, 2, 7, 100, 4096):
        assert written(backend, cut(body, size), **TASKS[task]) == want


@corpus.needs_corpus
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_stream_becomes_what_the_oracle_says(backend, name: str) -> None:
    body = corpus.body(name)
    for task in TASKS.values():
        for size, length in ((4096, None), (100, 50_000), (1, 3000)):
            assert written(backend, cut(body[:length], size), **task) == recorded(name, length, **task)


@pytest.mark.parametrize("name", BODIES)
def test_with_nothing_to_do_every_byte_goes_on(backend, name: str) -> None:
    body = BODIES[name]
    for size in (1, 100, 4096):
        assert written(backend, cut(body, size)) == body
        assert written(backend, cut(body, size), each=lambda event: event) == body


@corpus.needs_corpus
@pytest.mark.parametrize("name", RECORDED)
def test_with_nothing_to_do_every_recorded_byte_goes_on(backend, name: str) -> None:
    body = corpus.body(name)
    chance = random.Random(name)
    reads, at = [], 0
    while at < len(body):
        reads.append(body[at : at + chance.choice((1, 5, 100, 1000, 9000))])
        at += len(reads[-1])
    assert written(backend, reads) == body
    assert written(backend, reads, each=lambda event: event) == body


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_a_payload_becomes_what_is_written_beside_it(backend, payload: Payload) -> None:
    for frame in ("data: %s\n\n", ": c\r\nid: 1\r\ndata:%s\r\n\r\n", "data: %s\revent: q\r\r"):
        body = (frame % payload.before).encode()
        want = b"" if payload.after is None else (frame % payload.after).encode()
        # Three times, for a rewriter that learns; and once with each of the two tasks alone.
        assert written(backend, [body * 3], model=MODEL, usage="drop") == want * 3
        assert written(backend, cut(body, 1), model=MODEL, usage="drop") == want
        assert written(backend, [body], model=MODEL) + written(backend, [body], usage="drop") == rewrite(
            body, model=MODEL
        ) + rewrite(body, usage="drop")


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_the_oracle_says_what_is_written_beside_a_payload(payload: Payload) -> None:
    want = b"" if payload.after is None else f"data: {payload.after}\n\n".encode()
    assert rewrite(f"data: {payload.before}\n\n".encode(), MODEL, "drop") == want


@pytest.mark.parametrize("name", ["é", 'a"b\\c', "\n", "\x00", "\U0001f600", "</script>", "a" * 10_000])
def test_any_name_can_be_the_models(backend, name: str) -> None:
    body = written(backend, [RICH], model=name)
    assert [json.loads(line[6:])["model"] for line in body.splitlines() if b'"model"' in line] == [name] * 2
    # Left open: whether the name is escaped; here, beside it every byte is the same.
    left, _, right = CHUNK.partition(b'"a"')
    spliced = written(backend, [CHUNK], model=name)
    assert spliced.startswith(left)
    assert spliced.endswith(right)
    assert json.loads(spliced[len(left) : len(spliced) - len(right)]) == name


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", WIRE)
def test_blocks_go_on_as_soon_as_they_are_whole(backend, name: str, task: str) -> None:
    rewriter, body = backend.Rewriter(**TASKS[task]), WIRE[name]
    rewritten = cache(lambda whole: rewrite(whole, **TASKS[task]))
    wrote = b""
    for at in range(len(body)):
        wrote += rewriter.feed(body[at : at + 1])
        whole = body[: ready(body[: at + 1])]
        # Left open: an LF behind a block that a CR ended may wait for the next read.
        assert wrote in (rewritten(whole), rewritten(whole.removesuffix(b"\n")))


@pytest.mark.parametrize("body", [PLAIN, SPLIT, RICH.replace(b"\n", b"\r\n")], ids=["plain", "split", "CRLF"])
def test_one_cut_anywhere_gives_the_same_bytes(backend, body: bytes) -> None:
    want = rewrite(body, MODEL, "drop")
    for at in range(len(body) + 1):
        assert written(backend, [body[:at], b"", body[at:]], model=MODEL, usage="drop") == want


def test_the_line_feed_of_a_dropped_event_goes_with_it(backend) -> None:
    rewriter = backend.Rewriter(usage="drop")
    dropped = b": c\r\nid: 1\r\n" + ONLY_USAGE.replace(b"\n", b"\r\n")
    assert rewriter.feed(dropped[:-1]) == b""
    assert rewriter.feed(b"\n") == b""
    assert rewriter.feed(dropped[:-1]) + rewriter.feed(b"\r\n") == b"\r\n"
    assert rewriter.feed(dropped[:-1]) + rewriter.feed(b"") + rewriter.feed(b"\ndata: x\r\n\r\n") == b"data: x\r\n\r\n"
    assert rewriter.finish() == b""


@given(payloads(), st.sampled_from(sorted(TASKS)))
def test_beside_the_members_nothing_is_different(payload: str, task: str) -> None:
    block = f"data: {payload}\n\n".encode()
    before = members(payload.encode().decode("latin-1"))
    assert before is not None
    for name in TWINS:
        got = written(twin(name), [block], **TASKS[task])
        if not got:
            assert task in ("usage", "both")
            assert not {member.name: member.value for member in before}.get("choices")
            continue
        (line,) = lines(blocks(got)[0])[:1]
        after = members(line.value)
        assert after is not None
        is_cut = task in ("usage", "both") and len(after) < len(before)
        kept = [member for member in before if not (is_cut and member.name == "usage")]
        assert len(after) == len(kept)
        text = payload.encode().decode("latin-1")
        for old, new in zip(kept, after, strict=True):
            assert line.value[new.start : new.value_start] == text[old.start : old.value_start]
            if old.name == "model" and isinstance(old.value, str) and old.value and "model" in TASKS[task]:
                assert new.value == MODEL
            else:
                assert line.value[new.value_start : new.end] == text[old.value_start : old.end]


@given(mutated() | payloads(), st.sampled_from(sorted(TASKS)))
@example('{"model":"a","choices":[1],"usage":{"a":"}"}}', "both")
def test_a_payload_that_somebody_was_at_is_changed_in_its_members_or_not_at_all(payload: str, task: str) -> None:
    block = f"data: {payload}\n\n".encode()
    want = rewrite(block, **TASKS[task])
    for name in TWINS:
        # Behind chunks of the common kind, for a rewriter that learns.
        got = written(twin(name), [CHUNK * 3 + block], **TASKS[task])
        assert got == rewrite(CHUNK * 3, **TASKS[task]) + want


@given(streams() | chats(), st.lists(st.integers(0, 400), max_size=6), st.sampled_from(sorted(TASKS)))
def test_any_stream_in_any_reads_becomes_what_the_oracle_says(body: bytes, cuts: list[int], task: str) -> None:
    places = sorted({0, *(min(cut, len(body)) for cut in cuts), len(body)})
    reads = [body[start:end] for start, end in pairwise(places)]
    want = rewrite(body, **TASKS[task])
    for name in TWINS:
        assert written(twin(name), reads, **TASKS[task]) == want


@pytest.mark.skipif(PURE_ONLY, reason="only the pure twin is asked for")
@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from(sorted(TASKS)))
def test_the_twins_write_the_same_bytes(junk: bytes, more: bytes, task: str) -> None:
    reads = [
        junk,
        CHUNK[:20] + junk + CHUNK[20:],
        b'data: {"model":"a' + more + b'","usage":1,"choices":[1]}\n\n',
        more,
    ]
    pure, compiled = (written(twin(name), reads, **TASKS[task]) for name in ("pure", "compiled"))
    assert pure == compiled


@pytest.mark.parametrize("body", [CHUNK, RICH, SPLIT], ids=["plain", "rich", "split"])
def test_a_flipped_byte_anywhere_leaves_the_rest_alone(backend, body: bytes) -> None:
    for at in range(len(body)):
        for byte in (b'"', b"\\", b"{", b"]", b",", b"\r", b"\x80", b""):
            broken = body[:at] + byte + body[at + 1 :]
            assert written(backend, [broken], model=MODEL, usage="drop") == rewrite(broken, MODEL, "drop")


@pytest.mark.parametrize("block", [b"event: error\n" + ONLY_USAGE, b'error: {"code":500}\n' + ONLY_USAGE])
def test_an_error_is_never_dropped(backend, block: bytes) -> None:
    assert written(backend, [block], usage="drop")


@pytest.mark.parametrize("value", ["null", '"x"'])
def test_a_chunk_with_a_type_is_a_chunk_all_the_same(backend, value: str) -> None:
    block = f'data: {{"object":"chat.completion.chunk","choices":[1],"type":{value},"usage":{{}}}}\n\n'
    got = written(backend, [block.encode()], usage="drop")
    assert b'"usage"' not in got


@pytest.mark.parametrize("family", ["chat", "completions", "responses", "messages"])
def test_before_an_event_has_told_the_familys_error_is_that_of_the_tap(backend, family: str) -> None:
    alike = "chat" if family == "completions" else family
    told = encode_error("slow", family=alike) + (b"data: [DONE]\n\n" if alike == "chat" else b"")
    rewriter = backend.Rewriter(tap=backend.Tap(family=family))
    assert rewriter.feed(b": nothing yet\n\n") == b": nothing yet\n\n"
    assert rewriter.finish(error="slow") == told
    # What the stream itself has told goes before.
    rewriter = backend.Rewriter(tap=backend.Tap(family=family))
    rewriter.feed(encode_event({"type": "ping"}))
    assert rewriter.finish(error="slow") == encode_error("slow", family="messages")


def test_a_stream_may_begin_with_a_blank_line(backend) -> None:
    rewriter = backend.Rewriter(model=MODEL)
    for _ in range(2):
        assert rewriter.feed(b"\n") == b"\n"
        assert rewriter.feed(b"\n\n" + CHUNK) == b"\n\n" + rewrite(CHUNK, MODEL)
        assert rewriter.feed(b"data: x\r\r") == b"data: x\r\r"
        assert rewriter.finish() == b""  # the next stream owes the CR nothing


@pytest.mark.parametrize("usage", ["", "DROP", "keeps", None, True])
def test_usage_is_kept_or_dropped(backend, usage: Any) -> None:
    with pytest.raises(ValueError, match=f"^usage {usage!r}, 'keep' or 'drop' expected$"):
        backend.Rewriter(usage=usage)
