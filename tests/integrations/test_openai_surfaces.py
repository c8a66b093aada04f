"""What else a client gives: raw responses, events of `.stream()`, strict validation, other endpoints."""

import asyncio
import json
from typing import Any, TypeVar

import pytest

from deltawire.replay import sample, split_events

from .http_bodies import answering, async_client, body
from .openai_beside import (
    ASKED,
    DONE,
    MARKED,
    TEXT,
    WAYS,
    Read,
    adrained,
    anatomy,
    assert_same,
    drained,
    http,
    is_ours,
    made,
    openai,
    ours,
    read_bytes,
)
from .openai_server import ScriptedServer, answer, json_answer

pydantic = pytest.importorskip("pydantic")

Item = TypeVar("Item")

# --- raw responses


def test_raw_responses_are_read_so_too() -> None:
    with ScriptedServer(answer(MARKED, x_request_id="r")) as server, made(ours, "OpenAI", server.base_url) as mine:
        raw = mine.chat.completions.with_raw_response.create(**ASKED)
        assert raw.headers["x-request-id"] == raw.request_id == "r"
        assert raw.status_code == 200
        stream = raw.parse()
        assert isinstance(stream, openai.Stream) and raw.parse() is stream
        assert is_ours(drained(stream).chunks)
        with mine.chat.completions.with_streaming_response.create(**ASKED) as response:
            assert is_ours(drained(response.parse()).chunks)
        with mine.chat.completions.with_streaming_response.create(**ASKED) as response:
            assert b"".join(response.iter_bytes()) == MARKED
        with mine.chat.completions.with_streaming_response.create(**ASKED) as response:
            assert next(response.iter_lines()).startswith("\ufeffdata")


def test_async_raw_responses_are_read_so_too() -> None:
    async def main(server: ScriptedServer) -> None:
        async with made(ours, "AsyncOpenAI", server.base_url) as mine:
            raw = await mine.chat.completions.with_raw_response.create(**ASKED)
            assert raw.headers["x-request-id"] == "r"
            assert is_ours((await adrained(raw.parse())).chunks)
            async with mine.chat.completions.with_streaming_response.create(**ASKED) as response:
                assert is_ours((await adrained(await response.parse())).chunks)
            async with mine.chat.completions.with_streaming_response.create(**ASKED) as response:
                assert b"".join([data async for data in response.iter_bytes()]) == MARKED

    with ScriptedServer(answer(MARKED, x_request_id="r")) as server:
        asyncio.run(main(server))


# --- `.stream()`


class Weather(pydantic.BaseModel):
    city: str
    days: int


def said(text: str, finish: str | None = None) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps(head | {"choices": [choice]}).encode()


STRUCTURED = b"".join(map(said, ['{"city": ', '"Gen', 'ève", "days"', ": 3}"])) + said("", "stop") + DONE
ACCUMULATED = {
    "text": (sample("text", chunks=20).body, {}),
    "tools": (sample("demo").body, {}),
    "logprobs": (sample("logprobs", chunks=8).body, {}),
    "a model": (STRUCTURED, {"response_format": Weather}),
}


def events_of(module: Any, base_url: str, **more: Any) -> Any:
    asked = {"model": "m", "messages": ASKED["messages"], **more}
    with made(module, "OpenAI", base_url) as mine, mine.chat.completions.stream(**asked) as stream:
        return [anatomy(event) for event in stream], anatomy(stream.get_final_completion())


async def aevents_of(module: Any, base_url: str, **more: Any) -> Any:
    asked = {"model": "m", "messages": ASKED["messages"], **more}
    async with made(module, "AsyncOpenAI", base_url) as mine, mine.chat.completions.stream(**asked) as stream:
        return [anatomy(event) async for event in stream], anatomy(await stream.get_final_completion())


@WAYS
@pytest.mark.parametrize(("data", "more"), ACCUMULATED.values(), ids=ACCUMULATED)
def test_stream_gives_the_same_events_and_completion(data: bytes, more: Any, asynchronous: bool) -> None:
    with ScriptedServer(answer(*split_events(data))) as server:
        stock = events_of(openai, server.base_url, **more)
        mine = events_of(ours, server.base_url, **more)
        if asynchronous:
            mine = asyncio.run(aevents_of(ours, server.base_url, **more))
    assert mine == stock and len(stock[0]) > 4


def test_stream_is_read_our_way() -> None:
    with (
        ScriptedServer(answer(MARKED)) as server,
        made(ours, "OpenAI", server.base_url) as mine,
        mine.chat.completions.stream(model="m", messages=[]) as stream,
    ):
        assert is_ours([event for event in stream if event.type == "chunk"])


# --- strict clients


