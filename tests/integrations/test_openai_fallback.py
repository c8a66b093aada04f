"""Where openai's client is not the one we know, its streams are left to it, with one warning."""

import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest

from .http_bodies import answering, body, client
from .openai_beside import ASKED, MARKED, TEXT, drained, http, is_ours, ours

ROOT = Path(__file__).parents[2]

# Each changes what the SDK makes of a stream, and so must show in what ours gives.
PATCHES = {
    "construct_type": """
        from openai import _base_client
        genuine = _base_client.construct_type
        def construct_type(**given):
            made = genuine(**given)
            made.id = "patched"
            return made
        _base_client.construct_type = construct_type
        """,
    "the construction of each model": """
        from openai import BaseModel
        genuine = BaseModel.construct.__func__
        def construct(cls, _fields_set=None, **values):
            made = genuine(cls, _fields_set, **values)
            made.__dict__["id"] = "patched"
            return made
        BaseModel.construct = BaseModel.model_construct = classmethod(construct)
        """,
    "the construction of a delta": """
        from openai.types.chat.chat_completion_chunk import ChatCompletionChunk, ChoiceDelta
        genuine = ChoiceDelta.construct
        def construct(cls, _fields_set=None, **values):
            return genuine(_fields_set, **values | {"content": "patched"})
        ChoiceDelta.construct = classmethod(construct)
        """,
    "the decoder": """
        from openai._streaming import ServerSentEvent
        genuine = ServerSentEvent.json
        ServerSentEvent.json = lambda self: genuine(self) | {"id": "patched"}
        """,
    "the client": """
        genuine = openai.OpenAI._process_response_data
        def process(self, **given):
            made = genuine(self, **given)
            made.id = "patched"
            return made
        openai.OpenAI._process_response_data = process
        """,
}

SCRIPT = """
import warnings
import openai
{patch}
from tests.integrations.openai_beside import TEXT, assert_same, ours, read_bytes
reads = [read_bytes(openai, TEXT, asynchronous=asynchronous) for asynchronous in (False, True)]
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for asynchronous, stock in enumerate(reads):
        for _ in range(3):
            assert_same(read_bytes(ours, TEXT, asynchronous=bool(asynchronous)), stock)
print("patched" in repr(reads), *(warning.category.__name__ for warning in warned))
"""


def run(patch: str) -> list[str]:
    """Return whether the stream was patched, and the warnings, of a process of its own."""
    script = SCRIPT.format(patch=textwrap.dedent(patch))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", PATCHES)
def test_a_patched_sdk_is_obeyed_with_a_warning_for_each_client_class_at_most(name: str) -> None:
    patched, *warned = run(PATCHES[name])
    assert patched == "True"
    assert set(warned) <= {"RuntimeWarning"} and len(warned) <= 2


def test_it_is_said_that_streams_are_left_to_the_sdk() -> None:
    assert "RuntimeWarning" in run(PATCHES["construct_type"])


def test_a_genuine_sdk_gives_no_warning() -> None:
    assert run("") == ["False"]


class Changed(ours.OpenAI):
    """A client that makes of each chunk what it likes."""

    def _process_response_data(self, **given: Any) -> Any:
        chunk = super()._process_response_data(**given)
        chunk.id = "mine"
        return chunk


class Decoded(ours.OpenAI):
    """A client with a decoder of its own."""

    def _make_sse_decoder(self) -> Any:
        decoder = super()._make_sse_decoder()
        decoder.decode, genuine = (lambda line: genuine(line.replace('"index":0', '"index":5'))), decoder.decode
        return decoder


def over(kind: Any, data: bytes) -> Any:
    return kind(api_key="k", http_client=client(http, answering(http, body(http, data))))


@pytest.mark.parametrize(("kind", "seen"), [(Changed, "id='mine'"), (Decoded, "index=5")])
def test_a_class_that_overrides_how_streams_are_read_is_obeyed(kind: Any, seen: str) -> None:
    with warnings.catch_warnings(record=True), over(kind, TEXT) as mine:
        warnings.simplefilter("always")
        for _ in range(2):
            read = drained(mine.chat.completions.create(**ASKED))
            assert len(read.chunks) == 8 and all(seen in repr(chunk) for chunk in read.chunks[:-1])


def test_such_a_class_leaves_the_others_alone() -> None:
    with warnings.catch_warnings(), over(Changed, TEXT) as changed, over(ours.OpenAI, MARKED) as other:
        warnings.simplefilter("ignore")
        drained(changed.chat.completions.create(**ASKED))
        assert is_ours(drained(other.chat.completions.create(**ASKED)).chunks)
