"""Responses of HTTP clients as sources: what is given, what is refused, when a response is closed."""

import asyncio
import gc
import gzip
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

import deltawire
from deltawire import ResponseError, UpstreamError
from deltawire.replay import sample

from .http_clients import ASYNC_CLIENTS, CLIENTS, async_client, client
from .openai_server import Answer, End, ScriptedServer, answer, json_answer

STREAM = sample("text", chunks=40)
CHUNKS = deltawire.decode(STREAM.body)
EVENTS = STREAM.events()
ENDINGS = {
    "httpx": "RemoteProtocolError",
    "httpx2": "RemoteProtocolError",
    "requests": "ChunkedEncodingError",
    "urllib3": "ProtocolError",
    "urllib.request": "IncompleteRead",
    "aiohttp": "ClientPayloadError",
}


EVERY = [*CLIENTS, *(f"async {name}" for name in ASYNC_CLIENTS)]


@pytest.fixture(params=EVERY)
def each(request: pytest.FixtureRequest) -> SimpleNamespace:
    """A client of either kind, driven in the same way."""
    name = request.param.removeprefix("async ")
    is_async = request.param.startswith("async ")

    def run(use: Callable[[Any, Callable[[Any, str], Awaitable[Any]]], Any], url: str) -> Any:
        """Call `use` with what sends a request to `url`."""

        async def main() -> Any:
            if is_async:
                async with async_client(name) as send:
                    return await use(lambda: send(url))
            with client(name) as send:

                async def sent() -> Any:
                    return send(url)

                return await use(sent)

        return asyncio.run(main())

    async def collect(response: Any, kind: str = "chunks", items: list[Any] | None = None) -> list[Any]:
        items = [] if items is None else items
        if is_async:
            async for item in getattr(deltawire, f"aiter_{kind}")(response):
                items.append(item)
        else:
            for item in getattr(deltawire, f"iter_{kind}")(response):
                items.append(item)
        return items

    return SimpleNamespace(name=name, is_async=is_async, run=run, collect=collect)


def test_a_response_gives_chunks_text_events_and_the_completion(each: SimpleNamespace) -> None:
    async def use(send: Any) -> None:
        assert await each.collect(await send()) == CHUNKS
        assert "".join(await each.collect(await send(), "text")) == STREAM.text
        assert len(await each.collect(await send(), "events")) == len(EVENTS)
        whole = deltawire.aaccumulate(await send()) if each.is_async else None
        completion = await whole if whole else deltawire.accumulate(await send())
        assert completion.choices[0].message.content == STREAM.text

    for steps in (EVENTS, [STREAM.body], [STREAM.body[at : at + 7] for at in range(0, len(STREAM.body), 7)]):
        with ScriptedServer(answer(*steps)) as server:
            each.run(use, server.url)


def test_an_event_comes_when_it_is_sent(each: SimpleNamespace) -> None:
    async def use(send: Any) -> None:
        response = await send()
        started = time.monotonic()
        if each.is_async:
            async with deltawire.aiter_chunks(response) as stream:
                assert await anext(stream) == CHUNKS[0]
        else:
            with deltawire.iter_chunks(response) as stream:
                assert next(stream) == CHUNKS[0]
        assert time.monotonic() - started < 1

    with ScriptedServer(answer(EVENTS[0], 2.0, *EVENTS[1:])) as server:
        each.run(use, server.url)
    with unchunked(EVENTS[0], pause=2.0) as url:
        each.run(use, url)


