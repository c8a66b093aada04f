"""The proxies that the documents and the examples show work as they stand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

import deltawire
from deltawire.replay import sample

from ..shown import ROOT, blocks_of, needed
from .relays import aiohttp_server, in_loop, pieces, uvicorn_server
from .upstream import Peer, Script, Upstream, json_error, sends

FASTAPI, AIOHTTP, MITMPROXY, LOOP = (block.code for block in blocks_of("docs/embedding.md"))
EXAMPLES = {name: (ROOT / "examples" / f"{name}.py").read_text("utf-8") for name in ("fastapi_relay", "aiohttp_relay")}
WATCHES = [MITMPROXY, (ROOT / "examples" / "mitmproxy_tap.py").read_text("utf-8")]

TEXT = sample("text", chunks=40)
ASKED = {"model": "any", "messages": [], "stream": True}


def run(code: str, **names: Any) -> dict[str, Any]:
    """Return what a module has, with other values of some `names`; it skips where a package is not there."""
    for package in needed(code):
        pytest.importorskip(package)
    module: dict[str, Any] = {"__name__": "shown"}
    exec(compile(code, "shown", "exec"), module)
    module.update(names)
    return module


@asynccontextmanager
async def relayed(
    code: str, script: Script
) -> AsyncIterator[tuple[Callable[..., Awaitable[tuple[int, bytes]]], Upstream]]:
    """Serve a relay that is shown before an upstream; gives what asks it, and the upstream."""
    aiohttp = pytest.importorskip("aiohttp")
    async with Upstream(script) as upstream, aiohttp.ClientSession() as session:
        module = run(code, UPSTREAM=upstream.url.replace("127.0.0.1", "localhost"))  # of numbers no cookies are kept
        serve = uvicorn_server if module["relay"].__module__.endswith("asgi") else aiohttp_server
        async with serve(module["app"]) as url:

            async def ask(**more: Any) -> tuple[int, bytes]:
                async with session.post(f"{url}v1/chat/completions", json=ASKED | more) as response:
                    return response.status, await response.read()

            yield ask, upstream


@pytest.mark.parametrize("code", [FASTAPI, AIOHTTP], ids=["fastapi", "aiohttp"])
@in_loop
async def test_what_the_document_shows_relays(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with relayed(code, sends(*pieces(TEXT.body, 500))) as (ask, _):
        assert await ask() == (200, TEXT.body)
    assert capsys.readouterr().out.startswith("StreamReport(status='done'")


@pytest.mark.parametrize("example", EXAMPLES)
@in_loop
async def test_the_examples_count_what_the_client_did_not_ask_for(
    example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with relayed(EXAMPLES[example], sends(*pieces(TEXT.body, 500))) as (ask, upstream):
        _, got = await ask()
        assert b'"include_usage":true' in upstream.peers[0].body
        assert (b'"usage"' in got, deltawire.accumulate(got).choices[0].message.content) == (False, TEXT.text)
        _, got = await ask(stream_options={"include_usage": True})
        assert got == TEXT.body
    assert capsys.readouterr().out == "deltawire-mini done 37 (counted from usage)\n" * 2


@pytest.mark.parametrize("example", EXAMPLES)
@in_loop
async def test_the_examples_pass_refusals_on(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with relayed(EXAMPLES[example], json_error("429 Too Many Requests", "slower")) as (ask, _):
        assert await ask() == (429, b'{"error": {"message": "slower"}}')
    assert capsys.readouterr().out == "None unreadable 0 (counted from chunks)\n"


@pytest.mark.parametrize("example", EXAMPLES)
@in_loop
async def test_the_examples_answer_for_an_upstream_that_does_not(example: str) -> None:
    async def hangs_up(peer: Peer) -> None:
        peer.close()

    async with relayed(EXAMPLES[example], hangs_up) as (ask, _):
        status, got = await ask()
    assert (status, b"Upstream cannot be reached." in got) == (502, True)


@pytest.mark.parametrize("example", EXAMPLES)
@in_loop
async def test_the_examples_keep_no_cookies(example: str) -> None:
    async with relayed(EXAMPLES[example], sends(TEXT.body, set_cookie="user=1")) as (ask, upstream):
        await ask()
        await ask()
        assert ["cookie" in peer.headers for peer in upstream.peers] == [False, False]


def flow(status: int = 200, kind: str = "text/event-stream; charset=utf-8") -> Any:
    """Return what an addon sees of one request."""
    return SimpleNamespace(
        metadata={},
        request=SimpleNamespace(headers={"accept-encoding": "br"}),
        response=SimpleNamespace(status_code=status, headers={"content-type": kind}, stream=False),
    )


@pytest.mark.parametrize("code", WATCHES, ids=["the document", "the example"])
@pytest.mark.parametrize("ending", ["response", "error"])
def test_the_addon_passes_what_it_watches(code: str, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    [addon] = run(code)["addons"]
    stream = flow()
    addon.requestheaders(stream)
    addon.responseheaders(stream)
    assert stream.request.headers["accept-encoding"] == "identity"
    assert [stream.response.stream(data) for data in [TEXT.body, b""]] == [TEXT.body, b""]
    getattr(addon, ending)(stream)
    getattr(addon, ending)(stream)
    out = capsys.readouterr().out
    assert (out.count("\n"), "done" in out, "deltawire-mini" in out) == (1, True, True)


@pytest.mark.parametrize("code", WATCHES, ids=["the document", "the example"])
def test_the_addon_lets_other_answers_be(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    [addon] = run(code)["addons"]
    other = flow(kind="application/json")
    addon.requestheaders(other)
    addon.responseheaders(other)
    addon.response(other)
    assert (other.response.stream, capsys.readouterr().out) == (False, "")


def test_the_bare_loop_reports_in_every_ending() -> None:
    async def upstream(*steps: bytes) -> Any:
        for data in steps:
            yield data
        raise ConnectionResetError

    async def main() -> Any:
        reports, sent = [], []

        async def write(data: bytes) -> None:
            sent.append(data)

        with pytest.raises(ConnectionResetError):
            await run(LOOP)["pass_on"](upstream(TEXT.body[:1000]), write, reports.append)
        return reports, sent

    [report], sent = asyncio.run(main())
    assert (report.status, sent) == ("truncated", [TEXT.body[:1000]])
