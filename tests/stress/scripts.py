"""Scripts that go through every class of the compiled twin once, for allocations to fail in."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec

import deltawire
from deltawire import RawEvent
from deltawire._compiled import building, decoder, models, stencil
from deltawire.replay import sample

from ..conftest import twin
from ..readers import READERS, all_of, at_work, cut, made
from .work import BAD, ERROR

COMPILED = twin("compiled")


class Watching:
    """A tap that has the methods of the others."""

    def __init__(self, family: str = "auto") -> None:
        self.tap = at_work(COMPILED, "Tap", family=family)

    def feed(self, data: bytes) -> int:
        return self.tap.feed(data, 7)

    def finish(self) -> Any:
        return self.tap.close(9)

    def reset(self) -> None:
        self.tap.reset(0)


class Small(msgspec.Struct):
    """A type that is looked into in a moment."""

    a: int
    b: str = ""
    c: list[str] = []


def edited(event: RawEvent) -> Any:
    return [event, b": seen\n\n"] if event.chunk else event


OBJECTS: dict[str, Callable[[], Any]] = {
    **{name: partial(at_work, COMPILED, name) for name in (*READERS, "ModelDecoder")},
    "StreamDecoder": partial(made, COMPILED, "StreamDecoder", done=None),
    "Tap": Watching,
    "Rewriter with each": lambda: COMPILED.Rewriter(each=edited, tap=COMPILED.Tap(started_at=0)),
}


class Script(NamedTuple):
    """What is done to an object that `make` gives; `run` returns what comes of it."""

    name: str
    make: Callable[[], Any]
    run: Callable[[Any], Any]


def fed(reader: Any, *reads: bytes) -> list[Any]:
    return all_of(reader, [*reads])


def forget() -> None:
    """Empty what the process keeps of types, and of streams that were tapped."""
    decoder.holds_raw.cache_clear()
    building._types_of.cache_clear()
    models.table_of.cache_clear()
    stencil.forget()


def _learning(make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        forget()
        return make()

    return made


def scripts() -> Iterator[Script]:
    """Yield the scripts, for each object and each kind of payload."""
    bodies = {name: sample(name, chunks=12).body for name in ("text", "tools", "n4")} | {"bad": BAD + ERROR}
    for name, make in OBJECTS.items():
        for kind, body in bodies.items():
            reads = cut(body)
            yield Script(f"{name}, {kind}", make, lambda reader, reads=reads: fed(reader, *reads))
    small = b"".join(b'data: {"a":%d,"b":"x%d\\n","c":["%d"]}\n\n' % ((number,) * 3) for number in range(6))
    types = _learning(lambda: COMPILED.StreamDecoder(Small))
    yield Script("StreamDecoder, a new type", types, lambda reader: fed(reader, *cut(small, 90)))
    pools = _learning(lambda: Watching("responses"))
    yield Script("Tap, nothing learned", pools, lambda tap: fed(tap, small))
    yield from functions(bodies["text"])


def functions(body: bytes) -> Iterator[Script]:
    """Yield scripts of functions, which leave no object."""
    calls: dict[str, Callable[[], Any]] = {
        "decode": lambda: deltawire.decode(body),
        "accumulate": lambda: deltawire.accumulate(body, allow_truncated=True),
        "iter_chunks": lambda: list(deltawire.iter_chunks(cut(body))),
        "iter_text": lambda: list(deltawire.iter_text(cut(body))),
        "iter_events": lambda: list(deltawire.iter_events(cut(body))),
        "add": lambda: added(deltawire.decode(body)),
    }
    for name, call in calls.items():
        yield Script(name, lambda: None, lambda _, call=call: call())


def added(chunks: list[Any]) -> Any:
    accumulator = COMPILED.CompletionAccumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.completion()
