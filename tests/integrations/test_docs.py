"""The code in `docs/` that needs other packages, and the examples, work as they stand."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import deltawire
from deltawire.replay import ReplayServer, Sample, sample

from .. import shown
from ..shown import ROOT, Unit, units


def prints_the_text(stream: Sample, printed: str) -> None:
    assert printed == stream.text


def prints_the_events(stream: Sample, printed: str) -> None:
    lines = printed.splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["message"] * (len(stream.payloads) + 1)
    assert all(payload.decode() in line for payload, line in zip(stream.payloads, lines, strict=False))


def prints_nothing(stream: Sample, printed: str) -> None:
    """Check nothing else: what these define is put to use by `test_embedding` and `test_proxy_docs`."""
    assert printed == ""


# The stream that a page's code reads, and what comes of it.
PAGES: dict[str, tuple[Sample, Callable[[Sample, str], None]]] = {
    "docs/http.md": (sample("text", chunks=40), prints_the_text),
    "docs/openai.md": (sample("text", chunks=40), prints_the_text),
    "docs/coming-from.md": (sample("demo"), prints_the_events),
    "docs/embedding.md": (sample("demo"), prints_nothing),
    "docs/proxy.md": (sample("demo"), prints_nothing),
}


@pytest.mark.parametrize("unit", units("integrations"), ids=lambda unit: unit.name)
def test_what_a_page_shows_works(unit: Unit, capsys: pytest.CaptureFixture[str]) -> None:
    stream, check = PAGES[unit.blocks[0].page]
    with ReplayServer(stream, events_per_write=7) as server:
        names = shown.run(unit, url=f"{server.base_url}/chat/completions", base_url=server.base_url)
        if "main" in names:
            asyncio.run(names["main"]())
    check(stream, capsys.readouterr().out)


def test_each_package_that_is_left_has_its_code() -> None:
    sections = [block.section for block in shown.blocks_of("docs/coming-from.md")]
    assert sections == ["From httpx-sse", "From sseclient-py", "From aiohttp-sse-client"]


# --- the examples


def run(example: str) -> list[str]:
    """Return the lines that an example prints."""
    command: list[Any] = [sys.executable, "-W", "error", ROOT / "examples" / example]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_example_of_many_streams_completes_them() -> None:
    pytest.importorskip("httpx")
    tokens = 50 * deltawire.accumulate(sample("text").body).usage.total_tokens
    assert run("many_streams.py") == ["50 of 50 streams complete", f"{tokens} tokens in all"]


def test_the_example_of_the_client_reads_the_same_for_less() -> None:
    pytest.importorskip("openai")
    stock, ours = (
        re.fullmatch(r"\w+: (\d+) characters, (\d+) µs of CPU a chunk", line) for line in run("openai_client.py")
    )
    assert int(stock[1]) == int(ours[1]) == len(sample("text").text)
    assert int(ours[2]) < int(stock[2])


def test_reconnecting_loses_no_event() -> None:
    pytest.importorskip("httpx")
    again = "(connecting again in 0.05 s)"
    assert run("reconnect.py") == ["Nothing", "is", again, "lost", "on", again, "the", "way.", again]
