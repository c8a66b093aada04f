"""What `docs/coming-from.md` and `examples/` show works as it stands."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deltawire.replay import ReplayServer, sample

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## From (\S+)\n.*?^```python\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL))


def test_each_package_has_its_code() -> None:
    assert list(BLOCKS) == ["httpx-sse", "sseclient-py", "aiohttp-sse-client"]
    assert DOCUMENT.count("```") == 2 * len(BLOCKS)


@pytest.mark.parametrize(
    ("package", "needs"), [("httpx-sse", "httpx"), ("sseclient-py", "requests"), ("aiohttp-sse-client", "aiohttp")]
)
def test_the_code_shown_prints_the_events(package: str, needs: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(needs)
    stream = sample("demo")
    with ReplayServer(stream) as server:
        names = {"url": f"{server.base_url}/chat/completions"}
        exec(compile(BLOCKS[package], "coming-from.md", "exec"), names)
        if "main" in names:
            asyncio.run(names["main"]())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["message"] * (len(stream.payloads) + 1)
    assert all(payload.decode() in line for payload, line in zip(stream.payloads, lines, strict=False))


@pytest.mark.parametrize("link", re.findall(r"\]\((\.\./.*?)\)", DOCUMENT))
def test_what_is_linked_is_there(link: str) -> None:
    assert (ROOT / "docs" / link).is_file()


def test_reconnecting_loses_no_event() -> None:
    pytest.importorskip("httpx")
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / "reconnect.py")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    again = "(connecting again in 0.05 s)"
    assert run.stdout.splitlines() == ["Nothing", "is", again, "lost", "on", again, "the", "way.", again]
