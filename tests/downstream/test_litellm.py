"""LiteLLM, which needs openai 2, gives the same over either client."""

import os
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from ..corpus import body, is_chat, needs_corpus, streams
from .clients import FAULTS, LITELLM_WARNINGS, SAMPLES, both, broken, same, stream_of

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # read when it is imported: prices from the package
litellm = pytest.importorskip("litellm")
litellm.suppress_debug_info = True

pytestmark = [pytest.mark.downstream, *LITELLM_WARNINGS]

ASKED: dict[str, Any] = {
    "model": "openai/m",
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


def timeless(made: Any) -> Any:
    """Return a chunk, or a completion, as if it had been made long ago."""
    return type(made).__name__, {**made.model_dump(), "created": 0}


def completion(client: Any) -> Generator[Any]:
    chunks = []
    for chunk in litellm.completion(client=client, **ASKED):
        yield timeless(chunk)
        chunks.append(chunk)
    yield timeless(litellm.stream_chunk_builder(chunks))


async def acompletion(client: Any) -> AsyncGenerator[Any]:
    chunks = []
    async for chunk in await litellm.acompletion(client=client, **ASKED):
        yield timeless(chunk)
        chunks.append(chunk)
    yield timeless(litellm.stream_chunk_builder(chunks))


WAYS = pytest.mark.parametrize("way", [completion, acompletion])


@pytest.mark.parametrize("name", SAMPLES)
@WAYS
def test_a_sample_gives_the_same(way: Any, name: str) -> None:
    same(way, stream_of(name))


@WAYS
def test_text_tool_calls_and_usage_are_those_of_the_stream(way: Any) -> None:
    kind, made = same(way, stream_of("demo"), events_per_write=200)[-1]
    assert kind == "ModelResponse"
    (choice,) = made["choices"]
    assert choice["message"]["content"] == stream_of("demo").text
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city":"Genève","days":3}'}
    assert (made["usage"]["prompt_tokens"], made["usage"]["completion_tokens"]) == (24, 73)


@pytest.mark.parametrize("fault", FAULTS)
@WAYS
def test_a_fault_gives_the_same_chunks_and_the_same_error(way: Any, fault: str) -> None:
    stock, ours = both(way, broken(FAULTS[fault]))
    assert stock.items
    assert ours == stock


@needs_corpus
@pytest.mark.parametrize("name", [entry["file"] for entry in filter(is_chat, streams())])
def test_a_recorded_stream_gives_the_same_or_the_same_error(name: str) -> None:
    stock, ours = both(completion, body(name))
    if b"\nerror: " not in body(name):
        assert ours == stock
    else:
        assert ours.items == stock.items[: len(ours.items)]
        assert "failed to decode" in ours.message
