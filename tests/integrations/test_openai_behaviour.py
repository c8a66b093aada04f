"""Our client is openai's in all but cost: classes, streams, chunks, errors, retries."""

import asyncio
import copy
import gzip
import json
import pickle
import time
from typing import Any

import pytest

from deltawire.replay import sample

from .openai_beside import (
    ASKED,
    EVENTS,
    MARKED,
    TEXT,
    WAYS,
    Read,
    adrained,
    anatomy,
    assert_same,
    assert_same_chunk,
    described,
    drained,
    is_ours,
    made,
    openai,
    ours,
    read_bytes,
    read_from,
)
from .openai_server import End, ScriptedServer, answer, json_answer

KINDS = ["OpenAI", "AsyncOpenAI", "AzureOpenAI", "AsyncAzureOpenAI"]


def ask(either: Any) -> Read:
    """Return what a chat stream gives, through a client of either way, which is closed."""
    if hasattr(either, "__enter__"):
        with either:
            return drained(either.chat.completions.create(**ASKED))

    async def main() -> Read:
        async with either:
            return await adrained(await either.chat.completions.create(**ASKED))

    return asyncio.run(main())


# --- classes


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_is_a_subclass_that_reads_its_own_way(kind: str) -> None:
    assert issubclass(getattr(ours, kind), getattr(openai, kind))
    with ScriptedServer(answer(MARKED)) as server:
        assert not is_ours(ask(made(openai, kind, server.base_url)).chunks)
        assert is_ours(ask(made(ours, kind, server.base_url)).chunks)
        assert server.requests[0].path == server.requests[1].path
        assert server.requests[0].body == server.requests[1].body
        names = [{name.lower() for name in request.headers} for request in server.requests]
        assert names[0] == names[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", ["copy", "with_options"])
def test_a_copy_is_of_the_same_class_and_reads_so_too(kind: str, change: str) -> None:
    with ScriptedServer(answer(MARKED)) as server:
        first = made(ours, kind, server.base_url)
        second = getattr(first, change)(timeout=5, default_headers={"x-mine": "1"})
        assert type(second) is type(first) and second.timeout == 5
        assert is_ours(ask(second).chunks)
        assert server.requests[0].headers["x-mine"] == "1"


@pytest.mark.parametrize("module", [openai, ours], ids=["stock", "ours"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_accelerated_client_is_a_copy_that_shares_the_pool(module: Any, kind: str) -> None:
    with ScriptedServer(answer(MARKED)) as server:
        options = {"timeout": 7, "max_retries": 5, "organization": "o", "default_headers": {"x-mine": "1"}}
        first = made(module, kind, server.base_url, **options, default_query={"q": "1"})
        second = ours.accelerate(first)
        assert isinstance(second, type(first)) and second is not first
        assert second._client is first._client
        for name in ("timeout", "max_retries", "organization", "api_key", "base_url", "default_query"):
            assert getattr(second, name) == getattr(first, name)
        assert is_ours(ask(second).chunks)
        assert server.requests[0].headers["x-mine"] == "1"
        assert "q=1" in server.requests[0].path
        assert first.is_closed()


def test_an_accelerated_client_keeps_the_users_own_class() -> None:
    class Mine(openai.OpenAI):
        def __init__(self, *, tenant: str, **options: Any) -> None:
            super().__init__(**options)
            self.tenant = tenant

        @property
        def default_headers(self) -> Any:
            return {**super().default_headers, "x-tenant": self.tenant}

        def copy(self, **options: Any) -> Any:
            return super().copy(_extra_kwargs={"tenant": self.tenant}, **options)

        with_options = copy

    with ScriptedServer(answer(MARKED)) as server, made_of(Mine, server, tenant="t") as mine:
        second = ours.accelerate(mine)
        assert isinstance(second, Mine) and second.tenant == "t"
        for each in (second, second.with_options(timeout=3)):
            assert is_ours(drained(each.chat.completions.create(**ASKED)).chunks)
            assert server.requests[-1].headers["x-tenant"] == "t"
        assert not is_ours(drained(mine.chat.completions.create(**ASKED)).chunks)


def made_of(kind: Any, server: ScriptedServer, **options: Any) -> Any:
    return kind(api_key="k", max_retries=0, base_url=server.base_url, **options)


def test_dropping_an_accelerated_copy_leaves_the_client_open() -> None:
    with ScriptedServer(answer(TEXT)) as server, made(openai, "OpenAI", server.base_url) as first:
        second = ours.accelerate(first)
        assert drained(second.chat.completions.create(**ASKED)).fault is None
        del second
        assert not first.is_closed()
        assert drained(first.chat.completions.create(**ASKED)).fault is None
        assert server.connections == 1


def test_accelerating_twice_is_accelerating_once() -> None:
    with ScriptedServer(answer(MARKED)) as server, made(ours, "OpenAI", server.base_url) as first:
        assert is_ours(drained(ours.accelerate(ours.accelerate(first)).chat.completions.create(**ASKED)).chunks)


# --- streams and chunks


def test_a_stream_is_one_of_openais() -> None:
    with ScriptedServer(answer(TEXT, x_request_id="req-7")) as server, made(ours, "OpenAI", server.base_url) as mine:
        with mine.chat.completions.create(**ASKED) as stream:
            assert isinstance(stream, openai.Stream)
            assert stream.response.headers["x-request-id"] == "req-7"
            assert stream.response.status_code == 200
            first = next(stream)
            rest = list(stream)
            assert len([first, *rest]) == 8
            assert list(stream) == []
            with pytest.raises(StopIteration):
                next(stream)
        assert stream.response.is_closed


def test_an_async_stream_is_one_of_openais() -> None:
    async def main(server: ScriptedServer) -> None:
        async with made(ours, "AsyncOpenAI", server.base_url) as mine:
            async with await mine.chat.completions.create(**ASKED) as stream:
                assert isinstance(stream, openai.AsyncStream)
                assert stream.response.headers["x-request-id"] == "req-7"
                first = await anext(stream)
                rest = [chunk async for chunk in stream]
                assert len([first, *rest]) == 8
                assert [chunk async for chunk in stream] == []
                with pytest.raises(StopAsyncIteration):
                    await anext(stream)
            assert stream.response.is_closed

    with ScriptedServer(answer(TEXT, x_request_id="req-7")) as server:
        asyncio.run(main(server))


def test_a_chunk_does_what_a_model_does() -> None:
    stock = read_bytes(openai, sample("logprobs", chunks=4).body).chunks
    mine = read_bytes(ours, sample("logprobs", chunks=4).body).chunks
    for chunk, theirs in zip(mine, stock, strict=True):
        assert repr(chunk) == repr(theirs)
        assert_same_chunk(pickle.loads(pickle.dumps(chunk)), theirs)
        assert_same_chunk(copy.deepcopy(chunk), theirs)
        assert_same_chunk(copy.copy(chunk), theirs)
        assert_same_chunk(chunk.model_copy(update={"id": "x"}), theirs.model_copy(update={"id": "x"}))
        assert chunk.to_dict() == theirs.to_dict()
        assert chunk.to_json() == theirs.to_json()
        assert chunk.model_dump(exclude_unset=True) == theirs.model_dump(exclude_unset=True)
        assert getattr(chunk, "_request_id", "none") == getattr(theirs, "_request_id", "none")
        chunk.choices, chunk.anything = [], 5
        assert chunk.model_dump()["anything"] == 5


def test_two_streams_read_in_turn_do_not_meet() -> None:
    names = ["text", "tools", "reasoning", "logprobs"]
    answers = [answer(sample(name, chunks=20).body) for name in names]
    with ScriptedServer(*answers) as server, made(ours, "OpenAI", server.base_url) as mine:
        streams = [mine.chat.completions.create(**ASKED) for _ in names]
        turns = list(zip(*streams, strict=True))
        assert [drained(stream) for stream in streams] == [Read([])] * len(names)
    for name, chunks in zip(names, zip(*turns, strict=True), strict=True):
        assert_same(Read(list(chunks)), read_bytes(openai, sample(name, chunks=20).body))


@WAYS
def test_a_compressed_stream_is_the_same(asynchronous: bool) -> None:
    packed = gzip.compress(TEXT)
    with ScriptedServer(answer(packed[:50], packed[50:], content_encoding="gzip")) as server:
        stock = read_from(openai, server.base_url)
        assert_same(read_from(ours, server.base_url, asynchronous), stock)
        assert len(stock.chunks) == 8


# --- errors

ERRORS: dict[str, Any] = {
    "an object": {"message": "full", "type": "t", "code": "c", "param": "p"},
    "without message": {"code": 5},
    "message empty": {"message": ""},
    "message no text": {"message": 5, "x": [1.0]},
    "text": "full",
    "a list": [1, {"message": "m"}],
    "a number": 1.5,
    "true": True,
}


@WAYS
@pytest.mark.parametrize("event", [b"", b"event: error\n", b"event: other\n"], ids=["unnamed", "error", "other"])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_an_error_raises_the_same(error: Any, event: bytes, asynchronous: bool) -> None:
    data = EVENTS[0] + event + b"data: %b\n\n" % json.dumps({"error": error, "choices": []}).encode() + EVENTS[1]
    stock = read_bytes(openai, data)
    assert type(stock.fault) is openai.APIError and len(stock.chunks) == 1
    assert_same(read_bytes(ours, data, asynchronous=asynchronous), stock)


@WAYS
@pytest.mark.parametrize("text", ["full", "{", "[1,]", "{'a': 1}", "  x\ndata: y", "<html>", '{"a": 1} x'])
def test_what_is_not_json_raises_the_same(text: str, asynchronous: bool) -> None:
    data = EVENTS[0] + f"data: {text}\n\n".encode() + EVENTS[1]
    stock = read_bytes(openai, data)
    assert type(stock.fault) is json.JSONDecodeError
    assert_same(read_bytes(ours, data, asynchronous=asynchronous), stock)


@WAYS
def test_a_fault_closes_the_response(asynchronous: bool) -> None:
    with ScriptedServer(answer(EVENTS[0], b"data: {\n\n", end=End.SILENT)) as server:
        read = read_from(ours, server.base_url, asynchronous)
        assert len(read.chunks) == 1 and type(read.fault) is json.JSONDecodeError
        assert server.left.wait(1)


@WAYS
@pytest.mark.parametrize("last", [EVENTS[2][:40], EVENTS[2][:-1], EVENTS[2]], ids=["mid-event", "blank line", "event"])
def test_a_server_that_dies_raises_what_it_raises_in_openai(last: bytes, asynchronous: bool) -> None:
    with ScriptedServer(answer(*EVENTS[:2], last, end=End.CUT)) as server:
        stock = read_from(openai, server.base_url, asynchronous)
        mine = read_from(ours, server.base_url, asynchronous)
    assert stock.fault is not None
    assert described(mine.fault) == described(stock.fault)
    assert list(map(anatomy, mine.chunks))[: len(stock.chunks)] == list(map(anatomy, stock.chunks))
    assert len(mine.chunks) == len(stock.chunks)


@WAYS
def test_a_read_timeout_raises_what_it_raises_in_openai(asynchronous: bool) -> None:
    with ScriptedServer(answer(*EVENTS[:2], EVENTS[2][:40], end=End.SILENT)) as server:
        stock = read_from(openai, server.base_url, asynchronous, timeout=0.2)
        assert stock.fault is not None and len(stock.chunks) == 2
        assert_same(read_from(ours, server.base_url, asynchronous, timeout=0.2), stock)


@WAYS
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_a_refusal_raises_the_same(status: int, asynchronous: bool) -> None:
    def refused(module: Any, server: ScriptedServer) -> Any:
        with pytest.raises(openai.APIStatusError) as caught:
            read_from(module, server.base_url, asynchronous)
        return [*described(caught.value), caught.value.request_id]

    refusal = json_answer({"error": {"message": "no", "code": "c"}}, status, x_request_id="r")
    with ScriptedServer(refusal) as server:
        assert refused(ours, server) == refused(openai, server)


@WAYS
def test_retries_are_made(asynchronous: bool) -> None:
    refusals = [json_answer({"error": {"message": "later"}}, status, retry_after_ms="1") for status in (429, 500)]
    with ScriptedServer(*refusals, answer(TEXT)) as server:
        read = read_from(ours, server.base_url, asynchronous, max_retries=2)
        assert (len(read.chunks), read.fault, len(server.requests)) == (8, None, 3)


def test_chunks_come_when_they_are_sent() -> None:
    with (
        ScriptedServer(answer(EVENTS[0], 0.3, *EVENTS[1:])) as server,
        made(ours, "OpenAI", server.base_url) as mine,
        mine.chat.completions.create(**ASKED) as stream,
    ):
        next(stream)
        first = time.monotonic()
        next(stream)
        assert time.monotonic() - first > 0.2


def test_async_chunks_come_when_they_are_sent() -> None:
    async def main(server: ScriptedServer) -> float:
        async with (
            made(ours, "AsyncOpenAI", server.base_url) as mine,
            await mine.chat.completions.create(**ASKED) as stream,
        ):
            await anext(stream)
            first = time.monotonic()
            await anext(stream)
            return time.monotonic() - first

    with ScriptedServer(answer(EVENTS[0], 0.3, *EVENTS[1:])) as server:
        assert asyncio.run(main(server)) > 0.2
