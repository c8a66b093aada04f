"""`deltawire demo`: a completion over real HTTP, decoded while it comes."""

import http.client
import json
import sys
import timeit
from collections.abc import Iterator
from importlib import import_module
from time import perf_counter
from types import ModuleType
from urllib.parse import urlsplit

import click

from .. import BACKEND
from ..accumulator import CompletionAccumulator
from ..chunks import ChatCompletionChunk, text_of
from ..decoder import ChunkDecoder
from ..errors import DeltawireError
from ..replay import ReplayServer, Sample, sample
from .message import print_message
from .report import Summary, backend_note, compiled_exists, print_table, write

_REQUEST = {
    "model": "deltawire-replay",
    "messages": [{"role": "user", "content": "Say something pleasant."}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


@click.command()
@click.option("--delay", type=click.FloatRange(min=0), default=0.03, show_default=True,
              help="Seconds between two events, so that the text comes as if written.")  # fmt: skip
def demo(delay: float) -> None:
    """Stream a completion from a replay server on loopback and decode it live."""
    summary = Summary()
    try:
        with ReplayServer("demo", delay=delay) as server:
            receive(server.url, summary)
    except (OSError, http.client.HTTPException, DeltawireError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise click.ClickException(f"the demo's own stream failed: {error}") from error
    sys.stdout.write("\n\n")
    if summary.completion is not None:
        print_message(summary.completion)
    print_table([*summary.rows(), *twin_rows()])
    if BACKEND == "pure":
        click.echo(f"\nThis ran on the {backend_note()}")


def receive(url: str, summary: Summary) -> None:
    """Post the request, print each chunk as it comes, and fill `summary`."""
    decoder = ChunkDecoder()
    accumulator = CompletionAccumulator()
    started = perf_counter()
    for data in _read(url):
        chunks = decoder.feed(data)
        if chunks and summary.first_chunk is None:
            summary.first_chunk = perf_counter() - started
        for chunk in chunks:
            accumulator.add(chunk)
            write(_visible(chunk))
    summary.end = decoder.finish()
    summary.stats = decoder.stats
    summary.completion = accumulator.completion()


def _read(url: str) -> Iterator[bytes]:
    """Yield the response's body in the pieces in which it arrives."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(_REQUEST), {"Content-Type": "application/json"}
        )  # fmt: skip
        response = connection.getresponse()
        while data := response.read1(65536):
            yield data
    finally:
        connection.close()


def _visible(chunk: ChatCompletionChunk) -> str:
    """Return what the reader sees of `chunk`: its text, and tool calls as they grow."""
    parts = []
    for delta in filter(None, (choice.delta for choice in chunk.choices)):
        parts.append(text_of(delta.content))
        for call in delta.tool_calls or ():
            if call.function and call.function.name:
                parts.append(f"\n\ntool call {call.function.name} ")
            if call.function and call.function.arguments:
                parts.append(call.function.arguments)
    return "".join(parts)


def twin_rows() -> Iterator[tuple[str, str]]:
    """Measure both twins here and now, and yield the rows of their comparison."""
    stream = sample("text", chunks=2048)
    pure = decode_seconds(import_module("deltawire._pure.chat"), stream)
    if not compiled_exists():
        yield "decode, compiled", "not installed: see below"
        yield "decode, pure", f"{pure * 1e6:.2f} µs a chunk"
        return
    compiled = decode_seconds(import_module("deltawire._compiled.chat"), stream)
    yield "decode, compiled", f"{compiled * 1e6:.2f} µs a chunk"
    yield "decode, pure", f"{pure * 1e6:.2f} µs a chunk"
    yield "compiled against pure", f"{pure / compiled:.1f} times as fast"


def decode_seconds(twin: ModuleType, stream: Sample) -> float:
    """Return the seconds a chunk that `twin` needs for `stream` in 64 KiB reads, best of several."""
    reads = stream.reads(65536)

    def run() -> None:
        decoder = twin.ChunkDecoder()
        for data in reads:
            decoder.feed(data)

    return min(timeit.repeat(run, number=1, repeat=15)) / len(stream.payloads)
