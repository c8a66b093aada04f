"""What is raised in the middle of a read, by a hook or a signal, and how often hooks run, on both twins."""

import contextlib
import signal

import msgspec
import pytest

from deltawire import ChatCompletionChunk, Choice, ChunkDecodeError, DeltawireError, StreamEnd, encode_event


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
