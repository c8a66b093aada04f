"""What must hold when something goes wrong around a reader: in a hook, in the source, in memory."""

import asyncio
import contextlib
import copy
import gc
import pickle
import signal
import sys
import weakref
from collections.abc import AsyncIterator, Iterator
from time import process_time
from typing import Any

import msgspec
import pytest

import deltawire
from deltawire import (
    ChatCompletionChunk,
    Choice,
    ChunkDecodeError,
    Delta,
    DeltawireError,
    LimitExceededError,
    Limits,
    StreamEnd,
    UpstreamError,
    encode_event,
)
from deltawire.chunks import text_of

from .conftest import PURE_ONLY, READERS, twin

HI = {"choices": [{"index": 0, "delta": {"content": "hi"}}]}
BAD = b"data: bad\n\n"


def read_on(reader: Any, data: bytes) -> list[Any]:
    """Feed `data`, past every fault."""
    while True:
        try:
            return reader.feed(data)
        except DeltawireError:
            pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals here")
@pytest.mark.parametrize("name", ["ChunkDecoder", "EventParser"])
def test_a_read_that_was_interrupted_is_not_looked_at_again(backend, name: str) -> None:
    class TooLate(Exception):
        pass

    def give_up(*_: object) -> None:
        raise TooLate

    read = bytearray(b'data: {"id":"' + b"s" * 600 + b'"}\nerror: {"x":[' + b"1," * 2_000_000 + b"1]}\n")
    reader = getattr(backend, name)()
    before = signal.signal(signal.SIGALRM, give_up)
    try:
        with contextlib.suppress(TooLate):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            reader.feed(read)
            signal.setitimer(signal.ITIMER_REAL, 0)  # it may go off behind feed, too
    finally:
        signal.signal(signal.SIGALRM, before)
    read.clear()
    with contextlib.suppress(DeltawireError):
        reader.feed(b"\n")


def test_after_an_exception_of_a_hook_the_rest_of_the_read_is_read(backend) -> None:
    class Sudden(BaseException):
        pass

    class Value(msgspec.Struct):
        n: int

        def __post_init__(self) -> None:
            if self.n == 3:
                raise Sudden

    decoder = backend.StreamDecoder(Value)
    with pytest.raises(Sudden):
        decoder.feed(b"".join(encode_event({"n": number}) for number in (1, 3, 4, 5)))
    assert [value.n for value in decoder.feed(b"")] == [4, 5]


def test_what_a_hook_raises_is_a_fault_of_its_event(backend) -> None:
    class Chunk(ChatCompletionChunk):
        def __post_init__(self) -> None:
            if self.id == "b":
                raise KeyError("b")

    decoder = backend.ChunkDecoder(Chunk)
    first = decoder.feed(b"".join(encode_event({"id": name}) for name in "abc"))
    assert [chunk.id for chunk in first] == ["a"]
    with pytest.raises(ChunkDecodeError, match="event 1: no Chunk: 'b'"):
        decoder.feed(b"")
    assert [chunk.id for chunk in decoder.feed(b"")] == ["c"]


def test_a_hook_runs_once_for_each_event(backend) -> None:
    runs = []

    class Value(msgspec.Struct):
        a: int

        def __post_init__(self) -> None:
            runs.append(self.a)

    decoder = backend.StreamDecoder(Value)
    for number in (1, 7, 7, 7, 8):
        decoder.feed(encode_event({"a": number}))
    assert runs == [1, 7, 7, 7, 8]


def test_a_reader_that_was_never_made_says_so() -> None:
    if PURE_ONLY:
        pytest.skip("only the pure twin is asked for")
    compiled = twin("compiled")
    for kind in (compiled.StreamDecoder, compiled.ChunkDecoder, compiled.TextDecoder):
        for call in (lambda made: made.feed(b"data: x\n\n"), lambda made: made.finish()):
            with pytest.raises(RuntimeError, match="was not called"):
                call(kind.__new__(kind))
    assert compiled.EventParser.__new__(compiled.EventParser).last_event_id == ""
    accumulator = compiled.CompletionAccumulator.__new__(compiled.CompletionAccumulator)
    assert accumulator.completion().choices == []


def test_data_of_several_lines_is_not_compared_with_the_wire(backend) -> None:
    message = b'data: {"choices":[{"index":0,"delta":{"content":\ndata: "a"}}],"model":"x"}\n\n'
    bad = message.replace(b'\ndata: "a"', b'\n"c"')
    decoder = backend.ChunkDecoder()
    chunks = decoder.feed(message * 3 + message.replace(b'"a"', b'"b"') * 2 + bad)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["a", "a", "a", "b", "b"]
    assert isinstance(decoder.error, ChunkDecodeError)


def test_over_a_limit_the_completion_has_what_came_before(backend) -> None:
    accumulator = backend.CompletionAccumulator(limits=Limits(max_message=100))
    accumulator.feed(encode_event(HI) + encode_event({"model": "m" * 200}))
    assert isinstance(accumulator.error, LimitExceededError)
    assert accumulator.completion().choices[0].message.content == "hi"
    with pytest.raises(LimitExceededError, match=r"^message of 202 bytes, at most 100 allowed$") as raised:
        deltawire.accumulate(encode_event(HI) + encode_event({"model": "m" * 200}), limits=Limits(max_message=100))
    assert raised.value.completion == accumulator.completion()


