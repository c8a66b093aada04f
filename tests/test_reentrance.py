"""A call from within another one of the same object, on both twins: refused, by name."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from deltawire import ChatCompletionChunk, ConcurrentFeedError, DeltawireError, Limits

from .readers import READERS, made

LIMITS = Limits(max_event=100)
LARGE = b"data: " + b"x" * 200 + b"\n\n"
ADDED = ChatCompletionChunk(error={"message": "slow"})
LAST = {"Tap": ["close"], "CompletionAccumulator": ["finish", "add", "completion"]}
CALLS = [(name, call) for name in READERS for call in ("feed", "reset", "__init__", *LAST.get(name, ["finish"]))]


class Meddler:
    """Makes a call of a reader whenever the reader asks for its integer, or for its text."""

    def __init__(self, reader: Any, call: str) -> None:
        self.reader = reader
        self.call = call
        self.seen: set[str] = set()

    def meddle(self) -> None:
        arguments = {"feed": [b""], "add": [ADDED]}
        if type(self.reader).__name__ == "StreamDecoder":
            arguments["__init__"] = [int]
        try:
            getattr(self.reader, self.call)(*arguments.get(self.call, []))
        except ConcurrentFeedError as error:
            self.seen.add(str(error))
        else:
            self.seen.add("taken")

    def __index__(self) -> int:
        self.meddle()
        return 5

    def __str__(self) -> str:
        self.meddle()
        return "slow"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[[Meddler, Callable[[], object]], set[str]]:
    """Run something that meddles, also where an error is made, and return what it was refused with."""

    def run(meddler: Meddler, outer: Callable[[], object]) -> set[str]:
        original = DeltawireError.__init__

        def make(error: DeltawireError, message: str) -> None:
            original(error, message)
            if not isinstance(error, ConcurrentFeedError):
                meddler.meddle()

        with monkeypatch.context() as patch, suppress(DeltawireError):
            patch.setattr(DeltawireError, "__init__", make)
            outer()
        return meddler.seen

    return run


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_a_call_from_within_feed_is_refused(backend, refused, name: str, call: str) -> None:
    reader = made(backend, name, limits=LIMITS)
    meddler = Meddler(reader, call)
    assert refused(meddler, lambda: reader.feed(LARGE)) == {f"{call}() while another call is under way"}


@pytest.mark.parametrize(("name", "call"), [each for each in CALLS if each[0] != "EventParser"])
def test_a_call_from_within_the_end_is_refused(backend, refused, name: str, call: str) -> None:
    reader = made(backend, name, limits=LIMITS)
    meddler = Meddler(reader, call)
    ends = {"Tap": lambda: reader.close(meddler), "Rewriter": lambda: reader.finish(meddler)}
    if name not in ends:
        reader.feed(b"data: bad\n\n" * 2)
        with pytest.raises(DeltawireError):
            reader.feed(b"")
    assert refused(meddler, ends.get(name) or reader.finish) == {f"{call}() while another call is under way"}


@pytest.mark.parametrize("call", [call for name, call in CALLS if name == "CompletionAccumulator"])
def test_a_call_from_within_add_is_refused(backend, refused, call: str) -> None:
    reader = made(backend, "CompletionAccumulator", limits=LIMITS)
    meddler = Meddler(reader, call)
    assert refused(meddler, lambda: reader.add(ADDED)) == {f"{call}() while another call is under way"}


@pytest.mark.parametrize("name", READERS)
def test_what_was_refused_leaves_nothing_behind(backend, refused, name: str) -> None:
    reader = made(backend, name, limits=LIMITS)
    assert refused(Meddler(reader, "feed"), lambda: reader.feed(LARGE))
    reader.reset()
    reader.feed(b": nothing\n\n")
    assert (reader.close if name == "Tap" else reader.finish)() is not None
