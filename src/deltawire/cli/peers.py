"""What people read a stream with today, beside deltawire's own twins: one run each, on the same bytes.

`contenders` has them by group. Each checks its own answer; those whose package is not
installed are left out.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import msgspec

from ..chunks import ChatCompletionChunk
from ..replay import Sample
from . import passing
from .contender import Contender, New, Run, split

READ = 64 * 1024

#: What is made of a stream, from the least to the most.
GROUPS = ("events", "typed", "text", "accumulate", "tap", "rewrite")


class ReferenceDelta(msgspec.Struct, frozen=True, gc=False):
    """The members of a delta as OpenAI's reference lists them, and no other."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class ReferenceChoice(msgspec.Struct, frozen=True, gc=False):
    """The same for a choice."""

    index: int
    delta: ReferenceDelta
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class ReferenceChunk(msgspec.Struct, frozen=True, gc=False):
    """The same for a chunk: msgspec alone, on payloads already split, takes the time M."""

    id: str
    choices: list[ReferenceChoice]
    created: int
    model: str
    object: str
    service_tier: str | None = None
    system_fingerprint: str | None = None
    usage: dict[str, Any] | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A delta of which only the text is wanted."""

    content: str | None = None


class TextChoice(msgspec.Struct, frozen=True, gc=False):
    """The same for a choice."""

    delta: TextDelta
    index: int = 0


class TextChunk(msgspec.Struct, frozen=True, gc=False):
    """The same for a chunk."""

    choices: list[TextChoice]


def expected(group: str, stream: Sample) -> object:
    """Return the right answer."""
    if group in passing.GROUPS:
        return passing.expected(group, stream)
    return {"events": len(stream.payloads) + 1, "typed": len(stream.payloads)}.get(group, stream.text)


def contenders() -> Iterator[Contender]:
    """Yield all whose packages are there, group by group; "msgspec alone" takes the time M."""
    yield from _deltawire("events", "events", "EventParser", len)
    yield Contender(
        "events", "bytes.split", lambda stream, reads: lambda: split(stream.body), lambda found: len(found) + 1
    )
    yield from _events_of_peers()
    yield Contender("typed", "msgspec alone, already split", _unit, len)
    yield Contender("typed", "the same, into deltawire's Structs", _own_structs, len)
    yield from _deltawire("typed", "chat", "ChunkDecoder", len)
    yield from _values_of_peers()
    yield from _deltawire("text", "chat", "TextDecoder", "".join)
    yield Contender("text", "bytes.split + msgspec, text only", _text_only, "".join)
    yield from _deltawire("accumulate", "accumulator", "CompletionAccumulator", _content)
    yield Contender("accumulate", "bytes.split + msgspec + join", _joined, str)
    yield from _completions_of_peers()
    yield from passing.contenders()


def _deltawire(
    group: str, module: str, name: str, answer: Callable[[Any], object], *arguments: Any, into: str = ""
) -> Iterator[Contender]:
    for twin in ("compiled", "pure"):
        if find_spec(f"deltawire._{twin}.{module}"):
            kind = partial(getattr(import_module(f"deltawire._{twin}.{module}"), name), *arguments)
            new = _folding if group == "accumulate" else _counting if into else _feeding
            yield Contender(group, f"deltawire, {twin}{into}", new(kind), answer)


def _feeding(kind: Callable[[], Any]) -> New:
    def run(reads: list[bytes]) -> list[Any]:
        reader = kind()
        items: list[Any] = []
        for data in reads:
            items += reader.feed(data)
        return items

    return lambda stream, reads: lambda: run(reads)


def _counting(kind: Callable[[], Any]) -> New:
    """Return what drops each read's items at once, as who iterates does: the collector looks at those that are kept."""

    def run(reads: list[bytes]) -> int:
        reader = kind()
        return sum(len(reader.feed(data)) for data in reads)

    return lambda stream, reads: lambda: run(reads)


def _folding(kind: Callable[[], Any]) -> New:
    def run(reads: list[bytes]) -> Any:
        accumulator = kind()
        for data in reads:
            accumulator.feed(data)
        return accumulator.completion()

    return lambda stream, reads: lambda: run(reads)


def _content(completion: Any) -> object:
    return completion.choices[0].message.content


# --- msgspec, orjson, json


def _unit(stream: Sample, reads: list[bytes]) -> Run:
    decode = msgspec.json.Decoder(ReferenceChunk).decode
    return lambda: [decode(payload) for payload in stream.payloads]


def _own_structs(stream: Sample, reads: list[bytes]) -> Run:
    decode = msgspec.json.Decoder(ChatCompletionChunk).decode
    return lambda: [decode(payload) for payload in stream.payloads]


