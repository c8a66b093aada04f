"""Whose memory is read when: the caller's while a call is under way, nobody's afterwards; and what if it runs short."""

import ctypes
import dataclasses
import gc
import mmap
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import pytest

from deltawire import (
    ChunkDecodeError,
    DeltawireError,
    Limits,
    RawEvent,
)

from .chat_json import said, stream
from .client_models import CHUNK, construct
from .conftest import PURE_ONLY, TWINS, twin

HI = stream(said({"content": "hi"}), done="")
BAD = b"data: {bad\n\n"
T = TypeVar("T")


def refusals(read: bytearray) -> list[type]:
    """Return what changes of a read's size raise."""
    seen = []
    for change in (lambda: read.extend(b"more"), read.clear):
        try:
            change()
        except BufferError as error:
            seen.append(type(error))
    return seen


# --- while a call is under way ----------------------------------------------------------


def test_a_read_cannot_be_resized_by_a_hook_while_it_is_decoded(backend: SimpleNamespace) -> None:
    def hook(kind: type, value: object) -> object:
        seen.extend(refusals(read))
        return kind(value)

    seen: list[type] = []
    decoder = backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=hook))
    read = bytearray(b'data: "1"\n\ndata: "2"\n\n' * 500)
    assert decoder.feed(read) == [1, 2] * 500
    # The pure twin copies what is not bytes, and looks at the read no more.
    assert seen == ([BufferError] * 2000 if backend.name == "compiled" else [])


def test_a_read_cannot_be_resized_by_each_while_it_is_rewritten(backend: SimpleNamespace) -> None:
    def each(event: RawEvent) -> RawEvent:
        seen.extend(refusals(read))
        return event

    seen: list[type] = []
    rewriter = backend.Rewriter(each=each)
    read = bytearray(HI * 3)
    assert rewriter.feed(read) == HI * 3
    assert seen == ([BufferError] * 6 if backend.name == "compiled" else [])


def test_a_read_cannot_be_resized_by_a_time_while_a_tap_reads_it(backend: SimpleNamespace) -> None:
    class Time:
        def __index__(self) -> int:
            seen.extend(refusals(read))
            return 5

    seen: list[type] = []
    read = bytearray(HI * 3)
    assert backend.Tap().feed(read, Time()) == 3
    assert seen == ([BufferError] * 2 if backend.name == "compiled" else [])


def test_a_map_cannot_be_closed_while_it_is_decoded(backend: SimpleNamespace) -> None:
    def hook(kind: type, value: object) -> object:
        with suppress(BufferError):
            read.close()
        return kind(value)

    body = b'data: "1"\n\n' * 3
    read = mmap.mmap(-1, len(body))
    read[:] = body
    decoder = backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=hook))
    assert decoder.feed(read) == [1] * 3
    read.close()


@pytest.mark.skipif("compiled" not in TWINS, reason="the pure twin has no window")
def test_the_window_is_read_only() -> None:
    from deltawire._compiled.decoder import Window

    view = memoryview(Window())
    assert view.readonly
    assert (view.format, view.nbytes) == ("B", 0)
    with pytest.raises((BufferError, TypeError), match=r"read-only|not writable"):
        ctypes.c_char.from_buffer(Window())


# --- behind it --------------------------------------------------------------------------


def interrupt(*_: object) -> Any:
    raise KeyboardInterrupt


def raising(backend: SimpleNamespace) -> dict[str, tuple[Any, bytes]]:
    """Return readers, and reads that end in an exception or a fault of each."""
    tiny = Limits(max_event=20, max_message=1)
    return {
        "a limit of a parser": (backend.EventParser(limits=tiny), b"data: " + b"x" * 50),
        "a limit of a decoder": (backend.ChunkDecoder(limits=tiny), HI),
        "no chunk": (backend.ChunkDecoder(), BAD + HI),
        "an interrupted hook": (
            backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=interrupt)),
            b"data: 1\n\n",
        ),
        "a limit of a text": (backend.TextDecoder(limits=tiny), HI),
        "a limit of a completion": (backend.CompletionAccumulator(limits=tiny), HI),
        "no model": (backend.ModelDecoder(CHUNK, interrupt), stream({"_a": 1})),
        "a limit of a tap": (backend.Tap(text=True, limits=tiny), HI),
        "a limit of a rewriter": (backend.Rewriter(model="m", limits=tiny), HI),
        "an interrupted each": (backend.Rewriter(each=interrupt), HI),
    }


@pytest.mark.parametrize("which", raising(twin("pure")))
@pytest.mark.parametrize("cut", [0, 1, 15])
def test_a_read_is_let_go_whatever_is_raised(backend: SimpleNamespace, which: str, cut: int) -> None:
    reader, body = raising(backend)[which]
    for part in (body[:cut], body[cut:], b""):
        read = bytearray(part)
        with suppress(DeltawireError, KeyboardInterrupt):
            reader.feed(read)
        read += b"more"  # a BufferError where it is still exported
        read[:] = b"x" * len(read)


