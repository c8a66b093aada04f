"""langchain-openai gives the same over either client."""

from collections.abc import AsyncGenerator, Generator
from functools import reduce
from operator import add
from typing import Any

import pytest

from ..corpus import body, is_chat, needs_corpus, streams
from .clients import FAULTS, PASSED_OVER, SAMPLES, assert_stopped, both, broken, same, stream_of

pytest.importorskip("langchain_openai")
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

pytestmark = pytest.mark.downstream


class Weather(BaseModel):
    """The weather."""

    city: str
    days: int


def model(client: Any, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(model="m", client=client.chat.completions, root_client=client, api_key="key", **options)


def async_model(client: Any, **options: Any) -> ChatOpenAI:
    clients = {"async_client": client.chat.completions, "root_async_client": client}
    return ChatOpenAI(model="m", api_key="key", **clients, **options)


def stream(client: Any) -> Generator[Any]:
    chunks = []
    for chunk in model(client, stream_usage=True, logprobs=True).stream("Hi"):
        yield chunk
        chunks.append(chunk)
    yield reduce(add, chunks)


async def astream(client: Any) -> AsyncGenerator[Any]:
    chunks = []
    async for chunk in async_model(client, stream_usage=True, logprobs=True).astream("Hi"):
        yield chunk
        chunks.append(chunk)
    yield reduce(add, chunks)


def invoke(client: Any) -> Generator[Any]:
    yield model(client, streaming=True).invoke("Hi")


async def ainvoke(client: Any) -> AsyncGenerator[Any]:
    yield await async_model(client, streaming=True).ainvoke("Hi")


def bound_tools(client: Any) -> Generator[Any]:
    yield from model(client).bind_tools([Weather]).stream("Hi")


async def events(client: Any) -> AsyncGenerator[Any]:
    async for event in async_model(client).astream_events("Hi", version="v2"):
        yield {**event, "run_id": None}


def raw_response(client: Any) -> Generator[Any]:
    """By way of `with_raw_response`."""
    for chunk in model(client, include_response_headers=True).stream("Hi"):
        chunk.response_metadata.get("headers", {}).pop("date", None)
        yield chunk


def response_format(client: Any) -> Generator[Any]:
    """By way of openai's own `.stream()`."""
    yield from model(client).stream("Hi", response_format={"type": "json_object"})


async def aresponse_format(client: Any) -> AsyncGenerator[Any]:
    async for chunk in async_model(client).astream("Hi", response_format={"type": "json_object"}):
        yield chunk


def structured(client: Any) -> Generator[Any]:
    yield from model(client).with_structured_output(Weather, method="json_mode", include_raw=True).stream("Hi")


WAYS = [
    *(stream, astream, invoke, ainvoke, bound_tools, events),
    *(raw_response, response_format, aresponse_format, structured),
]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("way", WAYS)
def test_a_sample_gives_the_same(way: Any, name: str) -> None:
    stock, ours = both(way, stream_of(name))
    assert stock.items or stock.error  # openai's `.stream()` takes no choice that was cut at the limit, as `n4` has
    assert ours == stock


@pytest.mark.parametrize("way", [invoke, ainvoke])
def test_text_tool_calls_and_usage_are_those_of_the_stream(way: Any) -> None:
    ((kind, message, _),) = same(way, stream_of("demo"), events_per_write=200)
    assert kind == "AIMessage"
    assert message["content"] == stream_of("demo").text
    call = {"name": "get_weather", "args": {"city": "Genève", "days": 3}, "id": "call_d3m0", "type": "tool_call"}
    assert message["tool_calls"] == [call]
    assert message["response_metadata"]["finish_reason"] == "tool_calls"


def test_usage_is_that_of_the_stream() -> None:
    (_, message, _) = same(stream, stream_of("text"))[-1]
    counts = message["usage_metadata"]
    assert (counts["input_tokens"], counts["output_tokens"]) == (24, 37)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", [stream, astream, response_format, aresponse_format])
def test_a_fault_gives_the_same_chunks_and_the_same_error(way: Any, fault: str) -> None:
    stock, ours = both(way, broken(FAULTS[fault]))
    assert stock.items
    assert ours == stock


@pytest.mark.parametrize("error", PASSED_OVER)
@pytest.mark.parametrize("way", [stream, astream])
def test_an_error_that_the_stock_client_passes_over_is_raised(way: Any, error: str) -> None:
    stock, ours = both(way, broken(PASSED_OVER[error]))
    assert stock.error is None
    assert_stopped(stock, ours)
    assert ours.message == "overloaded"


@needs_corpus
@pytest.mark.parametrize("name", [entry["file"] for entry in filter(is_chat, streams())])
@pytest.mark.parametrize("way", [stream, response_format])
def test_a_recorded_stream_gives_the_same_or_the_same_error(way: Any, name: str) -> None:
    stock, ours = both(way, body(name))
    if b"\nerror: " in body(name):
        assert_stopped(stock, ours)
    else:
        assert ours == stock
