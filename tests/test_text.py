"""TextDecoder, iter_text and aiter_text: the text, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import deltawire
from deltawire import ChunkDecodeError, UpstreamError, encode_event
from deltawire.replay import SAMPLES, sample

from .corpus import body, is_chat, needs_corpus, streams


def chunk(*contents: Any, **members: Any) -> bytes:
    return encode_event(
        {"choices": [{"index": at, "delta": {"content": each}} for at, each in enumerate(contents)]} | members
    )


@pytest.mark.parametrize("size", [1 << 16, 700, 7])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_text_of_a_sample_comes_whole(backend, name: str, size: int) -> None:
    stream = sample(name)
    if name == "big":
        size = 1 << 16
    decoder = backend.TextDecoder()
    pieces = [piece for read in stream.reads(size) for piece in decoder.feed(read)]
    assert "".join(pieces) == stream.text
    assert all(pieces)
    end = decoder.finish()
    assert end.complete
    assert decoder.stats.chunks == len(stream.payloads)


def test_only_choice_0_is_given_and_nothing_empty(backend) -> None:
    decoder = backend.TextDecoder()
    stream = [
        chunk("a", "b"),
        chunk(""),
        chunk(None, "c"),
        chunk("d"),
        chunk("e"),
        chunk("f"),
        encode_event({"choices": []}),
    ]
    assert [decoder.feed(each) for each in stream] == [["a"], [], [], ["d"], ["e"], ["f"], []]
    assert decoder.finish().finish_reasons == {0: None, 1: None}


def test_a_choice_without_index_has_that_of_its_place(backend) -> None:
    decoder = backend.TextDecoder()
    for text in ("a", "b", "c", "d"):
        assert decoder.feed(encode_event({"choices": [{"delta": {"content": text}}, {"delta": {"content": "x"}}]})) == [
            text
        ]


def test_of_parts_the_text_is_given(backend) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "so"}, 3]
    decoder = backend.TextDecoder()
    for _ in range(4):
        assert decoder.feed(chunk(parts)) == ["so"]


def test_faults_are_those_of_a_chunk_decoder(backend) -> None:
    decoder = backend.TextDecoder()
    assert decoder.feed(chunk("a") + b"data: {\n\n" + chunk("b", error={"code": 1}) + chunk("c")) == ["a"]
    with pytest.raises(ChunkDecodeError, match="event 1: not JSON"):
        decoder.feed(b"")
    assert decoder.feed(b"") == []
    with pytest.raises(UpstreamError, match="upstream error 1"):
        decoder.feed(b"")
    assert decoder.feed(b"") == ["c"]
    decoder.reset()
    assert decoder.feed(chunk("d")) == ["d"]


def test_what_only_lacks_its_blank_line_is_read(backend) -> None:
    decoder = backend.TextDecoder()
    assert decoder.feed(chunk("a") + chunk("b")[:-1]) == ["a"]
    end = decoder.finish()
    assert (end.chunks, end.unterminated) == (["b"], True)


def test_iterating() -> None:
    stream = sample("text")

    async def source() -> AsyncIterator[bytes]:
        for read in stream.reads(100):
            yield read

    async def collect() -> str:
        async with deltawire.aiter_text(source()) as pieces:
            return "".join([piece async for piece in pieces])

    with deltawire.iter_text(stream.reads(100)) as pieces:
        assert "".join(pieces) == stream.text
    assert pieces.end.done
    assert asyncio.run(collect()) == stream.text


@needs_corpus
@pytest.mark.parametrize("entry", [entry for entry in streams() if is_chat(entry)], ids=lambda entry: entry["file"])
def test_a_recorded_stream_gives_the_same_text_on_both_twins(backend, entry: dict[str, Any]) -> None:
    whole = backend.ChunkDecoder()
    chunks = whole.feed(body(entry["file"]))
    contents = [
        choice.delta.content
        for chunk in chunks
        for at, choice in enumerate(chunk.choices)
        if (at if choice.index is None else choice.index) == 0 and choice.delta
    ]
    decoder = backend.TextDecoder()
    pieces = decoder.feed(body(entry["file"]))
    assert "".join(pieces) == "".join(deltawire.chunks.text_of(content) for content in contents)
    assert repr(decoder.error) == repr(whole.error)
