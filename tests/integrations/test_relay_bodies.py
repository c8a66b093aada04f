"""What a relay sends on: every byte as it came, whatever the reads; and which headers go along."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest

from deltawire import Rewriter, Tap
from deltawire.replay import sample

from .. import corpus
from .relays import RELAYS, Answer, aiohttp_server, body, in_loop, pieces, relayed
from .upstream import answers, sends

TEXT = sample("text", chunks=40)


# --- the bytes


@RELAYS
@corpus.needs_corpus
@in_loop
async def test_recorded_streams_arrive_byte_for_byte(kind: str) -> None:
    bodies = [corpus.body(entry["file"]) for entry in corpus.streams()]

    async def script(peer: Any) -> None:
        data = bodies[int(peer.body)]
        await sends(*pieces(data, max(len(data) // 50, 1)))(peer)

    async with relayed(kind, script) as rig:
        for number, expected in enumerate(bodies):
            assert await body(rig, data=str(number)) == expected
            assert (await rig.reports.get()).bytes == len(expected)
        assert rig.upstream.connections == 1, "an answer read to its end leaves its connection to the next one"


@corpus.needs_corpus
@pytest.mark.parametrize("size", [1, 7, 100, 4096])
@pytest.mark.parametrize("rewriting", [False, True], ids=["as it is", "through a rewriter"])
@in_loop
async def test_reads_of_any_size_arrive_byte_for_byte(size: int, rewriting: bool) -> None:
    pytest.importorskip("aiohttp")
    from deltawire.integrations.aiohttp import relay

    bodies = [corpus.body(entry["file"]) for entry in corpus.streams()]
    bodies = [data for data in bodies if len(data) < 4000 * size]

    async def handler(request: Any) -> Any:
        data = bodies[int(await request.read())]
        return await relay(request, Answer(*pieces(data, size)), rewriter=Rewriter() if rewriting else None)

    import aiohttp

    assert bodies
    async with aiohttp_server(handler) as url, aiohttp.ClientSession() as session:
        for number, expected in enumerate(bodies):
            async with session.post(url, data=str(number)) as response:
                assert await response.read() == expected


@RELAYS
@in_loop
async def test_characters_split_between_reads_stay_whole(kind: str) -> None:
    text = "🚀 naïve 静かな"
    event = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}, ensure_ascii=False).encode()
    steps = [step for byte in pieces(event + b"\n\n", 1) for step in (byte, 0.001)]
    async with relayed(kind, sends(*steps), tap=lambda: Tap(text=True)) as rig:
        assert await body(rig) == event + b"\n\n"
        assert (await rig.reports.get()).text == text


@RELAYS
@in_loop
async def test_a_role_is_no_token_and_chunks_are_told_from_tokens(kind: str) -> None:
    role = b'data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}\n\n'
    word = b'data: {"choices": [{"index": 0, "delta": {"content": "several tokens at once"}}]}\n\n'
    async with relayed(kind, sends(role, 0.1, word, word, b"data: [DONE]\n\n")) as rig:
        await body(rig)
        report = await rig.reports.get()
    assert report.time_to_first_token - report.time_to_first_byte > 80_000_000
    assert (report.output_tokens, report.output_tokens_source) == (2, "chunks")


@RELAYS
@in_loop
async def test_what_trails_the_end_of_a_stream_goes_on_too(kind: str) -> None:
    trailing = b": bye\n\ndata: {}\n\nno line end"
    async with relayed(kind, sends(TEXT.body, 0.02, trailing)) as rig:
        assert await body(rig) == TEXT.body + trailing
        assert (await rig.reports.get()).status == "done"


@RELAYS
@pytest.mark.parametrize("rewriting", [False, True], ids=["as it is", "through a rewriter"])
@in_loop
async def test_an_event_of_8_mib_goes_through(kind: str, rewriting: bool) -> None:
    stream = sample("big", mebibytes=8).body
    async with relayed(kind, sends(*pieces(stream, 1 << 20)), rewriter=Rewriter if rewriting else None) as rig:
        assert await body(rig) == stream
        assert (await rig.reports.get()).status == "done"


@RELAYS
@in_loop
async def test_an_event_arrives_while_upstream_waits_with_the_next(kind: str) -> None:
    first, rest = TEXT.body[:340], TEXT.body[340:]
    go_on = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.start()
        await peer.send(first)
        await go_on.wait()
        await peer.send(rest)
        await peer.end()

    async with relayed(kind, script) as rig, rig.session.post(rig.url) as response:
        assert await response.content.readexactly(len(first)) == first
        go_on.set()
        assert await response.read() == rest


@RELAYS
@in_loop
async def test_a_rewriter_changes_what_the_client_gets_and_not_what_the_tap_sees(kind: str) -> None:
    options = {"rewriter": lambda: Rewriter(model="ours", usage="drop"), "tap": Tap}
    async with relayed(kind, sends(*pieces(TEXT.body, 1000)), **options) as rig:
        got = await body(rig)
        report = await rig.reports.get()
    assert b'"model":"ours"' in got and b"deltawire-mini" not in got
    assert (report.model, report.bytes, report.status) == ("deltawire-mini", len(TEXT.body), "done")
    assert report.usage.total_tokens


@RELAYS
@in_loop
async def test_without_anything_asked_a_relay_passes_bytes(kind: str) -> None:
    async with relayed(kind, sends(TEXT.body), on_report=None, keep_alive=None, idle_timeout=None) as rig:
        assert await body(rig) == TEXT.body


# --- the headers


@RELAYS
@in_loop
async def test_upstream_is_asked_for_identity_and_not_for_what_concerns_this_hop(kind: str) -> None:
    asked = {
        "Accept-Encoding": "gzip, br",
        "Authorization": "Bearer key",
        "Connection": "keep-alive, X-Hop",
        "Proxy-Authorization": "Basic secret",
        "TE": "trailers",
        "X-End": "1",
        "X-Hop": "1",
    }
    async with relayed(kind, sends(TEXT.body)) as rig:
        await body(rig, headers=asked, data=b'{"stream": true}')
        peer = rig.upstream.peers[0]
    assert peer.body == b'{"stream": true}'
    assert peer.headers["host"] == rig.upstream.url.removeprefix("http://")
    assert peer.head.lower().count("accept-encoding") == 1
    sent = {name: peer.headers.get(name) for name in ("accept-encoding", "authorization", "x-end", "x-hop", "te")}
    expected = {"accept-encoding": "identity", "authorization": "Bearer key", "x-end": "1", "x-hop": None, "te": None}
    assert sent == expected
    assert "proxy-authorization" not in peer.headers


@RELAYS
@in_loop
async def test_the_answers_headers_go_on_but_for_those_of_the_hop(kind: str) -> None:
    script = sends(
        TEXT.body,
        kind="text/event-stream; charset=utf-8",
        x_request_id="7",
        connection="X-Hop",
        x_hop="1",
        keep_alive="timeout=5",
        set_cookie="a=1\r\nset-cookie: b=2",
        x_name="naïve 🚀",
    )
    async with relayed(kind, script, headers={"X-Accel-Buffering": "no", "x-request-id": "8"}) as rig:
        async with rig.session.post(rig.url) as response:
            assert await response.read() == TEXT.body
        headers = response.headers
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers.getall("X-Request-Id") == ["8"]
    assert headers["X-Accel-Buffering"] == "no"
    assert headers.getall("Set-Cookie") == ["a=1", "b=2"]
    assert headers["X-Name"] == "naïve 🚀"
    assert not headers.keys() & {"X-Hop", "Keep-Alive"}
    assert len(headers.getall("Date")) == len(headers.getall("Server")) == 1


@RELAYS
@in_loop
async def test_a_stream_of_a_length_that_was_told_may_grow(kind: str) -> None:
    script = answers(TEXT.body, kind="text/event-stream")
    async with relayed(kind, script) as rig, rig.session.post(rig.url) as response:
        assert "Content-Length" not in response.headers
        assert await response.read() == TEXT.body


# --- what is no event stream


@RELAYS
@pytest.mark.parametrize("status", ["500 Internal Server Error", "200 OK", "429 Too Many Requests"])
@in_loop
async def test_an_answer_of_json_goes_on_as_it_is_and_is_reported_unreadable(kind: str, status: str) -> None:
    data = b'{"error": {"message": "no"}}'
    taps: list[Tap] = []

    def tap() -> Tap:
        taps.append(Tap())
        return taps[-1]

    script = answers(data, status, retry_after="3")
    async with relayed(kind, script, tap=tap, rewriter=lambda: Rewriter(model="x")) as rig:
        async with rig.session.post(rig.url) as response:
            assert (response.status, await response.read()) == (int(status[:3]), data)
        report = await rig.reports.get()
    assert (response.headers["Content-Length"], response.headers["Retry-After"]) == (str(len(data)), "3")
    assert response.headers["Content-Type"] == "application/json"
    assert (report.status, report.bytes, report.events, taps[0].report.bytes) == ("unreadable", len(data), 0, 0)
    assert rig.reports.empty()


@RELAYS
@in_loop
async def test_an_error_status_keeps_an_event_streams_type_from_being_read(kind: str) -> None:
    async with relayed(kind, sends(b"data: {}\n\n", status="503 Service Unavailable")) as rig:
        async with rig.session.post(rig.url) as response:
            assert (response.status, await response.read()) == (503, b"data: {}\n\n")
        assert (await rig.reports.get()).status == "unreadable"


@RELAYS
@in_loop
async def test_an_answer_without_a_body_is_one(kind: str) -> None:
    async def script(peer: Any) -> None:
        await peer.write(b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n")

    async with relayed(kind, script) as rig:
        async with rig.session.post(rig.url) as response:
            assert (response.status, response.headers["x-a"], await response.read()) == (204, "1", b"")
        assert (await rig.reports.get()).status == "unreadable"


# --- compression


@pytest.mark.parametrize("kind", ["aiohttp", "asgi with httpx", "asgi with aiohttp"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "made-up"])
@in_loop
async def test_a_compressed_stream_is_whole_for_the_client(kind: str, coding: str) -> None:
    data = {"gzip": gzip.compress, "deflate": zlib.compress, "made-up": bytes.swapcase}[coding](TEXT.body)
    expands = kind.endswith("aiohttp") and coding != "made-up"
    async with relayed(kind, sends(*pieces(data, 200), content_encoding=coding), rewriter=Rewriter) as rig:
        async with rig.session.post(rig.url) as response:
            got = await response.read()
        report = await rig.reports.get()
    # aiohttp's client has expanded it, which is then an event stream as any other.
    assert got == (TEXT.body if expands else data)
    assert response.headers.get("Content-Encoding") == (None if expands else coding)
    assert report.status == ("done" if expands else "unreadable")


@in_loop
async def test_a_session_that_does_not_decompress_passes_compressed_bytes() -> None:
    aiohttp = pytest.importorskip("aiohttp", "3.13")
    from deltawire.integrations.aiohttp import relay

    from .upstream import Upstream

    data = gzip.compress(TEXT.body)
    reports: list[Any] = []

    async def handler(request: Any) -> Any:
        answer = await session.post(upstream.url)
        return await relay(request, answer, on_report=reports.append, keep_alive=0.001)

    async with (
        Upstream(sends(data[:100], 0.02, data[100:], content_encoding="gzip")) as upstream,
        aiohttp.ClientSession(auto_decompress=False) as session,
        aiohttp_server(handler) as url,
        session.post(url) as response,
    ):
        assert (await response.read(), response.headers["Content-Encoding"]) == (data, "gzip")
    assert [report.status for report in reports] == ["unreadable"]
