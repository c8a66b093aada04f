"""Recorded streams, not in the repository, for their text is not ours: tests of them skip where there are none."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(os.environ.get("DELTAWIRE_CORPUS") or Path(__file__).parents[2] / "shared" / "corpus")

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no recorded streams in {CORPUS}")


def sse_cases() -> list[dict[str, Any]]:
    """Return the event stream cases; none where there is no corpus."""
    file = CORPUS / "sse_cases.json"
    return json.loads(file.read_bytes())["cases"] if file.exists() else []


def streams() -> list[dict[str, Any]]:
    """Return the manifest of the recorded streams; none where there is no corpus."""
    file = CORPUS / "streams" / "manifest.json"
    return json.loads(file.read_bytes()) if file.exists() else []


def is_chat(entry: dict[str, Any]) -> bool:
    """Tell whether a stream is one of chat completion chunks."""
    return "chat.completion.chunk" in entry["objects"]


@cache
def body(name: str) -> bytes:
    """Return a recorded stream."""
    return (CORPUS / "streams" / name).read_bytes()
