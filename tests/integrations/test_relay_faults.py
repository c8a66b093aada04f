"""What a client gets when upstream dies, is silent or is slow, and when the relay itself must stop."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

import pytest

import deltawire
from deltawire import EventParser, Rewriter, UpstreamError
from deltawire.replay import sample

from .relays import RELAYS, body, in_loop, relayed
from .upstream import sends

TEXT = sample("text", chunks=40)
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n'
BOM = b"\xef\xbb\xbf"
COMMENT = deltawire.encode_comment()
REWRITING = pytest.mark.parametrize("rewriter", [None, Rewriter], ids=["as it is", "through a rewriter"])


def dies(*steps: bytes, how: str = "reset", **start: Any) -> Any:
    """Return a script that breaks off in the middle of the body."""

    async def script(peer: Any) -> None:
        await peer.start(**start)
        for step in steps:
            await peer.send(step) if start.get("chunked", True) else await peer.write(step)
        await asyncio.sleep(0.02)
        getattr(peer, how)()

    return script


def errors_of(data: bytes) -> list[dict[str, Any]]:
    """Return the errors that the last events of a body bear."""
    events = EventParser().feed(data)
    return [json.loads(event.data)["error"] for event in events if event.data.startswith('{"error"')]


# --- upstream dies


@RELAYS
@REWRITING
@pytest.mark.parametrize("how", ["reset", "close"])
@in_loop
async def test_what_is_complete_goes_out_before_the_error_event(
    kind: str, rewriter: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with relayed(kind, dies(EVENT, EVENT, how=how), rewriter=rewriter) as rig:
        got = await body(rig)
        report = await rig.reports.get()
    assert got.startswith(EVENT * 2 + b"data: ")
    [error] = errors_of(got)
    assert error["code"] == "upstream_closed"
    assert rig.upstream.url.removeprefix("http://") not in got.decode(), "nothing is given away about upstream"
    assert report.status == "truncated"
    [record] = [record for record in caplog.records if record.name == "deltawire"]
    assert record.levelno == logging.WARNING


@RELAYS
@pytest.mark.parametrize(
    "part", [b'data: {"choi', b'data: {"a": "\xf0\x9f', b"data: x\n", b"event: y\r", b": comm", b"\xef"]
)
@in_loop
async def test_the_error_event_stands_by_itself_behind_half_an_event(kind: str, part: bytes) -> None:
    async with relayed(kind, dies(EVENT, part)) as rig:
        got = await body(rig)
    assert got.startswith(EVENT + part)
    assert [error["code"] for error in errors_of(got)] == ["upstream_closed"]


@RELAYS
@in_loop
async def test_a_rewriter_leaves_half_an_event_out(kind: str) -> None:
    async with relayed(kind, dies(EVENT, b'data: {"choi'), rewriter=Rewriter) as rig:
        got = await body(rig)
    with pytest.raises(UpstreamError, match="closed the connection"):
        deltawire.decode(got)
    assert (b"choi{" not in got, got.count(b"data: ")) == (True, got.count(b"\n\n"))


@RELAYS
@in_loop
async def test_a_reader_of_ours_gets_the_chunks_and_then_the_error(kind: str) -> None:
    async with relayed(kind, dies(EVENT, EVENT)) as rig:
        got = await body(rig)
    with pytest.raises(UpstreamError, match="closed the connection") as caught:
        deltawire.decode(got)
    assert len(caught.value.chunks) == 2


@RELAYS
@in_loop
async def test_a_stream_that_had_said_its_end_is_not_spoilt(kind: str) -> None:
    async with relayed(kind, dies(TEXT.body)) as rig:
        assert await body(rig) == TEXT.body
        assert (await rig.reports.get()).status == "done"


@RELAYS
@in_loop
async def test_an_end_is_known_when_it_is_split_and_not_found_in_content(kind: str) -> None:
    async with relayed(kind, dies(EVENT, b"data: [DO", b"NE]\n", b"\n")) as rig:
        assert await body(rig) == EVENT + b"data: [DONE]\n\n"
        assert (await rig.reports.get()).status == "done"
        quoted = EVENT.replace(b'"x"', b'"data: [DONE]\\n\\n"')
        rig.upstream.script = dies(quoted)
        assert [error["code"] for error in errors_of(await body(rig))] == ["upstream_closed"]
        assert (await rig.reports.get()).status == "truncated"


@RELAYS
@in_loop
async def test_a_body_that_ends_with_its_connection_is_not_taken_for_whole(kind: str) -> None:
    cut = TEXT.body[: TEXT.body.index(b"\n\n", 4000) + 2]
    async with relayed(kind, dies(cut, how="close", chunked=False)) as rig:
        got = await body(rig)
        assert got.startswith(cut)
        assert [error["code"] for error in errors_of(got)] == ["upstream_closed"]
        rig.upstream.script = dies(TEXT.body, how="close", chunked=False)
        assert await body(rig) == TEXT.body
        other = b"data: of no family\n\n"
        rig.upstream.script = dies(other, how="close", chunked=False)
        assert await body(rig) == other


@RELAYS
@in_loop
async def test_a_body_that_cannot_say_it_is_not_whole_is_cut(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    for script in (dies(b'{"a": ', kind="application/json"), dies(EVENT, content_encoding="made-up")):
        async with relayed(kind, script) as rig:
            with pytest.raises(aiohttp.ClientPayloadError):
                await body(rig)
            assert (await rig.reports.get()).status == "unreadable"
    caplog.clear()


# --- silence


@RELAYS
@REWRITING
@in_loop
async def test_a_silent_upstream_is_left_with_an_error_event(kind: str, rewriter: Any) -> None:
    script = sends(EVENT, b"data: half", end=False)
    async with relayed(kind, script, rewriter=rewriter, idle_timeout=0.1) as rig:
        got = await body(rig)
        await rig.upstream.gone.wait()
        report = await rig.reports.get()
    assert [error["code"] for error in errors_of(got)] == ["upstream_timeout"]
    assert (b"half" in got, report.status) == (rewriter is None, "truncated")


@RELAYS
@in_loop
async def test_silence_behind_the_end_is_no_error(kind: str) -> None:
    async with relayed(kind, sends(TEXT.body, end=False), idle_timeout=0.1) as rig:
        assert await body(rig) == TEXT.body
        await rig.upstream.gone.wait()
        assert (await rig.reports.get()).status == "done"


@RELAYS
@in_loop
async def test_comments_of_upstream_are_a_sign_of_life(kind: str) -> None:
    steps = [step for _ in range(10) for step in (b": here\n\n", 0.05)]
    async with relayed(kind, sends(*steps, TEXT.body), idle_timeout=0.2) as rig:
        assert await body(rig) == b": here\n\n" * 10 + TEXT.body


@RELAYS
@REWRITING
@in_loop
async def test_comments_keep_a_client_that_waits(kind: str, rewriter: Any) -> None:
    async with relayed(kind, sends(0.25, TEXT.body, 0.25), rewriter=rewriter, keep_alive=0.05) as rig:
        got = await body(rig)
        report = await rig.reports.get()
    before, _, after = got.partition(TEXT.body)
    assert COMMENT * 2 <= before == COMMENT * (len(before) // len(COMMENT))
    assert COMMENT * 2 <= after == COMMENT * (len(after) // len(COMMENT))
    assert report.bytes == len(TEXT.body), "what the relay adds is not upstream's"


@RELAYS
@in_loop
async def test_a_comment_stands_between_events_only(kind: str) -> None:
    parts = [b'data: {"choices": ', b'[{"index": 0,\r', b'\ndata: "delta": {"content": "x"}}]}', b"\r", b"\n\r"]
    script = sends(*[step for part in parts for step in (part, 0.12)], b"\n", 0.12, b"id: 1\n", 0.12, b"\n", EVENT)
    async with relayed(kind, script, keep_alive=0.05) as rig:
        got = await body(rig)
    whole = b"".join(parts)
    assert got.startswith(whole), (
        "a CR at the end of a read may be half of a line's end, and an event goes on behind it"
    )
    assert b"\nid: 1\n\n" in got
    assert COMMENT in got
    assert [chunk.choices[0].delta.content for chunk in deltawire.decode(got)] == ["x", "x"]


@RELAYS
@pytest.mark.parametrize("steps", [(BOM + EVENT,), (b"\xef", b"\xbb", b"\xbf" + EVENT), (EVENT,), (b"\xef\xbb\n\n",)])
@in_loop
async def test_a_bom_behind_a_comment_does_not_spoil_the_first_event(kind: str, steps: tuple[bytes, ...]) -> None:
    paced = [step for data in steps for step in (data, 0.01)]
    async with relayed(kind, sends(0.2, *paced), keep_alive=0.08) as rig:
        assert (await body(rig)).lstrip(b": \n") == b"".join(steps).removeprefix(BOM)
    async with relayed(kind, sends(*paced)) as rig:
        assert await body(rig) == b"".join(steps), "a BOM at the beginning stays"


@RELAYS
@in_loop
async def test_no_time_runs_while_the_client_is_the_slow_one(kind: str) -> None:
    flood = EVENT * 16_000
    script = sends(*[flood] * 24, b"data: [DONE]\n\n")
    async with relayed(kind, script, keep_alive=0.05, idle_timeout=0.1) as rig, rig.session.post(rig.url) as response:
        got = len(await response.content.readany())
        await asyncio.sleep(0.5)
        async for data in response.content.iter_any():
            got += len(data)
        assert got == 24 * len(flood) + len(b"data: [DONE]\n\n")
        assert (await rig.reports.get()).status == "done"


@RELAYS
@in_loop
async def test_none_means_never(kind: str) -> None:
    async with relayed(kind, sends(0.3, EVENT), keep_alive=None, idle_timeout=None) as rig:
        assert await body(rig) == EVENT


# --- the relay


@RELAYS
@in_loop
async def test_what_a_rewriter_raises_ends_the_stream_with_an_error_event(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def each(event: Any) -> Any:
        raise RuntimeError("secret")

    async with relayed(kind, sends(EVENT, end=False), rewriter=lambda: Rewriter(each=each)) as rig:
        got = await body(rig)
        await rig.upstream.gone.wait()
        assert (await rig.reports.get()).status == "truncated"
    assert [error["code"] for error in errors_of(got)] == ["relay_failed"]
    assert b"secret" not in got
    assert "secret" in caplog.text


@pytest.mark.parametrize("kind", ["asgi with httpx", "asgi with aiohttp"])
@in_loop
async def test_a_server_that_is_shut_down_says_so_in_the_stream(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async with relayed(kind, sends(EVENT, end=False)) as rig, rig.session.post(rig.url) as response:
        assert await response.content.readexactly(len(EVENT)) == EVENT
        await rig.shut_down()
        assert [error["code"] for error in errors_of(await response.read())] == ["relay_shut_down"]
        assert (await rig.reports.get()).status == "truncated"
    caplog.clear()


@in_loop
async def test_a_shutdown_of_aiohttps_server_is_no_silent_end() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    async with relayed("aiohttp", sends(EVENT, end=False)) as rig, rig.session.post(rig.url) as response:
        assert await response.content.readexactly(len(EVENT)) == EVENT
        await rig.shut_down()
        with suppress(aiohttp.ClientPayloadError):  # newer ones close the connection before they cancel the handler
            assert [error["code"] for error in errors_of(await response.read())] == ["relay_shut_down"]
        assert (await rig.reports.get()).status == "truncated"
        await rig.upstream.gone.wait()
