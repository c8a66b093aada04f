"""The same done over openai's own client and over deltawire's copy of it, on the same stream.

A way is what a user does with a library: a generator that takes a client and yields all
that the library gives, or an async one that takes an async client.
"""

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple
from unittest import mock

import pytest

openai = pytest.importorskip("openai")

from deltawire import encode_event  # noqa: E402
from deltawire.integrations.openai import accelerate, streams  # noqa: E402
from deltawire.replay import ReplayServer, Sample, sample  # noqa: E402

Way = Callable[[Any], Generator[Any] | AsyncGenerator[Any]]

# `big` has one event that matters, and needs seconds here.
SAMPLES = ["demo", "text", "escapes", "tools", "reasoning", "logprobs", "n4", "vllm", "obfuscation"]

# What libraries make up where a stream has no id, or has one that they do not use.
_RANDOM = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


# What LiteLLM does with either client: deprecated pydantic, and an event loop for its logging that it never closes.
LITELLM_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore:{warning}")
    for warning in (
        "Items? .* on TypedDict class .* (is|are) using the `ReadOnly` qualifier:UserWarning",
        "Accessing the 'model_.*' attribute on the instance is deprecated",
        "(?s).*unclosed event loop:pytest.PytestUnraisableExceptionWarning",
        r"Exception ignored in. <socket.socket fd=\d+, family=1,:pytest.PytestUnraisableExceptionWarning",
    )
]

# What ends a stream behind its first chunks.
FAULTS = {
    "error": encode_event({"error": {"message": "overloaded", "code": "x"}}),
    "no JSON": b"data: {bad\n\n",
    "no choices": encode_event({"id": "x", "choices": None}),
    "cut": b"data: {",
}

# Errors that openai's client takes for a chunk, or does not see.
PASSED_OVER = {
    "error event": encode_event({"message": "overloaded"}, event="error"),
    "error line": b'error: {"message": "overloaded"}\n\n',
}


def stream_of(name: str) -> Sample:
    return sample(name) if name == "demo" else sample(name, chunks=40)


def broken(fault: bytes) -> bytes:
    """Return a stream with a fault behind its first chunks."""
    return b"".join(stream_of("text").events()[:5]) + fault


def plain(value: Any) -> Any:
    """Return a value as builtins, its type beside what it holds, without random ids."""
    if isinstance(value, str):
        return _RANDOM.sub("made up", value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if is_dataclass(value):
        return [type(value).__name__, {field.name: plain(getattr(value, field.name)) for field in fields(value)}]
    if hasattr(value, "model_dump"):
        return [type(value).__name__, plain(value.model_dump()), sorted(value.model_fields_set)]
    return value


class Outcome(NamedTuple):
    """What a way has yielded, and the error at its end."""

    items: list[Any]
    error: type[Exception] | None = None
    message: str = ""


def given(way: Way, base_url: str, change: Callable[[Any], Any]) -> Outcome:
    """Return what comes of a way over a client that `change` has changed."""
    options: dict[str, Any] = {"base_url": base_url, "api_key": "key", "max_retries": 0}
    items: list[Any] = []

    def run() -> None:
        with openai.OpenAI(**options) as client:
            items.extend(map(plain, way(change(client))))

    async def arun() -> None:
        async with openai.AsyncOpenAI(**options) as client, aclosing(way(change(client))) as found:
            async for item in found:
                items.append(plain(item))  # noqa: PERF401 (those before an error are wanted)

    try:
        asyncio.run(arun()) if inspect.isasyncgenfunction(way) else run()
    except Exception as error:  # noqa: BLE001 (whatever a library raises is compared)
        return Outcome(items, type(error), str(error))
    return Outcome(items)


@contextmanager
def counted() -> Generator[list[str]]:
    """Note the streams that deltawire reads of a server."""
    seen: list[str] = []

    def noting(begin: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(self: Any) -> Any:
            if self.response.request is not None:  # as it is in the sample that is compared at first
                seen.append(type(self).__name__)
            return begin(self)

        return noted

    with (
        mock.patch.object(streams.ChunkStream, "__stream__", noting(streams.ChunkStream.__stream__)),
        mock.patch.object(streams.AsyncChunkStream, "__stream__", noting(streams.AsyncChunkStream.__stream__)),
    ):
        yield seen


def both(way: Way, stream: Sample | bytes, events_per_write: int = 1) -> tuple[Outcome, Outcome]:
    """Return what a way gives with the stock client and with the accelerated one, which has read each stream."""
    with ReplayServer(stream, events_per_write=events_per_write) as server:
        with counted() as seen:
            stock = given(way, server.base_url, lambda client: client)
        assert seen == []
        requests = len(server.requests)
        with counted() as seen:
            ours = given(way, server.base_url, accelerate)
        assert len(seen) == len(server.requests) - requests == requests > 0
        assert server.requests[requests:] == server.requests[:requests]
    return stock, ours


def same(way: Way, stream: Sample | bytes, events_per_write: int = 1) -> list[Any]:
    """Return what a way gives with either client, no error among it."""
    stock, ours = both(way, stream, events_per_write)
    assert stock.error is None, stock
    assert ours == stock
    assert stock.items
    return stock.items


def assert_stopped(stock: Outcome, ours: Outcome, error: type[Exception] = openai.APIError) -> None:
    """Check that the accelerated client gave what the stock one gave at first, then raised the stream's error."""
    assert 0 < len(ours.items) <= len(stock.items)
    assert ours.items == stock.items[: len(ours.items)]
    assert ours.error is error
