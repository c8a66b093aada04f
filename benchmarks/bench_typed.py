"""Typed chunks, beside the ways that people decode them today."""

import json

import msgspec
import pytest

from deltawire import ChatCompletionChunk

from .fixtures import STREAMS, SeedChunk, feed, reads, stream, twin


@pytest.fixture(params=STREAMS)
def sample(request, benchmark):
    benchmark.group = f"typed chunks, {request.param}, 64 KiB reads"
    chosen = stream(request.param)
    benchmark.extra_info["bytes"] = len(chosen.body)
    return chosen


def text_of(chunks) -> str:
    return "".join(
        choice.delta.content or ""
        for chunk in chunks
        for choice in chunk.choices
        if choice.index == 0 and choice.delta is not None
    )


@pytest.mark.parametrize("name", ["compiled", "pure"])
def bench_deltawire(benchmark, sample, name: str) -> None:
    pieces = reads(sample, "64 KiB reads")
    decoder = twin(name, "decoder").ChunkDecoder
    chunks = benchmark(lambda: feed(decoder, pieces))
    assert len(chunks) == len(sample.payloads)
    assert text_of(chunks) == sample.text


def bench_msgspec_into_the_seed(benchmark, sample) -> None:
    decode = msgspec.json.Decoder(SeedChunk).decode
    chunks = benchmark(lambda: [decode(payload) for payload in sample.payloads])
    assert text_of(chunks) == sample.text


def bench_msgspec_into_our_structs(benchmark, sample) -> None:
    decode = msgspec.json.Decoder(ChatCompletionChunk).decode
    chunks = benchmark(lambda: [decode(payload) for payload in sample.payloads])
    assert text_of(chunks) == sample.text


def bench_split_and_msgspec(benchmark, sample) -> None:
    decode = msgspec.json.Decoder(SeedChunk).decode

    def run() -> list[SeedChunk]:
        return [decode(event[6:]) for event in sample.body.split(b"\n\n") if event and event != b"data: [DONE]"]

    assert text_of(benchmark(run)) == sample.text


def bench_split_and_json(benchmark, sample) -> None:
    def run() -> list[object]:
        return [json.loads(event[6:]) for event in sample.body.split(b"\n\n") if event and event != b"data: [DONE]"]

    assert len(benchmark(run)) == len(sample.payloads)


def bench_split_and_orjson(benchmark, sample) -> None:
    orjson = pytest.importorskip("orjson")

    def run() -> list[object]:
        return [orjson.loads(event[6:]) for event in sample.body.split(b"\n\n") if event and event != b"data: [DONE]"]

    assert len(benchmark(run)) == len(sample.payloads)