@WAYS
@pytest.mark.parametrize(
    "payload", ['{"id": 1}', '{"choices": [{"index": "x"}]}', "[1]", '{"id": "a", "created": "1"}']
)
def test_a_strict_client_validates(payload: str, asynchronous: bool) -> None:
    data = TEXT.removesuffix(DONE) + f"data: {payload}\n\n".encode() + DONE
    stock = read_bytes(openai, data, _strict_response_validation=True)
    assert type(stock.fault) is openai.APIResponseValidationError and len(stock.chunks) == 8
    mine = read_bytes(ours, data, asynchronous=asynchronous, _strict_response_validation=True)
    assert_same(mine, stock)


# --- other endpoints, and other kinds of stream

COMPLETION = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]}  # fmt: skip
LEGACY = b'\xef\xbb\xbfdata: {}\n\ndata: {"id": "c", "choices": [{"text": "a", "index": 0}]}\n\n' + DONE
RESPONSES = (
    b'event: response.created\ndata: {"type": "response.created", "sequence_number": 0, "response": {"id": "r"}}\n\n'
    b'event: response.output_text.delta\ndata: {"type": "response.output_text.delta", "delta": "a"}\n\n'
)
IMAGE = b'event: image_generation.partial_image\ndata: {"type": "image_generation.partial_image", "b64_json": "x"}\n\n'
ENDPOINTS = {
    "chat": (json_answer(COMPLETION), lambda c: c.chat.completions.create(model="m", messages=[])),
    "legacy": (answer(LEGACY), lambda c: c.completions.create(model="m", prompt="p", stream=True)),
    "responses": (answer(RESPONSES), lambda c: c.responses.create(model="m", input="i", stream=True)),
    "images": (answer(IMAGE), lambda c: c.images.generate(prompt="p", stream=True)),
    "image": (json_answer({"created": 1, "data": [{"url": "u"}]}), lambda c: c.images.generate(prompt="p")),
    "moderations": (json_answer({"id": "m", "model": "m", "results": []}), lambda c: c.moderations.create(input="i")),
    "threads": (answer(b'event: thread.created\ndata: {"id": "t"}\n\n' + DONE),
                lambda c: c.beta.threads.create_and_run(assistant_id="a", stream=True)),
}  # fmt: skip


@WAYS
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_another_endpoint_is_untouched(endpoint: str, asynchronous: bool) -> None:
    given, call = ENDPOINTS[endpoint]

    async def called(module: Any, base_url: str) -> Any:
        async with made(module, "AsyncOpenAI", base_url) as asked:
            result = await call(asked)
            streamed = isinstance(result, openai.AsyncStream)
            items = [item async for item in result] if streamed else [result]
            return type(result), [anatomy(item) for item in items]

    def told(module: Any, base_url: str) -> Any:
        if asynchronous:
            return asyncio.run(called(module, base_url))
        with made(module, "OpenAI", base_url) as asked:
            result = call(asked)
            items = list(result) if isinstance(result, openai.Stream) else [result]
            return type(result), [anatomy(item) for item in items]

    with ScriptedServer(given) as server:
        assert told(ours, server.base_url) == told(openai, server.base_url)


def test_a_request_id_is_on_a_completion() -> None:
    given = json_answer(COMPLETION, x_request_id="r")
    with ScriptedServer(given) as server, made(ours, "OpenAI", server.base_url) as mine:
        assert mine.chat.completions.create(model="m", messages=[])._request_id == "r"


def test_a_stream_class_of_the_users_is_kept() -> None:
    class Mine(openai.Stream[Item]):
        """Nothing but a name."""

    chunk_type = openai.types.chat.ChatCompletionChunk
    with ScriptedServer(answer(MARKED)) as server, made(ours, "OpenAI", server.base_url) as mine:
        stream = mine.post("/chat/completions", cast_to=chunk_type, body={}, stream=True, stream_cls=Mine[chunk_type])
        assert type(stream) is Mine
        assert not is_ours(drained(stream).chunks)


def test_chunks_of_a_users_own_type_are_of_that_type() -> None:
    class Mine(openai.types.chat.ChatCompletionChunk):
        mood: str = "good"

    def chunks(module: Any, base_url: str) -> Read:
        with made(module, "OpenAI", base_url) as client:
            kind = openai.Stream[Mine]
            return drained(client.post("/chat/completions", cast_to=Mine, body={}, stream=True, stream_cls=kind))

    with ScriptedServer(answer(TEXT)) as server:
        assert_same(chunks(ours, server.base_url), chunks(openai, server.base_url))


def test_an_async_client_takes_the_users_transport() -> None:
    async def main() -> list[Any]:
        transport = async_client(http, answering(http, body(http, MARKED)))
        async with ours.AsyncOpenAI(api_key="k", http_client=transport) as mine:
            return (await adrained(await mine.chat.completions.create(**ASKED))).chunks

    assert is_ours(asyncio.run(main()))
