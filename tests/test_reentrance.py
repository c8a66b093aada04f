"""A call during another one of the same object, on both twins: refused, by name, and neither is the worse for it.

It may come where an error is made, from a hook, from `each`, from an argument that runs code, or from another thread.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from deltawire import (
    ChatCompletionChunk,
    Choice,
    ConcurrentFeedError,
    Delta,
    DeltawireError,
    Limits,
    RawEvent,
    encode_event,
)

from .chat_json import said
from .readers import READERS, at_work, made

LIMITS = Limits(max_event=100)
LARGE = b"data: " + b"x" * 200 + b"\n\n"
HI = encode_event(said({"content": "hi"}))
ADDED = ChatCompletionChunk(error={"message": "slow"})
LAST = {"Tap": ["close"], "CompletionAccumulator": ["finish", "add", "completion"]}
CALLS = [(name, call) for name in READERS for call in ("feed", "reset", "__init__", *LAST.get(name, ["finish"]))]


def refusal_of(call: str) -> str:
    return f"{call}() while another call is under way"


def refusals(*calls: Callable[[], object]) -> list[str]:
    """Return what those of the calls say that may not be made now."""
    seen = []
    for call in calls:
        try:
            call()
        except ConcurrentFeedError as error:
            seen.append(str(error))
    return seen


# --- where an error is made, and from what is asked for its number or its text --------


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
        call = getattr(self.reader, self.call)
        self.seen.update(refusals(lambda: call(*arguments.get(self.call, []))) or ["taken"])

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
    assert refused(meddler, lambda: reader.feed(LARGE)) == {refusal_of(call)}


@pytest.mark.parametrize(("name", "call"), [each for each in CALLS if each[0] != "EventParser"])
def test_a_call_from_within_the_end_is_refused(backend, refused, name: str, call: str) -> None:
    reader = made(backend, name, limits=LIMITS)
    meddler = Meddler(reader, call)
    ends = {"Tap": lambda: reader.close(meddler), "Rewriter": lambda: reader.finish(meddler)}
    if name not in ends:
        reader.feed(b"data: bad\n\n" * 2)
        with pytest.raises(DeltawireError):
            reader.feed(b"")
    assert refused(meddler, ends.get(name) or reader.finish) == {refusal_of(call)}


@pytest.mark.parametrize("call", [call for name, call in CALLS if name == "CompletionAccumulator"])
def test_a_call_from_within_add_is_refused(backend, refused, call: str) -> None:
    reader = made(backend, "CompletionAccumulator", limits=LIMITS)
    meddler = Meddler(reader, call)
    assert refused(meddler, lambda: reader.add(ADDED)) == {refusal_of(call)}


@pytest.mark.parametrize("name", READERS)
def test_what_was_refused_leaves_nothing_behind(backend, refused, name: str) -> None:
    reader = made(backend, name, limits=LIMITS)
    assert refused(Meddler(reader, "feed"), lambda: reader.feed(LARGE))
    reader.reset()
    reader.feed(b": nothing\n\n")
    assert (reader.close if name == "Tap" else reader.finish)() is not None


# --- from a hook ----------------------------------------------------------------------


def test_feeding_from_inside_a_feed_is_an_error(backend) -> None:
    seen: list[str] = []

    def hook(kind: type, value: object) -> object:
        seen.extend(refusals(lambda: decoder.feed(b""), decoder.finish, decoder.reset))
        return kind(value)

    decoder = backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=hook))
    assert decoder.feed(encode_event("1")) == [1]
    assert seen == [*map(refusal_of, ("feed", "finish", "reset"))]


def test_a_concurrent_feed_that_a_hook_lets_pass_is_the_fault(backend) -> None:
    def hook(kind: type, value: object) -> object:
        decoder.feed(b"")

    decoder = backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=hook))
    assert decoder.feed(encode_event("1") + encode_event("2")) == []
    assert isinstance(decoder.error, ConcurrentFeedError)


def test_an_init_refused_within_a_call_does_not_change_the_type(backend) -> None:
    class Other(ChatCompletionChunk):
        pass

    class Meddling(ChatCompletionChunk):
        def __post_init__(self) -> None:
            seen.append(refusals(lambda: decoder.__init__(Other)))

    seen: list[list[str]] = []
    decoder = backend.ChunkDecoder(Meddling)
    chunks = decoder.feed(HI * 2 + encode_event({"model": 5}))
    assert [type(chunk) for chunk in chunks] == [Meddling] * 3
    assert decoder.stats.coerced == 1
    assert seen
    assert all(each == [refusal_of("__init__")] for each in seen)


# --- from each ------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["feed", "finish", "reset"])
def test_a_call_from_within_each_is_refused(backend, call: str) -> None:
    def again(event: RawEvent) -> RawEvent:
        getattr(rewriter, call)(*([HI] if call == "feed" else []))
        return event

    rewriter = backend.Rewriter(each=again)
    with pytest.raises(ConcurrentFeedError):
        rewriter.feed(HI)


# --- from an argument -----------------------------------------------------------------


def test_a_time_that_runs_code_does_not_reach_the_tap(backend) -> None:
    class Time:
        def __index__(self) -> int:
            seen.extend(refusals(lambda: tap.feed(HI, 1), tap.close, lambda: tap.reset(0)))
            return 5

    seen: list[str] = []
    tap = backend.Tap(text=True, started_at=0)
    assert tap.feed(HI * 3, Time()) == 3
    assert seen == [*map(refusal_of, ("feed", "close", "reset"))]
    assert tap.close(9).text == "hihihi"


def test_an_index_that_runs_code_does_not_reach_the_accumulator_it_is_added_to(backend) -> None:
    class Index(int):
        def __hash__(self) -> int:
            calls = (
                lambda: accumulator.add(chunk),
                lambda: accumulator.feed(HI),
                accumulator.finish,
                accumulator.reset,
            )
            seen.append(refusals(*calls))
            return 1

        __eq__ = int.__eq__

    seen: list[list[str]] = []
    accumulator = backend.CompletionAccumulator()
    delta = Delta(content="hi", role="assistant")
    chunk = ChatCompletionChunk(choices=[Choice(index=Index(1), delta=delta, finish_reason="stop")])
    for _ in range(2):
        accumulator.add(chunk)
    assert seen
    assert all(each == [*map(refusal_of, ("add", "feed", "finish", "reset"))] for each in seen)
    (choice,) = accumulator.completion().choices
    assert (choice.index, choice.message.content) == (1, "hihi")


# --- from whatever function runs meanwhile --------------------------------------------


def test_what_is_fed_while_it_reads_is_refused(backend) -> None:
    seen = []

    def meddle(*_: object) -> None:
        try:
            seen.append(tap.feed(HI[:0]))
        except ConcurrentFeedError as error:
            seen.append(type(error))

    slow = encode_event(said({"content": "hi"})).replace(b'"hi"', b'"hi","hidden_states":[NaN]')
    tap = backend.Tap(text=True)
    before = sys.getprofile()
    sys.setprofile(meddle)  # it is called when any function is
    try:
        tap.feed(slow)
    finally:
        sys.setprofile(before)
    assert ConcurrentFeedError in seen
    assert tap.close().text == "hi"


# --- from another thread --------------------------------------------------------------


class Waiting:
    """A place in the middle of a call: `here` holds it up until another thread has tried its own."""

    def __init__(self, attempt: Callable[[], object]) -> None:
        self.refused: list[str] = []
        self._attempt = attempt
        self._came = False

    def here(self) -> None:
        if self._came:
            return
        self._came = True
        thread = threading.Thread(target=lambda: self.refused.extend(refusals(self._attempt)))
        thread.start()
        thread.join(10)


@pytest.mark.parametrize("call", ["feed", "finish", "reset", "__init__"])
@pytest.mark.parametrize("name", ["StreamDecoder", "ChunkDecoder", "Rewriter"])
def test_a_call_while_another_thread_is_within_one_is_refused(backend, name: str, call: str) -> None:
    def hook(kind: type, value: Any) -> Any:
        waiting.here()
        return kind(value)

    class Chunk(ChatCompletionChunk):
        def __post_init__(self) -> None:
            waiting.here()

    def edit(event: Any) -> Any:
        waiting.here()
        return event

    readers = {
        "StreamDecoder": lambda: backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=hook)),
        "ChunkDecoder": lambda: backend.ChunkDecoder(Chunk),
        "Rewriter": lambda: backend.Rewriter(each=edit),
    }
    arguments = {"feed": [HI], "__init__": [] if name == "Rewriter" else [Chunk]}
    reader = readers[name]()
    waiting = Waiting(lambda: getattr(reader, call)(*arguments.get(call, [])))
    given = encode_event("1") if name == "StreamDecoder" else HI
    assert len(reader.feed(given)) == (len(given) if name == "Rewriter" else 1)
    assert waiting.refused == [refusal_of(call)]
    assert len(reader.feed(given)) == (len(given) if name == "Rewriter" else 1)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes export no buffers before Python 3.12")
@pytest.mark.parametrize("call", ["feed", "reset"])
@pytest.mark.parametrize("name", READERS)
def test_a_call_while_the_bytes_are_asked_for_is_refused(backend, name: str, call: str) -> None:
    class Exporter:
        def __buffer__(self, flags: int) -> memoryview:
            waiting.here()
            return memoryview(HI)

    reader = at_work(backend, name)
    waiting = Waiting(lambda: getattr(reader, call)(*([HI] if call == "feed" else [])))
    reader.feed(Exporter())
    assert waiting.refused == [refusal_of(call)]