def test_reads_waiting_behind_faults_cost_linear_time(backend) -> None:
    def seconds(count: int) -> float:
        decoder = backend.ChunkDecoder()
        started = process_time()
        for _ in range(count):
            read_on(decoder, BAD * 2)
        return process_time() - started

    # Again where the machine was noisy.
    assert any(min(seconds(4000), seconds(4000)) < 5 * seconds(1000) for _ in range(8))


def test_a_fault_is_not_lost_when_too_much_waits_behind_it(backend) -> None:
    decoder = backend.ChunkDecoder(limits=Limits(max_event=100))
    decoder.feed(encode_event(HI) + BAD + encode_event({"error": {"message": "quota"}}))
    with pytest.raises(ChunkDecodeError):
        decoder.feed(b"")
    assert decoder.feed(b"x" * 101) == []
    with pytest.raises(UpstreamError, match="quota"):
        decoder.feed(b"")
    with pytest.raises(LimitExceededError, match="101 bytes waiting"):
        decoder.feed(b"")


def test_finish_reasons_are_bounded(backend) -> None:
    for kind in (backend.ChunkDecoder, backend.TextDecoder, backend.CompletionAccumulator):
        reader = kind(limits=Limits(max_items=3))
        reader.feed(b"".join(encode_event({"choices": [{"index": index}]}) for index in range(5)))
        with pytest.raises(LimitExceededError, match="at most 3 allowed"):
            reader.finish()


def test_an_error_nested_too_deep_to_be_shown_is_an_error_all_the_same(backend) -> None:
    depth = sys.getrecursionlimit()
    for nested in range(depth - 60, depth, 3):
        decoder = backend.ChunkDecoder()
        first = decoder.feed(encode_event(HI) + b'data: {"error":' + b"[" * nested + b"]" * nested + b"}\n\n")
        assert len(first) == 1
        assert isinstance(decoder.error, DeltawireError)


@pytest.mark.skipif(PURE_ONLY or sys.version_info >= (3, 12), reason="None is immortal since Python 3.12")
def test_no_reference_is_lost() -> None:
    decoder = twin("compiled").ChunkDecoder()
    before = sys.getrefcount(None)
    for number in range(2000):
        decoder.feed(b'data: {"id":"x%d","created":%d.5}\n\n' % (number, number))
    assert abs(sys.getrefcount(None) - before) < 200


def test_readers_can_be_referred_to_weakly_and_named_with_their_type(backend) -> None:
    for kind in (backend.EventParser, backend.ChunkDecoder, backend.TextDecoder, backend.CompletionAccumulator):
        made = kind()
        assert weakref.ref(made)() is made
    assert backend.StreamDecoder[int]
    assert backend.ChunkDecoder[ChatCompletionChunk]
    with pytest.raises(TypeError, match="done must be bytes or None, not str"):
        backend.StreamDecoder(int, done="[DONE]")


def test_a_chunk_that_was_added_may_hold_what_no_stream_does(backend) -> None:
    accumulator = backend.CompletionAccumulator()
    odd: Any = {"id": 5, "created": "soon", "model": "\ud800m"}
    accumulator.add(ChatCompletionChunk(**odd, choices=[Choice(index=0, delta=Delta(content="\ud83d"))]))
    accumulator.feed(encode_event(HI))
    completion = accumulator.completion()
    assert (completion.id, completion.created, completion.model) == ("5", None, "\ufffdm")
    assert completion.choices[0].message.content == "\ufffdhi"


@pytest.mark.parametrize("name", READERS)
def test_a_reader_may_be_half_fed_and_does_not_pickle(backend, name: str) -> None:
    kind = getattr(backend, name)
    made = kind(int) if name == "StreamDecoder" else kind()
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as refused:
            take(made)
        assert str(refused.value) == f"cannot pickle '{name}' object: it may be in the middle of a stream"


