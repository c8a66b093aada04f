"""The code in `docs/` works as it stands."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

import deltawire
from deltawire.replay import ReplayServer, sample

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Of documents whose code prints the text of a stream.
BLOCKS = [(name, code) for name in ("http.md", "openai.md") for code in BLOCK.findall((DOCS / name).read_text("utf-8"))]


@pytest.mark.parametrize(("name", "code"), BLOCKS)
def test_the_code_shown_prints_the_text(name: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    for needed in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        pytest.importorskip(needed)
    if "integrations.openai" in code:
        pytest.importorskip("openai")
    stream = sample("text", chunks=40)
    with ReplayServer(stream, events_per_write=7) as server:
        names = {"url": f"{server.base_url}/chat/completions", "base_url": server.base_url}
        exec(compile(code, name, "exec"), names)
        if "main" in names:
            asyncio.run(names["main"]())
    assert capsys.readouterr().out == stream.text


@pytest.mark.parametrize("document", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_what_is_linked_is_there(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]*)", document.read_text("utf-8")):
        assert (DOCS / link).exists(), link


def run(example: str) -> list[str]:
    """Return the lines that an example prints."""
    command = [sys.executable, "-W", "error", str(DOCS.parent / "examples" / example)]
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
