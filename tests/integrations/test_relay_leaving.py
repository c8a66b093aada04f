"""A client that leaves: upstream is let go, and the report is given once, whenever it happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from deltawire import Rewriter, StreamReport
from deltawire.integrations.relaying import Relay
from deltawire.integrations.upstreams import upstream_of
from deltawire.replay import sample

from .relays import RELAYS, Answer, aiohttp_server, body, in_loop, relayed
from .upstream import Peer, Script, sends

TEXT = sample("text", chunks=40)
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n'
USAGE = TEXT.body[TEXT.body.rindex(b"data: {") :]
REWRITING = pytest.mark.parametrize("rewriter", [None, Rewriter], ids=["as it is", "through a rewriter"])


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltawire.integrations.relaying.LOOK_EVERY", 0.05)


@asynccontextmanager
async def caller(rig: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Send a request; at the end the connection is broken, unless the test has closed it."""
    url = urlsplit(rig.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 16)
    writer.write(b"POST / HTTP/1.1\r\nhost: relay\r\ncontent-length: 0\r\n\r\n")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def left(rig: Any) -> StreamReport:
    """Return the one report, once upstream has been let go; soon."""
    async with asyncio.timeout(2):
        await rig.upstream.gone.wait()
        report = await rig.reports.get()
    await asyncio.sleep(0.02)
    assert rig.reports.empty(), "one report for each stream"
    return report


async def answers_late(peer: Peer) -> None:
    await asyncio.sleep(0.1)
    await peer.start()
    await peer.left()


async def never_ends(peer: Peer) -> None:
    """Send events until the relay leaves."""
    await peer.start()
    while True:
        await peer.send(EVENT)
        await asyncio.sleep(0.01)


async def floods(peer: Peer) -> None:
    """Send more than all the buffers on the way take."""
    await peer.start()
    while True:
        await peer.send(EVENT * 1000)


# What upstream does, and what the client waits for before it leaves.
MOMENTS = {
    "before the head": (answers_late, []),
    "before the first byte": (sends(end=False), [b"\r\n\r\n"]),
    "in the middle": (never_ends, [EVENT, EVENT, EVENT]),
    "in the middle of an event": (sends(EVENT, b"data: half", end=False), [EVENT]),
    "while upstream is silent": (sends(EVENT, end=False), [EVENT]),
}


@RELAYS
@REWRITING
@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("moment", MOMENTS)
@in_loop
async def test_upstream_is_let_go_when_the_client_leaves(kind: str, rewriter: Any, how: str, moment: str) -> None:
    script, awaited = MOMENTS[moment]
    async with relayed(kind, script, rewriter=rewriter) as rig:
        async with caller(rig) as (reader, writer):
            for each in awaited:
                await reader.readuntil(each)
            writer.close() if how == "close" else writer.transport.abort()
        report = await left(rig)
    assert report.status == "truncated"


@RELAYS
@in_loop
async def test_a_client_that_leaves_while_a_write_waits_for_it_is_noticed(kind: str) -> None:
    async with relayed(kind, floods) as rig:
        async with caller(rig) as (reader, _):
            await reader.readexactly(1000)
            await asyncio.sleep(0.2)
        assert (await left(rig)).status == "truncated"


@in_loop
async def test_a_handler_that_is_cancelled_lets_upstream_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltawire.integrations.relaying.LOOK_EVERY", 100.0)
    async with relayed("aiohttp", sends(EVENT, end=False), {"handler_cancellation": True}) as rig:
        async with caller(rig) as (reader, _):
            await reader.readuntil(EVENT)
        assert (await left(rig)).status == "truncated"


@in_loop
async def test_a_time_out_around_a_relay_is_told_to_the_client() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    from deltawire.integrations.aiohttp import relay

    reports: list[StreamReport] = []
    answer = Answer(EVENT, asyncio.Event().wait)

    async def handler(request: Any) -> Any:
        async with asyncio.timeout(0.1):
            return await relay(request, answer, on_report=reports.append)

    async with aiohttp_server(handler) as url, aiohttp.ClientSession() as session, session.post(url) as response:
        assert await response.content.readexactly(len(EVENT)) == EVENT
        assert b"relay_shut_down" in await response.content.readline()
    assert (answer.closed, [report.status for report in reports]) == (1, ["truncated"])


