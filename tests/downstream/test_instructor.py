"""Instructor gives the same over either client."""

import json
from collections.abc import AsyncGenerator, Generator, Iterable
from typing import Any

import pytest

from deltawire import encode_event

from .clients import FAULTS, SAMPLES, both, same, stream_of

instructor = pytest.importorskip("instructor")
from pydantic import BaseModel  # noqa: E402

pytestmark = pytest.mark.downstream

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class Weather(BaseModel):
    city: str
    days: int


def partial(client: Any) -> Generator[Any]:
    yield from instructor.from_openai(client).create_partial(response_model=Weather, **ASKED)


async def apartial(client: Any) -> AsyncGenerator[Any]:
    async for value in instructor.from_openai(client).create_partial(response_model=Weather, **ASKED):
        yield value


def partial_json(client: Any) -> Generator[Any]:
    asked = instructor.from_openai(client, mode=instructor.Mode.JSON)
    yield from asked.create_partial(response_model=Weather, **ASKED)


def iterable(client: Any) -> Generator[Any]:
    yield from instructor.from_openai(client).create_iterable(response_model=Weather, **ASKED)


async def aiterable(client: Any) -> AsyncGenerator[Any]:
    async for value in instructor.from_openai(client).create_iterable(response_model=Weather, **ASKED):
        yield value


def chunks(client: Any) -> Generator[Any]:
    yield from instructor.from_openai(client).create(response_model=None, stream=True, **ASKED)


async def achunks(client: Any) -> AsyncGenerator[Any]:
    async for chunk in await instructor.from_openai(client).create(response_model=None, stream=True, **ASKED):
        yield chunk


def chat(deltas: Iterable[dict[str, Any]]) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    payloads = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return b"".join(map(encode_event, payloads)) + b"data: [DONE]\n\n"


def pieces(value: Any) -> list[str]:
    text = json.dumps(value, ensure_ascii=False)
    return [text[start : start + 3] for start in range(0, len(text), 3)]


def said(value: Any) -> bytes:
    """Return a stream that says a value as JSON, three characters a chunk."""
    return chat({"content": piece} for piece in pieces(value))


def called(value: Any) -> bytes:
    """Return a stream whose tool call has a value as its arguments."""
    call = {"index": 0, "id": "call", "type": "function"}
    head = {"tool_calls": [{**call, "function": {"name": "Weather", "arguments": ""}}]}
    return chat([head, *({"tool_calls": [{"index": 0, "function": {"arguments": each}}]} for each in pieces(value))])


CITIES = [{"city": "Genève", "days": 3}, {"city": "水戸", "days": 1}]


@pytest.mark.parametrize("way", [partial, apartial])
def test_partial_objects_of_tool_calls_are_the_same(way: Any) -> None:
    values = [value for _, value, _ in same(way, called(CITIES[0]))]
    assert values[-1] == CITIES[0]
    assert {"city": "Genève", "days": None} in values


def test_partial_objects_of_json_are_the_same() -> None:
    values = [value for _, value, _ in same(partial_json, said(CITIES[1]), events_per_write=200)]
    assert values[-1] == CITIES[1]


@pytest.mark.parametrize("way", [iterable, aiterable])
def test_the_objects_of_a_list_are_the_same(way: Any) -> None:
    assert [value for _, value, _ in same(way, called({"tasks": CITIES}))] == CITIES


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("way", [chunks, achunks])
def test_the_chunks_are_the_same(way: Any, name: str) -> None:
    made = same(way, stream_of(name))
    assert {kind for kind, _, _ in made} == {"ChatCompletionChunk"}
    assert len(made) == len(stream_of(name).payloads)


def test_the_text_is_that_of_the_stream() -> None:
    made = [chunk["choices"] for _, chunk, _ in same(chunks, stream_of("demo"))]
    assert "".join(choices[0]["delta"]["content"] or "" for choices in made if choices) == stream_of("demo").text


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", [chunks, partial, apartial])
def test_a_fault_gives_the_same_objects_and_the_same_error(way: Any, fault: str) -> None:
    whole = called(CITIES[0]).removesuffix(b"data: [DONE]\n\n")
    stock, ours = both(way, whole + FAULTS[fault])
    assert stock.items or stock.error  # the sync client reads to the end before it gives the first object
    assert ours[:2] == stock[:2]  # the text of some has the address of the stream