@contextmanager
def unchunked(*writes: bytes, pause: float = 0) -> Iterator[str]:
    """Serve a body whose end is the connection's."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for data in writes:
                self.wfile.write(data)
                closing.wait(pause)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            closing.set()
            http.shutdown()
            thread.join()


def test_a_body_without_chunks_is_read_to_the_end(each: SimpleNamespace) -> None:
    async def use(send: Any) -> None:
        assert await each.collect(await send()) == CHUNKS

    with unchunked(*EVENTS) as url:
        each.run(use, url)


def test_compression_is_undone(each: SimpleNamespace) -> None:
    if each.name == "urllib.request":
        pytest.skip("it does not ask for any, and undoes none")

    async def use(send: Any) -> None:
        assert await each.collect(await send()) == CHUNKS

    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in EVENTS] + [packer.flush()]
    for steps in (pieces, [gzip.compress(STREAM.body)]):
        with ScriptedServer(answer(*steps, Content_Encoding="gzip")) as server:
            each.run(use, server.url)


@pytest.mark.parametrize(
    ("given", "status", "body", "code"),
    [
        (json_answer({"error": {"message": "no", "code": 7}}, 429), 429, {"message": "no", "code": 7}, 7),
        (json_answer({"error": {"message": "no"}}), 200, {"message": "no"}, None),
        (json_answer({"detail": "no"}, 500), 500, {"detail": "no"}, None),
        (json_answer({"id": "c", "choices": []}), 200, {"id": "c", "choices": []}, None),
        (Answer((b"<p>Bad \xff",), status=502, kind="text/html"), 502, "<p>Bad \ufffd", None),
        (Answer((b"<p>Hello",), kind="text/html; charset=utf-8"), 200, "<p>Hello", None),
        (Answer((b"data: {}\n\n",), status=503), 503, "data: {}\n\n", None),
        (Answer((b"x" * 70_000,), status=500, kind="text/plain"), 500, "x" * 65536, None),
    ],
)
def test_what_is_no_event_stream_is_refused(
    each: SimpleNamespace, given: Answer, status: int, body: Any, code: Any
) -> None:
    async def use(send: Any) -> None:
        with pytest.raises(ResponseError, match=f"^HTTP status {status}, content type '{given.kind}'") as caught:
            await each.collect(await send())
        assert (caught.value.status, caught.value.body, caught.value.code) == (status, body, code)
        assert isinstance(caught.value, UpstreamError)

    with ScriptedServer(given) as server:
        each.run(use, server.url)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "", "TEXT/EVENT-STREAM; charset=utf-8"])
def test_streams_are_read_whatever_plain_type_they_are_sent_as(each: SimpleNamespace, kind: str) -> None:
    async def use(send: Any) -> None:
        assert await each.collect(await send()) == CHUNKS

    with ScriptedServer(Answer((STREAM.body,), kind=kind)) as server:
        each.run(use, server.url)


def test_what_the_client_raises_comes_behind_the_chunks_before_it(each: SimpleNamespace) -> None:
    async def use(send: Any) -> None:
        items: list[Any] = []
        with pytest.raises(Exception) as caught:  # noqa: PT011 (its class is another package's)
            await each.collect(await send(), items=items)
        assert caught.type.__name__ == ENDINGS[each.name]
        assert items == CHUNKS[:3]

    with ScriptedServer(answer(*EVENTS[:3], EVENTS[3][:20], end=End.CUT)) as server:
        each.run(use, server.url)


async def begun(each: SimpleNamespace, response: Any, taken: int) -> Any:
    """Return a stream of chunks of which some were taken."""
    stream = getattr(deltawire, "aiter_chunks" if each.is_async else "iter_chunks")(response)
    for _ in range(taken):
        await anext(stream) if each.is_async else next(stream)
    return stream


async def leave(each: SimpleNamespace, stream: Any, how: str) -> None:
    if how == "closed":
        await stream.aclose() if each.is_async else stream.close()
    elif how == "broken off" and each.is_async:
        async for _ in stream:
            break
    elif how == "broken off":
        for _ in stream:
            break
    elif how == "cancelled":

        async def read(stream: Any) -> None:
            async for _ in stream:
                pass

        reading = asyncio.ensure_future(read(stream))
        await asyncio.sleep(0.05)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.parametrize("taken", [0, 1])
@pytest.mark.parametrize("how", ["closed", "dropped", "broken off", "cancelled"])
def test_the_response_is_closed_when_it_is_not_read_to_the_end(each: SimpleNamespace, taken: int, how: str) -> None:
    if how == "cancelled" and not each.is_async:
        pytest.skip("a thread is not cancelled")

    async def use(send: Any) -> None:
        stream = await begun(each, await send(), taken)
        await leave(each, stream, how)
        del stream
        for _ in range(100):
            if server.left.is_set():
                return
            await asyncio.sleep(0.02)
        pytest.fail("the connection is still open")

    gc.disable()  # no cycle is waited for
    try:
        with ScriptedServer(answer(*EVENTS[:2], end=End.SILENT)) as server:
            each.run(use, server.url)
    finally:
        gc.enable()


def test_ten_streams_use_one_connection(each: SimpleNamespace) -> None:
    if each.name == "urllib.request":
        pytest.skip("it opens one for each request")

    async def use(send: Any) -> None:
        for _ in range(10):
            assert await each.collect(await send()) == CHUNKS

    for last in ([], [0.01]):  # the end of the body comes with [DONE], or a little later
        with ScriptedServer(answer(STREAM.body, *last)) as server:
            each.run(use, server.url)
            assert server.connections == 1


@pytest.mark.parametrize("end", [End.SILENT, End.ENDLESS])
def test_what_follows_done_is_not_waited_for(each: SimpleNamespace, end: End) -> None:
    async def use(send: Any) -> None:
        response = await send()
        started = time.monotonic()
        assert await each.collect(response) == CHUNKS
        assert time.monotonic() - started < 1

    with ScriptedServer(answer(STREAM.body, end=end)) as server:
        each.run(use, server.url)


@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "urllib.request"])  # which keeps nothing
def test_a_body_that_was_read_already_is_one_read(name: str) -> None:
    with ScriptedServer(answer(STREAM.body)) as server, client(name) as send:
        response = send(server.url)
        response.read() if name.startswith("httpx") else response.data if name == "urllib3" else response.content
        assert list(deltawire.iter_chunks(response)) == CHUNKS


@pytest.mark.parametrize("name", ASYNC_CLIENTS)
def test_a_body_that_was_read_already_is_one_read_for_async_clients(name: str) -> None:
    async def main() -> None:
        async with async_client(name) as send:
            response = await send(server.url)
            await (response.read() if name == "aiohttp" else response.aread())
            assert [chunk async for chunk in deltawire.aiter_chunks(response)] == CHUNKS

    with ScriptedServer(answer(STREAM.body)) as server:
        asyncio.run(main())


def test_aiohttps_content_is_read_as_it_comes() -> None:
    async def main() -> None:
        # The response is not closed by its content.
        async with async_client("aiohttp") as send, await send(server.url) as response:
            assert [chunk async for chunk in deltawire.aiter_chunks(response.content)] == CHUNKS

    with ScriptedServer(answer(*EVENTS)) as server:
        asyncio.run(main())
