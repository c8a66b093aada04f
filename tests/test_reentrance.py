"""A call from within another one of the same object, on both twins: refused, by name."""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from deltawire import ChatCompletionChunk, ConcurrentFeedError, DeltawireError, Limits

from .conftest import READERS

LIMITS = Limits(max_event=100)
ADDED = ChatCompletionChunk(error={"message": "slow"})
LAST = {"Tap": ["close"], "CompletionAccumulator": ["finish", "add", "completion"]}
# The accumulator begins with another decoder, and the call goes on with the one before.
CALLS = [
    (name, call)
    for name in READERS
    for call in ("feed", "reset", "__init__", *LAST.get(name, ["finish"]))
    if (name, call) != ("CompletionAccumulator", "__init__")
]

# What each does while it is under way, and a stream that makes it run what both twins have in Python.
OUTER: dict[str, Callable[[Any], object]] = {
    "feed": lambda reader: reader.feed(b"data: " + b"x" * 200 + b"\n\n"),
    "add": lambda reader: reader.add(ADDED),
    "finish": lambda reader: reader.finish(),
    "finish with an error": lambda reader: reader.finish(error="slow"),
    "close": lambda reader: reader.close(),
}
IN_PYTHON = {"errors.py", "families.py", "closing.py"}


def made(backend: Any, name: str) -> Any:
    kind = getattr(backend, name)
    return kind(int, limits=LIMITS) if name == "StreamDecoder" else kind(limits=LIMITS)


def again(reader: Any, name: str, call: str) -> object:
    """Make a call, with the arguments that it needs."""
    arguments = {"feed": [b""], "add": [ADDED], "__init__": [int] if name == "StreamDecoder" else []}
    return getattr(reader, call)(*arguments.get(call, []))


def refused(reader: Any, name: str, call: str, outer: Callable[[Any], object]) -> set[str]:
    """Make a call wherever `outer` runs Python code that both twins have; return what it is refused with."""
    seen = set()

    def meddle(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and Path(frame.f_code.co_filename).name in IN_PYTHON:
            try:
                again(reader, name, call)
            except ConcurrentFeedError as error:
                seen.add(str(error))
            else:
                seen.add("taken")

    before = sys.getprofile()
    sys.setprofile(meddle)
    try:
        with suppress(DeltawireError):
            outer(reader)
    finally:
        sys.setprofile(before)
    return seen


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_a_call_from_within_feed_is_refused(backend, name: str, call: str) -> None:
    message = f"{call}() while another call is under way"
    assert refused(made(backend, name), name, call, OUTER["feed"]) == {message}


@pytest.mark.parametrize(("name", "call"), [each for each in CALLS if each[0] != "EventParser"])
def test_a_call_from_within_the_end_is_refused(backend, name: str, call: str) -> None:
    reader = made(backend, name)
    if name == "Tap":
        reader.feed(b"data: {bad")
        outer = OUTER["close"]
    elif name == "Rewriter":
        outer = OUTER["finish with an error"]
    else:
        reader.feed(b"data: bad\n\n" * 2)
        with pytest.raises(DeltawireError):
            reader.feed(b"")
        outer = OUTER["finish"]
    assert refused(reader, name, call, outer) == {f"{call}() while another call is under way"}


@pytest.mark.parametrize("call", [call for name, call in CALLS if name == "CompletionAccumulator"])
def test_a_call_from_within_add_is_refused(backend, call: str) -> None:
    reader = made(backend, "CompletionAccumulator")
    message = f"{call}() while another call is under way"
    assert refused(reader, "CompletionAccumulator", call, OUTER["add"]) == {message}


@pytest.mark.parametrize("name", READERS)
def test_what_was_refused_leaves_nothing_behind(backend, name: str) -> None:
    reader = made(backend, name)
    refused(reader, name, "feed", OUTER["feed"])
    reader.reset()
    reader.feed(b": nothing\n\n")
    again(reader, name, "close" if name == "Tap" else "finish")
