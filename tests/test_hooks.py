"""What is raised in the middle of a read, by a hook or a signal, and how often hooks run, on both twins."""

import contextlib
import signal

import msgspec
import pytest

from deltawire import ChatCompletionChunk, ChunkDecodeError, DeltawireError, encode_event


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
