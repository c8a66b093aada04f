"""pydantic-ai gives the same over either client."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ..corpus import body, is_chat, needs_corpus, streams
from ..integrations.openai_server import ScriptedServer, answer
from .clients import FAULTS, PASSED_OVER, SAMPLES, assert_stopped, both, broken, counted, given, same, stream_of

pytest.importorskip("pydantic_ai.models.openai", reason="pydantic-ai-slim[openai] is not installed")
from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunResultEvent, FunctionToolResultEvent, ModelRequest
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from deltawire.integrations.openai import accelerate

pytestmark = pytest.mark.downstream

THEN = datetime(2000, 1, 1, tzinfo=UTC)


class Weather(BaseModel):
    city: str = ""
    days: int = 0


def model(client: Any) -> OpenAIChatModel:
    return OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client))


def timeless(message: Any) -> Any:
    """Return a message as if it had been made long ago."""
    parts = [replace(part, timestamp=THEN) if hasattr(part, "timestamp") else part for part in message.parts]
    return replace(message, parts=parts, timestamp=THEN)


async def events(client: Any) -> AsyncGenerator[Any]:
    async with model_request_stream(model(client), [ModelRequest.user_text_prompt("Hi")]) as response:
        async for event in response:
            yield event
        yield timeless(response.get())


async def usage_on_each(client: Any) -> AsyncGenerator[Any]:
    settings = {"openai_continuous_usage_stats": True, "openai_logprobs": True}
    request = [ModelRequest.user_text_prompt("Hi")]
    async with model_request_stream(model(client), request, model_settings=settings) as response:
        async for _ in response:
            yield response.usage
        yield timeless(response.get())


async def text(client: Any) -> AsyncGenerator[Any]:
    async with Agent(model(client)).run_stream("Hi") as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece
        yield result.usage
        yield list(map(timeless, result.all_messages()))


async def output(client: Any) -> AsyncGenerator[Any]:
    """What the arguments of a tool call are as they grow."""
    async with Agent(model(client), output_type=Weather).run_stream("Hi") as result:
        async for value in result.stream_output(debounce_by=None):
            yield value


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("way", [events, usage_on_each])
def test_a_sample_gives_the_same(way: Any, name: str) -> None:
    same(way, stream_of(name))


@pytest.mark.parametrize("name", ["text", "escapes", "reasoning", "vllm", "obfuscation"])
def test_an_agent_gives_the_same_text(name: str) -> None:
    *pieces, _, _ = same(text, stream_of(name), events_per_write=200)
    assert "".join(pieces) == stream_of(name).text


def test_text_tool_calls_and_usage_are_those_of_the_stream() -> None:
    _, response = same(events, stream_of("demo"))[-1]
    (_, said), (_, call) = response["parts"]
    assert said["content"] == stream_of("demo").text
    assert (call["tool_name"], call["args"]) == ("get_weather", '{"city":"Genève","days":3}')
    assert (response["usage"][1]["input_tokens"], response["usage"][1]["output_tokens"]) == (24, 73)


def test_structured_output_grows_the_same() -> None:
    values = [value for _, value, _ in same(output, stream_of("demo").body.replace(b"get_weather", b"final_result"))]
    assert values[-1] == {"city": "Genève", "days": 3}
    assert {"city": "Gen", "days": 0} in values


def conversation(client: Any) -> Any:
    agent = Agent(model(client))

    @agent.tool_plain
    def get_weather(city: str, days: int) -> str:
        return f"{city}: rain for {days} days"

    return agent


async def tool_use(client: Any) -> AsyncGenerator[Any]:
    async with conversation(client).run_stream_events("Hi") as found:
        async for event in found:
            if isinstance(event, AgentRunResultEvent):
                yield list(map(timeless, event.result.all_messages()))
                yield event.result.usage
            elif isinstance(event, FunctionToolResultEvent):
                yield replace(event, part=replace(event.part, timestamp=THEN))
            else:
                yield event


def test_an_agent_calls_a_tool_and_reads_on() -> None:
    def answers() -> tuple[Any, Any]:
        return answer(stream_of("demo").body), answer(stream_of("text").body)

    with ScriptedServer(*answers()) as server:
        stock = given(tool_use, server.base_url, lambda client: client)
        server.answers(*answers())
        with counted() as seen:
            ours = given(tool_use, server.base_url, accelerate)
    assert seen == ["AsyncChunkStream"] * 2
    assert server.requests[2].body == server.requests[0].body
    assert server.requests[3].body == server.requests[1].body
    assert "Genève: rain for 3 days" in str(server.requests[1].body)
    assert stock.error is None
    assert ours == stock


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", [events, text])
def test_a_fault_gives_the_same_events_and_the_same_error(way: Any, fault: str) -> None:
    stock, ours = both(way, broken(FAULTS[fault]))
    assert stock.items
    assert ours == stock


@pytest.mark.parametrize("error", PASSED_OVER)
def test_an_error_that_the_stock_client_passes_over_is_raised(error: str) -> None:
    stock, ours = both(events, broken(PASSED_OVER[error]))
    assert stock.error is None
    assert_stopped(stock, ours, ModelAPIError)
    assert ours.message == "overloaded"


@needs_corpus
@pytest.mark.parametrize("name", [entry["file"] for entry in filter(is_chat, streams())])
def test_a_recorded_stream_gives_the_same_or_the_same_error(name: str) -> None:
    stock, ours = both(events, body(name))
    if b"\nerror: " in body(name):
        assert_stopped(stock, ours, ModelAPIError)
    else:
        assert ours == stock
