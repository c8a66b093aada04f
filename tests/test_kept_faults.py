"""A fault that each later call raises again holds no more the oftener it is raised, on both twins."""

import weakref
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from deltawire import ChatCompletionChunk, LimitExceededError, Limits

from .client_models import CHUNK, construct

LIMITS = Limits(max_event=100)


MAKERS: dict[str, Callable[[SimpleNamespace], Any]] = {
    "EventParser": lambda twin: twin.EventParser(limits=LIMITS),
    "StreamDecoder": lambda twin: twin.StreamDecoder(int, limits=LIMITS),
    "ChunkDecoder": lambda twin: twin.ChunkDecoder(limits=LIMITS),
    "TextDecoder": lambda twin: twin.TextDecoder(limits=LIMITS),
    "ModelDecoder": lambda twin: twin.ModelDecoder(CHUNK, construct, limits=LIMITS),
    "CompletionAccumulator": lambda twin: twin.CompletionAccumulator(limits=LIMITS),
    "Rewriter": lambda twin: twin.Rewriter(limits=LIMITS),
    "Rewriter with each": lambda twin: twin.Rewriter(each=lambda event: event, limits=LIMITS),
}
each_reader = pytest.mark.parametrize("name", MAKERS)


class Read(bytearray):
    """A read that can be referred to weakly."""


def entries(error: BaseException) -> int:
    """Return the length of an error's traceback."""
    traceback, count = error.__traceback__, 0
    while traceback is not None:
        traceback, count = traceback.tb_next, count + 1
    return count


def raised(reader: Any, call: str, *arguments: Any) -> LimitExceededError:
    with pytest.raises(LimitExceededError) as caught:
        getattr(reader, call)(*arguments)
    return caught.value


def over_the_limit(backend: SimpleNamespace, name: str) -> Any:
    reader = MAKERS[name](backend)
    with suppress(LimitExceededError):  # a rewriter raises it at once
        reader.feed(b"data: " + b"x" * 200)
    return reader


@each_reader
def test_the_reads_refused_after_a_fault_are_not_held(backend, name: str) -> None:
    def relay() -> "weakref.ref[Read]":
        read = Read(b"x" * 1000)
        with suppress(LimitExceededError):
            reader.feed(read)
        return weakref.ref(read)

    reader = over_the_limit(backend, name)
    relayed = [relay() for _ in range(50)]
    assert sum(read() is not None for read in relayed) <= 1


@each_reader
def test_the_traceback_of_a_fault_does_not_grow(backend, name: str) -> None:
    reader = over_the_limit(backend, name)
    calls: list[tuple[Any, ...]] = [("feed", b"x"), ("finish",)]
    if name == "CompletionAccumulator":
        calls.append(("add", ChatCompletionChunk()))
    for call in calls:
        first = entries(raised(reader, *call))
        assert [entries(raised(reader, *call)) for _ in range(50)] == [first] * 50