# --- what is lost with the client


@RELAYS
@pytest.mark.parametrize(("drain", "tokens"), [(0.0, None), (1.0, True)])
@in_loop
async def test_usage_that_comes_after_the_client_has_left_is_seen_only_by_draining(
    kind: str, drain: float, tokens: bool | None
) -> None:
    assert b'"usage":{' in USAGE.replace(b" ", b"")
    script = sends(TEXT.body.removesuffix(USAGE), 0.3, USAGE)
    async with relayed(kind, script, drain=drain) as rig:
        async with caller(rig) as (reader, _):
            await reader.readuntil(b"deltawire-mini")
        report = await left(rig) if not drain else await rig.reports.get()
    assert (report.usage is None, report.status) == ((True, "finished_without_done"), (False, "done"))[bool(tokens)]
    assert report.output_tokens_source == ("usage" if tokens else "chunks")


@RELAYS
@pytest.mark.parametrize("script", [never_ends, sends(EVENT, end=False), floods], ids=["goes on", "silent", "floods"])
@in_loop
async def test_draining_is_bounded_in_time(kind: str, script: Script) -> None:
    async with relayed(kind, script, drain=0.2) as rig:
        async with caller(rig) as (reader, _):
            await reader.readuntil(EVENT)
        assert (await left(rig)).status == "truncated"


class Stalled:
    """A client that takes nothing."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()

    async def start(self) -> None: ...
    async def end(self) -> None: ...
    def cut(self) -> None: ...
    def has_left(self) -> bool:
        return False

    async def write(self, data: bytes) -> None:
        self.waits.set()
        await asyncio.Event().wait()


def stalled(answer: Answer, drain: float) -> tuple[Relay, Stalled, list[StreamReport]]:
    client, reports = Stalled(), []
    options = {"watched": False, "tap": None, "rewriter": None, "keep_alive": 0.02, "idle_timeout": None}
    return Relay(upstream_of(answer), client, on_report=reports.append, drain=drain, **options), client, reports


@in_loop
async def test_draining_survives_a_comment_under_way() -> None:
    came = asyncio.Event()
    stream, client, reports = stalled(Answer(came.wait, TEXT.body), drain=1.0)
    running = asyncio.create_task(stream.run())
    await client.waits.wait()
    came.set()
    await asyncio.sleep(0.02)
    stream.leave()
    await running
    assert [report.status for report in reports] == ["done"]


@in_loop
async def test_a_client_leaves_once() -> None:
    stream, client, reports = stalled(Answer(asyncio.Event().wait), drain=0.1)
    running = asyncio.create_task(stream.run())
    await client.waits.wait()
    for _ in range(10):
        stream.leave()
        await asyncio.sleep(0.05)
    assert running.done(), "draining is not begun again"
    assert len(reports) == 1


# --- the report


@RELAYS
@in_loop
async def test_the_report_may_be_taken_by_a_coroutine(kind: str) -> None:
    reports: list[StreamReport] = []

    async def store(report: StreamReport) -> None:
        await asyncio.sleep(0.01)
        reports.append(report)

    async with relayed(kind, sends(TEXT.body), on_report=store) as rig:
        await body(rig)
        async with caller(rig) as (reader, _):
            await reader.readuntil(EVENT[:6])
        await asyncio.sleep(0.1)
    assert [report.status for report in reports] == ["done", "done"]


@RELAYS
@pytest.mark.parametrize("is_async", [False, True])
@in_loop
async def test_what_on_report_raises_is_logged_and_spoils_nothing(
    kind: str, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(report: StreamReport) -> None:
        raise RuntimeError("the database is gone")

    async def breaks_later(report: StreamReport) -> None:
        breaks(report)

    async with relayed(kind, sends(TEXT.body), on_report=breaks_later if is_async else breaks) as rig:
        assert await body(rig) == await body(rig) == TEXT.body
    assert [record.name for record in caplog.records] == ["deltawire"] * 2
    assert "the database is gone" in caplog.text