class Source:
    """Counts how often it is closed, and how often what iterates over it was."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield encode_event(HI)
            yield encode_event(HI)
        finally:
            self.closed.append("iterator")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            yield encode_event(HI)
            await asyncio.sleep(10)
            yield encode_event(HI)
        finally:
            self.closed.append("iterator")

    def close(self) -> None:
        self.closed.append("source")


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_a_source_is_closed_once_and_its_iterator_too(taken: int) -> None:
    source = Source()
    with deltawire.iter_chunks(source) as stream:
        for _ in range(taken):
            next(stream, None)
    stream.close()
    gc.collect()
    assert source.closed in (["iterator", "source"], ["source"])
    assert taken == 0 or source.closed == ["iterator", "source"]


def test_closing_while_another_task_waits_closes_the_source() -> None:
    async def run() -> list[str]:
        source = Source()
        stream = deltawire.aiter_chunks(source)
        assert await anext(stream)
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await stream.aclose()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        return source.closed

    assert "source" in asyncio.run(run())


def test_an_async_source_is_closed_with_what_iterates_over_it() -> None:
    async def run() -> list[str]:
        source = Source()
        async with deltawire.aiter_chunks(source) as stream:
            assert await anext(stream)
        return source.closed

    assert asyncio.run(run()) == ["iterator", "source"]


def test_what_a_metaclass_makes_in_place_of_a_chunk_is_refused(backend) -> None:
    class Odd(type(msgspec.Struct)):
        def __call__(cls, *args: object, **members: object) -> float:
            return 1.5

    class OddChoice(Choice, metaclass=Odd):
        pass

    class OddChunk(ChatCompletionChunk, metaclass=Odd):
        pass

    class HoldsOdd(ChatCompletionChunk):
        choices: list[OddChoice] = msgspec.field(default_factory=list)

    decoder = backend.ChunkDecoder(OddChunk)
    decoder.feed(b'data: {"id":[],"choices":"x"}\n\n')
    with pytest.raises(ChunkDecodeError, match=r"^event 0: no OddChunk: OddChunk\(\) gave float$"):
        decoder.feed(b"")
    decoder = backend.ChunkDecoder(HoldsOdd)
    (chunk,) = decoder.feed(b'data: {"choices":[{"index":"x"},{"index":1}]}\n\n')
    assert [choice.index for choice in chunk.choices] == [1]
    assert decoder.stats.coerced == 1


@pytest.mark.parametrize("sudden", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
@pytest.mark.parametrize("rest", [b'data: {"a":2}', b'data: {"a":2}\n'], ids=["line", "block"])
def test_a_last_event_whose_reading_was_interrupted_is_not_looked_at_again(
    backend, rest: bytes, sudden: type[BaseException]
) -> None:
    class Value(msgspec.Struct):
        a: int

        def __post_init__(self) -> None:
            if self.a == 2:
                raise sudden

    for more, given in ((b"", []), (b"\n", []), (b'\ndata: {"a":3}\n\n', [3]), (b'data: {"a":3}\n\n', [3])):
        decoder = backend.StreamDecoder(Value)
        assert len(decoder.feed(b'data: {"a":1}\n\n' + rest)) == 1
        with pytest.raises(sudden):
            decoder.finish()
        assert [value.a for value in decoder.feed(more)] == given
        assert decoder.finish() == decoder.finish() == StreamEnd()
        assert (decoder.stats.events, decoder.stats.chunks) == (2 + len(given), 1 + len(given))


def test_an_error_of_deltawire_that_a_hook_raises_is_the_fault_itself(backend) -> None:
    class Chunk(ChatCompletionChunk):
        def __post_init__(self) -> None:
            if self.id == "b" and not raised:
                raised.append(ChunkDecodeError("mine", payload=b"b", event_index=9))
                raise raised[0]

    raised: list[ChunkDecodeError] = []
    decoder = backend.ChunkDecoder(Chunk)
    assert [chunk.id for chunk in decoder.feed(b"".join(encode_event({"id": name}) for name in "abc"))] == ["a"]
    assert decoder.error is raised[0]
    with pytest.raises(ChunkDecodeError, match=r"^mine$"):
        decoder.feed(b"")
    assert [chunk.id for chunk in decoder.feed(b"")] == ["c"]
    assert (decoder.stats.events, decoder.stats.chunks, decoder.stats.coerced) == (3, 2, 0)


@pytest.mark.parametrize("odd", ["x", "", 5, 12, True, {}, {"a": 1}, msgspec.Raw(b"["), msgspec.Raw(b"")])
def test_what_is_no_list_is_not_added_to_one(backend, odd: Any) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.add(ChatCompletionChunk(choices=[Choice(index=0, token_ids=[1, 2])]))
    with pytest.raises(TypeError, match=rf"^a list is required, not '{type(odd).__name__}'$"):
        accumulator.add(ChatCompletionChunk(choices=[Choice(index=0, token_ids=odd)]))
    accumulator.add(ChatCompletionChunk(choices=[Choice(index=0, token_ids=[3])]))
    assert accumulator.completion().choices[0].token_ids == [1, 2, 3]


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": 5},
        {"choices": [5]},
        {"choices": [Choice(index=0, delta=5)]},
        {"choices": [Choice(index=0, delta=Choice())]},
        {"choices": [Choice(index=0, delta=Delta(content=5))]},
        {"choices": [Choice(index=0, delta=Delta(reasoning=[5]))]},
        {"choices": [Choice(index=0, delta=Delta(tool_calls=5))]},
        {"choices": [Choice(index=0, delta=Delta(tool_calls=[5]))]},
        {"choices": [Choice(index=0, delta=Delta(function_call="f"))]},
    ],
)
def test_a_chunk_whose_members_are_of_other_kinds_is_not_added(backend, odd: dict[str, Any]) -> None:
    accumulator = backend.CompletionAccumulator()
    accumulator.feed(encode_event(HI))
    with pytest.raises(TypeError):
        accumulator.add(ChatCompletionChunk(**odd))
    accumulator.feed(encode_event(HI))
    assert text_of(accumulator.completion().choices[0].message.content) == "hihi"
    assert accumulator.error is None