def test_a_read_that_waits_behind_a_fault_is_the_decoders_own(backend: SimpleNamespace) -> None:
    decoder = backend.ChunkDecoder()
    first = bytearray(BAD * 2 + HI)
    decoder.feed(first)
    first[:] = b"x" * len(first)
    with pytest.raises(ChunkDecodeError):
        decoder.feed(b"")
    second = bytearray(HI)
    assert decoder.feed(second) == []  # the second fault comes before it
    second[:] = b"x" * len(second)
    with pytest.raises(ChunkDecodeError):
        decoder.feed(b"")
    assert [chunk.choices[0].delta.content for chunk in decoder.feed(b"")] == ["hi", "hi"]


class Struct(msgspec.Struct):
    body: msgspec.Raw


class Generically(msgspec.Struct, Generic[T]):
    body: T


class Recursive(msgspec.Struct):
    body: msgspec.Raw
    next: "Recursive | None" = None


@dataclasses.dataclass
class Dataclass:
    body: msgspec.Raw


class Tuple(NamedTuple):
    body: msgspec.Raw


def body_of(value: Any) -> bytes:
    return bytes(value.body)


KINDS: dict[str, tuple[Any, bytes, Callable[[Any], bytes]]] = {
    "a Struct": (Struct, b'{"body": [1]}', body_of),
    "a generic one": (Generically[msgspec.Raw], b'{"body": [1]}', body_of),
    "a recursive one": (Recursive, b'{"body": 1, "next": {"body": [1]}}', lambda value: body_of(value.next)),
    "a dataclass": (Dataclass, b'{"body": [1]}', body_of),
    "a NamedTuple": (Tuple, b"[[1]]", body_of),
    "a union": (Struct | None, b'{"body": [1]}', body_of),
    "a list": (list[msgspec.Raw], b"[[1]]", lambda value: bytes(value[0])),
    "a dict": (dict[str, msgspec.Raw], b'{"a": [1]}', lambda value: bytes(value["a"])),
    "a tuple": (tuple[int, msgspec.Raw], b"[0, [1]]", lambda value: bytes(value[1])),
    "alone": (msgspec.Raw, b"[1]", bytes),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0, 9])
def test_a_raw_anywhere_in_a_type_is_its_own_memory(backend: SimpleNamespace, kind: str, cut: int) -> None:
    type, payload, inner = KINDS[kind]
    decoder = backend.StreamDecoder(type)
    event = b"data: " + payload + b"\n\n"
    kept = []
    for read in (bytearray(event[:cut]), bytearray(event[cut:] + event * 3)):
        kept += [memoryview(inner(value)) for value in decoder.feed(read)]
        read[:] = b"x" * len(read)
        decoder.feed(b"data: " + b"0" * 300)  # and the decoder's own block moves on
        decoder.reset()
        read.clear()
    assert all(bytes(view).endswith(b"[1]") for view in kept)
    assert len(kept) == (3 if cut else 4)


# --- where there is none ----------------------------------------------------------------


def short(*_: object) -> Any:
    raise MemoryError


def test_a_model_that_there_is_no_memory_for_is_no_fault_of_the_stream(backend: SimpleNamespace) -> None:
    odd = stream({"_a": 1}, done="")  # nothing that the table covers
    decoder = backend.ModelDecoder(CHUNK, short)
    with pytest.raises(MemoryError):
        decoder.feed(odd)
    assert decoder.error is None
    assert backend.ModelDecoder(CHUNK, construct).feed(odd) == [("constructed", {"_a": 1})]


@pytest.mark.skipif(PURE_ONLY or sys.version_info >= (3, 12), reason="None is immortal since Python 3.12")
def test_no_reference_is_lost() -> None:
    decoder = twin("compiled").ChunkDecoder()
    gc.collect()  # what other tests have left
    before = sys.getrefcount(None)
    for number in range(2000):
        decoder.feed(b'data: {"id":"x%d","created":%d.5}\n\n' % (number, number))
    assert abs(sys.getrefcount(None) - before) < 200


def held_of(feed: Callable[[bytes], object], reads: list[bytes]) -> int:
    """Return how many bytes more are held once the reads, which are there already, are fed."""
    tracemalloc.start()
    try:
        for read in reads:
            feed(read)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["EventParser", "ChunkDecoder", "Tap", "Rewriter"])
def test_short_lines_without_a_blank_one_are_held_as_bytes(backend: SimpleNamespace, name: str) -> None:
    reads = [b"data:ab\n" * 400] * 100
    assert held_of(getattr(backend, name)().feed, reads) < 2 * len(b"".join(reads))


def test_a_read_that_waits_behind_a_fault_is_held_as_bytes(backend: SimpleNamespace) -> None:
    def read_on(read: bytes) -> None:
        with suppress(ChunkDecodeError):
            decoder.feed(b"")
        decoder.feed(read)

    decoder = backend.StreamDecoder(int)
    decoder.feed(BAD * 2000)
    assert held_of(read_on, [bytes((58, number % 256)) for number in range(1000)]) < 20_000
    assert isinstance(decoder.error, ChunkDecodeError)
