"""What `docs/downstream.md` and `examples/` show works as it stands."""

import os
import subprocess
import sys

import pytest

from deltawire.replay import ReplayServer

from .. import shown
from ..shown import ROOT, units
from .clients import LITELLM_WARNINGS, counted, stream_of

pytestmark = pytest.mark.downstream

UNITS = {unit.blocks[0].section: unit for unit in units("downstream")}

SHOWN = [
    ("langchain-openai", "langchain_openai", "text"),
    ("pydantic-ai", "pydantic_ai", "text"),
    ("instructor", "instructor", "demo"),
    pytest.param("litellm", "litellm", "text", marks=LITELLM_WARNINGS),
]

EXAMPLES = {
    "langchain_openai_chat.py": ("langchain_openai", stream_of("demo").text, "97 tokens"),
    "pydantic_ai_agent.py": ("pydantic_ai", stream_of("text").text, "37 tokens"),
    "instructor_partial.py": ("instructor", "city='Genève' days=None", "city='Genève' days=3"),
}


def test_each_library_has_its_code() -> None:
    assert list(UNITS) == ["langchain-openai", "pydantic-ai", "instructor", "litellm"]


@pytest.mark.parametrize(("library", "module", "name"), SHOWN)
def test_the_code_shown_reads_the_stream(
    library: str, module: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    pytest.importorskip(module)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with ReplayServer(stream_of(name)) as server, counted() as seen:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        shown.run(UNITS[library])
    assert len(seen) == len(server.requests) == 1
    said = stream_of("text").text if name == "text" else "city='Genève' days=3\n"
    assert capsys.readouterr().out.endswith(said)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: str) -> None:
    module, *said = EXAMPLES[example]
    pytest.importorskip(module)
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / example)]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, env=environment)
    assert (run.returncode, run.stderr) == (0, "")
    assert all(each in run.stdout for each in said)
