"""A fault that each later call raises again holds no more the oftener it is raised, on both twins."""

import weakref
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from deltawire import ChatCompletionChunk, LimitExceededError, Limits

from .readers import READERS, made

LIMITS = Limits(max_event=100)

# All but the tap, which raises no faults.
KEEPING = [name for name in (*READERS, "ModelDecoder") if name != "Tap"]
each_reader = pytest.mark.parametrize(
    ("name", "options"),
    [
        *(pytest.param(name, {}, id=name) for name in KEEPING),
        pytest.param("Rewriter", {"each": lambda event: event}, id="Rewriter with each"),
    ],
)


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


def over_the_limit(backend: SimpleNamespace, name: str, options: dict[str, Any]) -> Any:
    reader = made(backend, name, limits=LIMITS, **options)
    with suppress(LimitExceededError):  # a rewriter raises it at once
        reader.feed(b"data: " + b"x" * 200)
    return reader


@each_reader
def test_the_reads_refused_after_a_fault_are_not_held(backend, name: str, options: dict[str, Any]) -> None:
    def relay() -> "weakref.ref[Read]":
        read = Read(b"x" * 1000)
        with suppress(LimitExceededError):
            reader.feed(read)
        return weakref.ref(read)

    reader = over_the_limit(backend, name, options)
    relayed = [relay() for _ in range(50)]
    assert sum(read() is not None for read in relayed) <= 1


@each_reader
def test_the_traceback_of_a_fault_does_not_grow(backend, name: str, options: dict[str, Any]) -> None:
    reader = over_the_limit(backend, name, options)
    calls: list[tuple[Any, ...]] = [("feed", b"x"), ("finish",)]
    if name == "CompletionAccumulator":
        calls.append(("add", ChatCompletionChunk()))
    for call in calls:
        first = entries(raised(reader, *call))
        assert [entries(raised(reader, *call)) for _ in range(50)] == [first] * 50
