"""The relay as an ASGI application: the messages that it sends, and what it makes of the server's."""

import asyncio
from typing import Any

import pytest

from deltawire.replay import sample

from .relays import Answer, in_loop, uvicorn_server

pytest.importorskip("starlette")

from deltawire.integrations.asgi import relay

TEXT = sample("text", chunks=10)
SCOPE = {"type": "http", "method": "POST", "path": "/", "headers": []}


class Server:
    """What a server shows of itself; the client leaves when `leaves` is set."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.leaves = asyncio.Event()
        self._asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive(self) -> dict[str, Any]:
        for message in self._asked:
            return message
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def run(self, response: Any) -> None:
        await response(SCOPE, self.receive, self.send)


@in_loop
async def test_one_message_for_each_read() -> None:
    server = Server()
    answer = Answer(TEXT.body[:100], TEXT.body[100:])
    await server.run(relay(answer, headers={"X-A": "1"}, status=203))
    head, *parts = server.sent
    assert (head["type"], head["status"]) == ("http.response.start", 203)
    assert head["headers"] == [(b"content-type", b"text/event-stream"), (b"x-a", b"1")]
    assert [part["body"] for part in parts] == [TEXT.body[:100], TEXT.body[100:], b""]
    assert [part["more_body"] for part in parts] == [True, True, False]
    assert answer.closed == 1


@in_loop
async def test_the_servers_word_of_a_lost_client_stops_the_relay() -> None:
    server, reports = Server(), []
    answer = Answer(TEXT.body[:100], asyncio.Event().wait)
    running = asyncio.create_task(server.run(relay(answer, on_report=reports.append)))
    await asyncio.sleep(0.01)
    assert len(server.sent) == 2
    server.leaves.set()
    await asyncio.wait_for(running, 1)
    assert (answer.closed, len(server.sent), [report.status for report in reports]) == (1, 2, ["truncated"])


@in_loop
async def test_a_send_that_fails_is_a_lost_client() -> None:
    reports: list[Any] = []

    async def send(message: dict[str, Any]) -> None:
        raise OSError("the client has left")

    answer = Answer(TEXT.body)
    await relay(answer, on_report=reports.append)(SCOPE, Server().receive, send)
    assert (answer.closed, [report.bytes for report in reports]) == (1, [0])


@in_loop
async def test_an_error_event_waits_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltawire.integrations.relaying.FAREWELL", 0.05)
    server, reports = Server(), []

    async def send(message: dict[str, Any]) -> None:
        await server.send(message)
        if b"error" in message.get("body", b""):
            await asyncio.Event().wait()  # the client reads no more

    answer = Answer(TEXT.body[:100], ConnectionResetError())
    with pytest.raises(ConnectionAbortedError):
        await asyncio.wait_for(relay(answer, on_report=reports.append)(SCOPE, server.receive, send), 1)
    assert (answer.closed, [report.status for report in reports]) == (1, ["truncated"])


@in_loop
async def test_a_relay_that_is_cancelled_in_a_write_adds_nothing_to_it() -> None:
    server, reports = Server(), []

    async def send(message: dict[str, Any]) -> None:
        await server.send(message)
        if "body" in message:
            await asyncio.Event().wait()

    answer = Answer(TEXT.body[:100])
    running = asyncio.create_task(relay(answer, on_report=reports.append)(SCOPE, server.receive, send))
    await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.wait([running])
    assert (running.cancelled(), answer.closed, len(server.sent), len(reports)) == (True, 1, 2, 1)


@in_loop
async def test_what_is_to_run_after_a_response_runs() -> None:
    from starlette.background import BackgroundTask

    ran: list[bool] = []
    server, response = Server(), relay(Answer(TEXT.body))
    response.background = BackgroundTask(ran.append, server.leaves.is_set())
    await server.run(response)
    assert ran == [False]


@in_loop
async def test_a_middleware_may_stand_before_it() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    pytest.importorskip("uvicorn")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.routing import Route

    answers = [Answer(TEXT.body), Answer(TEXT.body[:100], asyncio.Event().wait)]
    reports: asyncio.Queue[Any] = asyncio.Queue()

    async def endpoint(request: Any) -> Any:
        return relay(answers[reports.qsize()], on_report=reports.put_nowait)

    async def passes(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=passes)])
    async with uvicorn_server(app) as url, aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert await response.read() == TEXT.body
        async with session.get(url) as response:
            assert await response.content.readexactly(100) == TEXT.body[:100]
            response.close()
        assert [(await asyncio.wait_for(reports.get(), 2)).status for _ in range(2)] == ["done", "truncated"]
    assert [answer.closed for answer in answers] == [1, 1]


def test_something_else_than_a_response_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="not 'bytes'"):
        relay(b"data: x\n\n")
