"""`deltawire.proxy`: streams and requests that do not end as they should, and the end of the proxy itself."""

import asyncio
import socket
from typing import Any

import pytest

from deltawire import encode_event

from .proxies import ASK, CHAT, STREAM, proxied
from .relays import in_loop
from .upstream import Peer, answers, sends

EVENTS = STREAM.events()
PART = b"".join(EVENTS[:5])
TEXT = {"usage": "never"}  # so that bytes are as upstream sends them


async def silent(peer: Peer) -> None:
    await peer.left()


@in_loop
async def test_an_upstream_that_cannot_be_reached_is_a_502() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with proxied(f"http://127.0.0.1:{unused.getsockname()[1]}") as rig:
            async with rig.session.post(rig.url + CHAT, json=ASK) as response:
                assert response.status == 502
                assert (await response.json())["error"] == {
                    "message": "Upstream could not be reached.",
                    "type": "upstream_error",
                    "param": None,
                    "code": "upstream_unreachable",
                }
            assert (rig.log[0]["status"], rig.log[0]["refused"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize("path", [CHAT, "/v1/files"])
@in_loop
async def test_an_upstream_that_does_not_answer_in_time_is_a_504(path: str) -> None:
    async with proxied(silent, idle_timeout=0.1) as rig:
        async with rig.session.post(rig.url + path, json=ASK) as response:
            assert response.status == 504
            assert (await response.json())["error"]["code"] == "upstream_timeout"
        await rig.upstream.gone.wait()


@in_loop
async def test_a_connection_that_is_not_made_in_time_is_a_504(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: Any, **__: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(pytest.importorskip("aiohttp.connector").aiohappyeyeballs, "start_connection", connect)
    async with proxied(silent, connect_timeout=0.05) as rig:
        answer = await rig.raw(b"GET /v1/models HTTP/1.1\r\nHost: p\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 504 ")


@in_loop
async def test_a_json_answer_that_does_not_come_to_its_end_is_an_error() -> None:
    async def script(peer: Peer) -> None:
        await peer.start(kind="application/json", chunked=False, content_length="100")
        await peer.write(b'{"half": ')
        if len(rig.upstream.peers) == 1:
            await peer.left()
        peer.close()

    async with proxied(script, idle_timeout=0.1) as rig:
        for status in (504, 502):
            async with rig.session.post(rig.url + CHAT, json={}) as response:
                assert response.status == status
                assert "error" in await response.json()


@in_loop
async def test_a_client_that_does_not_send_its_body_gets_a_408() -> None:
    async with proxied(answers(b"{}"), idle_timeout=0.1) as rig:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: p\r\nContent-Length: 10\r\n\r\n{{"
        reader, writer = await asyncio.open_connection(*rig.address)
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert rig.upstream.peers == []


@pytest.mark.parametrize("begun", [b"", b"GET /v1/models HTTP/1.1\r\nHost:"])
@in_loop
async def test_a_connection_without_a_whole_request_is_closed(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest.importorskip("deltawire.proxy.server"), "_CLIENT_KEEPALIVE", 0.1)
    async with proxied(silent) as rig:
        assert await rig.raw(begun) == b""


@in_loop
async def test_a_body_may_take_longer_than_the_idle_timeout_if_it_comes() -> None:
    async def pieces() -> Any:
        for _ in range(6):
            await asyncio.sleep(0.05)
            yield b" "
        yield b"{}"

    async with proxied(answers(b"{}"), idle_timeout=0.2) as rig:
        async with rig.session.post(rig.url + CHAT, data=pieces()) as response:
            assert response.status == 200
        assert rig.upstream.peers[0].body == b"      {}"


@in_loop
async def test_a_stream_that_falls_silent_ends_with_an_error_event() -> None:
    async with proxied(sends(PART, end=False), idle_timeout=0.1, **TEXT) as rig:
        body = await rig.stream()
        assert body.startswith(PART)
        assert b'"code":"upstream_timeout"' in body.removeprefix(PART)
        assert (await rig.logged())["ending"] == "truncated"


@in_loop
async def test_a_stream_that_breaks_off_ends_with_an_error_event() -> None:
    async def script(peer: Peer) -> None:
        await peer.start()
        await peer.send(PART)
        await peer.send(EVENTS[6][:20])
        await asyncio.sleep(0.02)
        peer.reset()

    async with proxied(script) as rig:  # with a rewriter, which holds the unfinished event
        body = await rig.stream()
        assert b'"code":"upstream_closed"' in body
        assert body.count(b"data: ") == 5 + 1 + 1  # what is whole, the error, [DONE]
        await rig.logged()
        assert (await rig.counts())['deltawire_streams_total{ending="truncated",model="deltawire-mini"}'] == 1


@in_loop
async def test_silence_is_bridged_by_comments() -> None:
    async with proxied(sends(PART, 0.3, b"".join(EVENTS[5:])), keep_alive=0.1, **TEXT) as rig:
        body = await rig.stream()
        assert body.count(b": \n\n") + body.count(b":\n\n") >= 1
        assert body.replace(b": \n\n", b"").replace(b":\n\n", b"") == STREAM.body


@pytest.mark.parametrize("begun", [True, False])
@in_loop
async def test_a_client_that_leaves_is_not_served_on(begun: bool) -> None:
    async with proxied(sends(PART, end=False) if begun else silent) as rig:
        reader, writer = await asyncio.open_connection(*rig.address)
        body = b'{"stream": true}'
        writer.write(b"POST %b HTTP/1.1\r\nHost: p\r\nContent-Length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body))
        if begun:
            await reader.readuntil(b"delta")
        else:
            await asyncio.sleep(0.05)
        writer.close()
        await rig.upstream.gone.wait()
        line = await rig.logged()
        assert (line["status"], line.get("ending")) == ((200, "client_left") if begun else (499, None))
        assert (await rig.counts())["deltawire_streams_in_flight"] == 0


@in_loop
async def test_with_drain_the_usage_is_counted_for_a_client_that_has_left() -> None:
    async with proxied(sends(PART, 1.2, *EVENTS[5:]), drain=5.0) as rig:
        async with rig.session.post(rig.url + CHAT, json=ASK) as response:
            await response.content.readany()
            response.close()
        line = await rig.logged()
        assert (line["ending"], line["usage"]["prompt_tokens"]) == ("done", 24)


# --- the end of the proxy


@in_loop
async def test_on_closing_streams_may_finish_and_nothing_new_begins() -> None:
    async with proxied(sends(PART, 0.3, b"".join(EVENTS[5:])), **TEXT) as rig:
        async with rig.session.post(rig.url + CHAT, json=ASK) as response:
            closing = asyncio.create_task(rig.proxy.close(5))
            await asyncio.sleep(0.05)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*rig.address)
            assert await response.read() == STREAM.body
        await closing


@in_loop
async def test_a_connection_that_is_open_already_is_told_of_the_closing() -> None:
    async with proxied(sends(PART, 0.3, b"".join(EVENTS[5:])), **TEXT) as rig:
        reader, writer = await asyncio.open_connection(*rig.address)
        async with rig.session.post(rig.url + CHAT, json=ASK) as response:
            closing = asyncio.create_task(rig.proxy.close(5))
            await asyncio.sleep(0.05)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: p\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: p\r\n\r\n")
            answer = await reader.read()
            assert answer.count(b" 503 ") == 2
            assert b'"shutting_down"' in answer
            await response.read()
        writer.close()
        await closing


@pytest.mark.parametrize("grace", [0, 0.1])
@in_loop
async def test_what_does_not_finish_in_time_is_cut_with_an_error_event(grace: float) -> None:
    async with proxied(sends(PART, end=False), **TEXT) as rig:
        async with rig.session.post(rig.url + CHAT, json=ASK) as response:
            await rig.proxy.close(grace)
            body = await response.read()
        assert b'"code":"relay_shut_down"' in body.removeprefix(PART)
        await rig.upstream.gone.wait()
        assert rig.log[0]["ending"] == "truncated"


@in_loop
async def test_a_request_without_an_answer_yet_is_told_of_the_closing() -> None:
    async with proxied(silent) as rig:
        asking = asyncio.create_task(rig.raw(b"GET /v1/models HTTP/1.1\r\nHost: p\r\n\r\n"))
        while not rig.upstream.peers:  # noqa: ASYNC110 (a list has no event)
            await asyncio.sleep(0.005)
        await rig.proxy.close(0)
        assert (await asking).startswith(b"HTTP/1.1 503 ")
        await rig.upstream.gone.wait()
        assert (rig.log[0]["status"], rig.log[0]["refused"]) == (503, "shutting_down")


@in_loop
async def test_a_fault_of_the_proxys_own_is_a_500(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxied(silent) as rig:
        monkeypatch.setattr(rig.proxy._gate, "headers", lambda request: 1 / 0)
        answer = await rig.raw(b"GET /v1/models HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"ZeroDivision" not in answer
        assert rig.log[0]["status"] == 500


@in_loop
async def test_metrics_can_be_kept_from_clients() -> None:
    from deltawire.proxy import Proxy, Settings

    async with proxied(answers(b"{}")) as rig:
        async with Proxy(Settings(upstream=rig.upstream.url), metrics_apart=True) as proxy:
            clients = await proxy.listen("127.0.0.1", 0)
            apart = await proxy.listen_for_metrics("127.0.0.1", 0)
            for host, port in (clients, apart):
                async with rig.session.get(f"http://{host}:{port}/healthz") as response:
                    assert await response.json() == {"status": "ok"}
            async with rig.session.get("http://{}:{}/metrics".format(*apart)) as response:
                assert b"deltawire_streams_in_flight 0.0" in await response.read()
            async with rig.session.get("http://{}:{}/metrics".format(*clients)) as response:
                assert await response.read() == b"{}"
        assert [peer.head.split()[1] for peer in rig.upstream.peers] == ["/metrics"]


@in_loop
async def test_a_stream_to_a_client_of_http_1_0_ends_with_its_connection() -> None:
    async with proxied(sends(*EVENTS), **TEXT) as rig:
        answer = await rig.raw(
            f"POST {CHAT} HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        )
        assert answer.partition(b"\r\n\r\n")[2] == STREAM.body


@pytest.mark.parametrize("usage", ["never", "client"])
@in_loop
async def test_a_stream_that_breaks_off_ends_with_done(usage: str) -> None:
    async def breaks_off(peer: Peer) -> None:
        await peer.start()
        await peer.send(PART)
        peer.close()

    async with proxied(breaks_off, usage=usage) as rig:
        body = await rig.stream()
        assert body.startswith(EVENTS[0][:20])
        assert b'"code":"upstream_closed"' in body
        assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("method", ["HEAD", "POST"])
@in_loop
async def test_an_answer_without_a_body_is_no_stream(method: str) -> None:
    async def empty(peer: Peer) -> None:
        await peer.start("200 OK" if method == "HEAD" else "204 No Content", chunked=False)

    async with proxied(empty) as rig:
        async with rig.session.request(method, rig.url + CHAT, json=ASK):
            pass
        assert "ending" not in await rig.logged()


@in_loop
async def test_what_a_message_that_is_cut_has_put_out_is_counted_in_chunks() -> None:
    start = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 7, "output_tokens": 1}}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}

    async def breaks_off(peer: Peer) -> None:
        await peer.start()
        await peer.send(encode_event(start) + encode_event(delta) * 3)
        peer.close()

    async with proxied(breaks_off) as rig:
        await rig.stream("/v1/messages")
        line = await rig.logged()
        assert (line["output_tokens"], line["usage"]) == (3, {"prompt_tokens": 7})
        assert (await rig.counts())['deltawire_output_tokens_total{model="m",source="chunks"}'] == 3