def _split_and(decode: Callable[[bytes], Any]) -> New:
    return lambda stream, reads: lambda: [decode(payload) for payload in split(stream.body)]


def _pieces(chunks: Iterable[Any]) -> Iterator[str]:
    for chunk in chunks:
        for choice in chunk.choices:
            if choice.index == 0 and choice.delta.content:
                yield choice.delta.content


def _text_only(stream: Sample, reads: list[bytes]) -> Run:
    decode = msgspec.json.Decoder(TextChunk).decode
    return lambda: list(_pieces(decode(payload) for payload in split(stream.body)))


def _joined(stream: Sample, reads: list[bytes]) -> Run:
    decode = msgspec.json.Decoder(ReferenceChunk).decode
    return lambda: "".join(_pieces(decode(payload) for payload in split(stream.body)))


# --- other packages


def _events_of_peers() -> Iterator[Contender]:
    for name, events in _parsers():

        def new(stream: Sample, reads: list[bytes], events: Any = events) -> Run:
            return lambda: list(events(reads))

        yield Contender("events", name, new, len, slow=True)


def _parsers() -> Iterator[tuple[str, Callable[[list[bytes]], Iterator[Any]]]]:
    """Yield the event-stream parsers that are there, each with what iterates over a stream's events."""
    if find_spec("httpx_sse") and find_spec("httpx"):
        httpx, httpx_sse = import_module("httpx"), import_module("httpx_sse")
        headers = {"content-type": "text/event-stream"}

        def events_of_httpx_sse(reads: list[bytes]) -> Iterator[Any]:
            response = httpx.Response(200, headers=headers, content=iter(reads))
            events: Iterator[Any] = httpx_sse.EventSource(response).iter_sse()
            return events

        yield "httpx-sse", events_of_httpx_sse
    if find_spec("sseclient"):
        sseclient = import_module("sseclient")
        yield "sseclient-py", lambda reads: sseclient.SSEClient(iter(reads)).events()
    if find_spec("axio_sse"):
        axio_sse = import_module("axio_sse")

        def events_of_axio_sse(reads: list[bytes]) -> Iterator[Any]:
            decoder = axio_sse.Decoder()
            for data in reads:
                yield from decoder.decode(data)

        yield "axio-sse", events_of_axio_sse
    if find_spec("openai"):
        streaming = import_module("openai._streaming")
        yield "openai's decoder", lambda reads: streaming.SSEDecoder().iter_bytes(iter(reads))


def _values_of_peers() -> Iterator[Contender]:
    yield Contender("typed", "bytes.split + msgspec", _split_and(msgspec.json.Decoder(ReferenceChunk).decode), len)
    if find_spec("orjson"):
        yield Contender("typed", "bytes.split + orjson", _split_and(import_module("orjson").loads), len)
    yield Contender("typed", "bytes.split + json", _split_and(json.loads), len, slow=True)
    for name, events in _parsers():

        def new(stream: Sample, reads: list[bytes], events: Any = events) -> Run:
            return lambda: [json.loads(event.data) for event in events(reads) if event.data != "[DONE]"]

        yield Contender("typed", f"{name} + json", new, len, slow=True)
    if find_spec("openai"):
        yield Contender("typed", "openai's decoder + json + chunk model", _openai_run(list), len, slow=True)
        models = import_module("deltawire.integrations.openai.models")
        arguments = models.chunk_model(), models.construct
        yield from _deltawire("typed", "models", "ModelDecoder", int, *arguments, into=", into openai's models")


def _completions_of_peers() -> Iterator[Contender]:
    if find_spec("openai"):
        completions = import_module("openai.lib.streaming.chat._completions")
        openai = import_module("openai")

        def accumulated(chunks: Iterable[Any]) -> Any:
            state = completions.ChatCompletionStreamState(input_tools=openai.omit, response_format=openai.omit)
            for chunk in chunks:
                state.handle_chunk(chunk)
            return state.current_completion_snapshot

        yield Contender(
            "accumulate", "openai's decoder, model and accumulator", _openai_run(accumulated), _content, slow=True
        )


def _openai_run(consume: Callable[[Iterable[Any]], Any]) -> New:
    """Return what runs openai's own way from reads to its chunk models."""
    streaming, models = import_module("openai._streaming"), import_module("openai._models")
    chunk_type = import_module("openai.types.chat").ChatCompletionChunk

    def chunks(reads: list[bytes]) -> Iterator[Any]:
        for event in streaming.SSEDecoder().iter_bytes(iter(reads)):
            if event.data != "[DONE]":
                yield models.construct_type(type_=chunk_type, value=event.json())

    return lambda stream, reads: lambda: consume(chunks(reads))
