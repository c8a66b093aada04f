"""The contract of `EventParser` beyond the format itself, on both twins."""

import ctypes
import mmap
from array import array
from itertools import chain, product, zip_longest
from typing import Any

import pytest

from deltawire import LimitExceededError, Limits, ServerSentEvent

MIB = 1024 * 1024
LINE_ENDS = (b"\n", b"\r", b"\r\n")


def pieces(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def data_of(events: list[ServerSentEvent]) -> list[str]:
    return [event.data for event in events]


# CR and LF are one line end, not two.
@pytest.mark.parametrize(("line_end", "blank"), sorted({*product(LINE_ENDS, repeat=2)} - {(b"\r", b"\n")}))
def test_an_event_comes_with_the_first_byte_of_its_blank_line(backend, line_end: bytes, blank: bytes) -> None:
    parser = backend.EventParser()
    for byte in pieces(b"data: a" + line_end):
        assert parser.feed(byte) == []
    assert parser.feed(blank[:1]) == [ServerSentEvent(data="a")]
    assert parser.feed(blank[1:]) == []
    assert parser.finish() == 0


def test_the_lf_of_a_cr_is_swallowed_in_a_later_read(backend) -> None:
    parser = backend.EventParser()
    assert data_of(parser.feed(b"data: a\r\n\r")) == ["a"]
    assert parser.feed(b"") == []
    assert parser.feed(b"\n") == []
    assert parser.feed(b"data: b\r") == []
    assert data_of(parser.feed(b"\ndata: c\r") + parser.feed(b"\r")) == ["b\nc"]


def test_only_one_lf_belongs_to_a_cr(backend) -> None:
    parser = backend.EventParser()
    assert parser.feed(b"data: a\r") + parser.feed(b"\n") == []
    assert data_of(parser.feed(b"\n")) == ["a"]


def test_an_lf_behind_a_cr_and_another_byte_is_a_line_end(backend) -> None:
    parser = backend.EventParser()
    assert parser.feed(b"data: a\r") + parser.feed(b"x") + parser.feed(b"\n") == []
    assert data_of(parser.feed(b"\n")) == ["a"]


def test_empty_reads_change_nothing(backend) -> None:
    parser = backend.EventParser()
    stream = b"\xef\xbb\xbfid: 1\r\ndata: \xe2\x82\xac\r\n\r\n"
    events = list(chain.from_iterable(parser.feed(read) for byte in pieces(stream) for read in (b"", byte, b"")))
    assert events == [ServerSentEvent(data="€", id="1")]


def test_each_call_gives_a_list_of_its_own(backend) -> None:
    parser = backend.EventParser()
    first = parser.feed(b"data: a\n\n")
    second = parser.feed(b"data: a\n\n")
    first.clear()
    assert data_of(second) == ["a"]
    assert parser.feed(b"") is not parser.feed(b"")


# The most bytes that each stream has undispatched at once.
SIZES = [
    (b"data: abc\n\n", 9),
    (b"data: abc\r\n\r\n", 9),
    (b"data: abc", 9),
    (b"data: a\n\ndata: b\n\n", 7),
    (b"data: ab\ndata: c\n\n", 2 + 7),
    (b"data\ndata\ndata\n\n", 1 + 1 + 4),
    (b"data:\n" * 10 + b"\n", 9 + 5),
    (b"data: \r" * 10 + b"\r", 9 + 6),
    (b"event: ab\nid: cd\ndata: e\n\n", 2 + 2 + 7),
    (b"event\nevent\n\n", 1 + 5),
    (b"id\nid\n\n", 1 + 2),
    (b"id: \0\0\0\nid\n\n", 7),
    (b"retry: 10\nretry: 10\n\n", 1 + 9),
    (b"x: yyy\nx: yyy\n\n", 1 + 6),
    (b"x\n" * 20 + b"\n", 19 + 1),
    (b": ccc\n: ccc\n\n", 5),
    (b"data: a\n: cccc\ndata: b\n\n", 1 + 7),
    (b"data: a\n" + b": cccccc\n" * 9 + b"\n", 1 + 8),
    (b": " + b"c" * 30, 32),
]


def outcome(parser: Any, reads: list[bytes]) -> tuple[list[ServerSentEvent], bool]:
    events: list[ServerSentEvent] = []
    for read in reads:
        if parser.error is None:
            events += parser.feed(read)
    return events, parser.error is not None


@pytest.mark.parametrize(("stream", "size"), SIZES)
def test_an_event_of_the_limit_passes_and_a_larger_one_fails_at_every_cut(backend, stream: bytes, size: int) -> None:
    for allowed in (size, size - 1):
        limits = Limits(max_event=allowed)
        whole = outcome(backend.EventParser(limits=limits), [stream])
        assert whole[1] == (allowed < size)
        assert outcome(backend.EventParser(limits=limits), pieces(stream)) == whole
        for cut in range(len(stream) + 1):
            assert outcome(backend.EventParser(limits=limits), [stream[:cut], stream[cut:]]) == whole


def test_a_limit_error_gives_the_measured_and_the_allowed(backend) -> None:
    parser = backend.EventParser(limits=Limits(max_event=10))
    parser.feed(b"data: abc\ndata: defg\n")
    assert isinstance(parser.error, LimitExceededError)
    assert (parser.error.measured, parser.error.allowed) == (13, 10)
    assert str(parser.error) == "event of 13 bytes, at most 10 allowed"


def test_fragments_of_a_line_count_as_they_come(backend) -> None:
    parser = backend.EventParser(limits=Limits(max_event=10))
    for _ in range(5):
        assert parser.feed(b"xx") == []
    assert parser.error is None
    parser.feed(b"x")
    assert str(parser.error) == "event of 11 bytes, at most 10 allowed"


def test_the_events_before_a_limit_are_returned_first(backend) -> None:
    parser = backend.EventParser(limits=Limits(max_event=10))
    stream = b"id: 1\ndata: a\n\ndata: b\n\ndata: too long\n\ndata: c\n\n"
    assert parser.feed(stream) == [ServerSentEvent(data="a", id="1"), ServerSentEvent(data="b", id="1")]
    assert parser.error.measured == 14
    assert parser.last_event_id == "1"


def test_every_call_raises_behind_a_limit_until_reset(backend) -> None:
    parser = backend.EventParser(limits=Limits(max_event=10))
    assert parser.feed(b"data: too long\n\n") == []
    error = parser.error
    for call in (lambda: parser.feed(b"data: a\n\n"), lambda: parser.feed(b""), parser.finish) * 2:
        with pytest.raises(LimitExceededError) as caught:
            call()
        assert caught.value is error is parser.error
    parser.reset()
    assert parser.error is None
    assert data_of(parser.feed(b"data: a\n\n")) == ["a"]


def test_the_limit_is_32_mib_unless_told_and_none_where_it_is_0(backend) -> None:
    line = b"data:" + b"x" * (32 * MIB - 4)
    parser = backend.EventParser()
    parser.feed(line[:-1])
    assert parser.error is None
    parser.feed(line[-1:])
    assert str(parser.error) == "event of 33554433 bytes, at most 33554432 allowed"
    parser = backend.EventParser(limits=Limits(max_event=0))
    assert parser.feed(line) == []
    assert len(parser.feed(b"\n\n")[0].data) == len(line) - 5


@pytest.mark.parametrize(
    ("wrong", "name"),
    [("data: x\n\n", "str"), ([100], "list"), (None, "NoneType"), (5, "int"), (iter([b""]), "list_iterator")],
)
def test_only_bytes_are_taken_and_nothing_is_lost(backend, wrong: object, name: str) -> None:
    parser = backend.EventParser()
    parser.feed(b"data: a\nda")
    with pytest.raises(TypeError, match=rf"^a bytes-like object is required, not '{name}'$"):
        parser.feed(wrong)
    assert data_of(parser.feed(b"ta: b\n\n")) == ["a\nb"]


def test_strided_memory_is_refused_and_nothing_is_lost(backend) -> None:
    parser = backend.EventParser()
    parser.feed(b"data: a\nda")
    for strided in (memoryview(b"data: x\n\n")[::2], memoryview(b"data: x\n\n")[::-1]):
        with pytest.raises(BufferError, match=r"^memoryview: underlying buffer is not C-contiguous$"):
            parser.feed(strided)
    assert data_of(parser.feed(b"ta: b\n\n")) == ["a\nb"]


STREAM = b"id: 12\ndata: \xe2\x82\xac\n\n"


class OwnBytes(bytes):
    """A subclass."""


def mapped(stream: bytes) -> mmap.mmap:
    memory = mmap.mmap(-1, len(stream))
    memory[:] = stream
    return memory


@pytest.mark.parametrize(
    "make",
    [bytes, OwnBytes, bytearray, memoryview, mapped,
     lambda stream: memoryview(b"<" + stream + b">")[1:-1],
     lambda stream: memoryview(stream).cast("B", (2, len(stream) // 2)),
     lambda stream: array("B", stream), lambda stream: array("H", stream),
     lambda stream: (ctypes.c_char * len(stream)).from_buffer_copy(stream)],
    ids=["bytes", "a subclass", "bytearray", "memoryview", "mmap", "a slice", "two dimensions",
         "array of bytes", "array of shorts", "ctypes"],
)  # fmt: skip
def test_any_contiguous_bytes_are_taken(backend, make) -> None:
    parser = backend.EventParser()
    for _ in range(2):
        assert parser.feed(make(STREAM)) == [ServerSentEvent(data="€", id="12")]


def test_the_callers_memory_is_let_go_at_every_cut(backend) -> None:
    stream = b"event: e\nid: 1\ndata: \xe2\x82\xac\ndata: b\n\n"
    for cut in range(len(stream) + 1):
        parser = backend.EventParser()
        read = bytearray(stream[:cut])
        events = parser.feed(read)
        read[:] = b"x" * cut
        read.extend(b"y" * 100)  # a BufferError where it is still exported
        rest = bytearray(stream[cut:])
        events += parser.feed(rest)
        rest[:] = b"z" * len(rest)
        rest.clear()
        assert events == [ServerSentEvent(event="e", data="€\nb", id="1")]
        assert parser.last_event_id == "1"


def test_the_callers_memory_is_let_go_where_a_limit_is_met(backend) -> None:
    parser = backend.EventParser(limits=Limits(max_event=10))
    read = bytearray(b"data: too long\n\n")
    parser.feed(read)
    read.clear()
    assert parser.error.measured == 14


def test_a_released_view_is_refused(backend) -> None:
    view = memoryview(STREAM)
    view.release()
    with pytest.raises((TypeError, ValueError)):
        backend.EventParser().feed(view)


def test_parsers_share_no_state(backend) -> None:
    streams = [
        b"\xef\xbb\xbfid: %d\r\nevent: e%d\rretry: %d\ndata: \xe2\x82\xac%d\r\n\r\n" % ((number,) * 4)
        for number in range(5)
    ]
    parsers = [backend.EventParser() for _ in streams]
    events: list[list[ServerSentEvent]] = [[] for _ in streams]
    for reads in zip_longest(*map(pieces, streams), fillvalue=b""):
        for parser, read, taken in zip(parsers, reads, events, strict=True):
            taken.extend(parser.feed(read))
    for number, (parser, taken) in enumerate(zip(parsers, events, strict=True)):
        assert taken == [ServerSentEvent(event=f"e{number}", data=f"€{number}", id=str(number), retry=number)]
        assert (parser.last_event_id, parser.reconnection_time) == (str(number), number)


def test_finish_drops_the_unfinished_event_and_begins_a_new_stream(backend) -> None:
    parser = backend.EventParser()
    parser.feed(b"id: 1\ndata: a\n\nid: 2\nevent: e\nretry: 5\ndata: b\nda")
    assert parser.finish() == len(b"id: 2\nevent: e\nretry: 5\ndata: b\nda")
    assert parser.finish() == 0
    assert parser.feed(b"\xef\xbb\xbfdata: c\n\n") == [ServerSentEvent(data="c", id="1")]
    assert (parser.last_event_id, parser.reconnection_time) == ("1", 5)


@pytest.mark.parametrize("part", [b"\xef", b"\xef\xbb", b"\xef\xbb\xbf", b"", b"data: \xe2\x82", b"data: a\r", b":"])
def test_finish_forgets_where_the_stream_stopped(backend, part: bytes) -> None:
    parser = backend.EventParser()
    parser.feed(part)
    parser.finish()
    assert parser.feed(b"\xef\xbb\xbfdata: a\n\n") == [ServerSentEvent(data="a")]
    assert parser.finish() == 0


def test_finish_gives_the_size_of_its_event_room_again(backend) -> None:
    parser = backend.EventParser(limits=Limits(max_event=10))
    for _ in range(5):
        parser.feed(b"data: abc\nda")
        assert parser.finish() == 12
    assert parser.error is None


def test_reset_makes_it_new(backend) -> None:
    parser = backend.EventParser(last_event_id="0")
    parser.feed(b"\xef\xbb\xbfid: 1\nretry: 5\ndata: a\n\nevent: e\nid: 2\ndata: b\r")
    parser.reset()
    assert (parser.error, parser.last_event_id, parser.reconnection_time) == (None, "0", None)
    assert parser.feed(b"\n\xef\xbb\xbfdata: a\ndata: b\n\n") == [ServerSentEvent(data="b", id="0")]
    assert parser.finish() == 0


def test_a_last_event_id_is_that_of_the_events_until_one_is_sent(backend) -> None:
    parser = backend.EventParser(last_event_id="7 é")
    assert parser.last_event_id == "7 é"
    events = parser.feed(b"data: a\n\nid: 8\ndata: b\n\nid\ndata: c\n\n")
    assert [event.id for event in events] == ["7 é", "8", ""]
    assert parser.last_event_id == ""


@pytest.mark.parametrize("wrong", [None, b"1", 1, ["1"]])
def test_a_last_event_id_is_a_str(backend, wrong: object) -> None:
    with pytest.raises(TypeError, match=rf"^last_event_id must be a str, not {type(wrong).__name__}$"):
        backend.EventParser(last_event_id=wrong)


@pytest.mark.parametrize("first", ["\ud800", "a\0b", "a\nb", " ", "x" * 10_000])
def test_any_str_may_be_the_last_event_id(backend, first: str) -> None:
    parser = backend.EventParser(last_event_id=first)
    events = parser.feed(b"data: a\n\nid: 1\ndata: b\n\n")
    assert [event.id for event in events] == [first, "1"]


def test_arguments_have_names(backend) -> None:
    with pytest.raises(TypeError, match="positional argument"):
        backend.EventParser("1")
    with pytest.raises(TypeError, match="unexpected keyword argument 'last_id'"):
        backend.EventParser(last_id="1")


def test_the_last_event_id_changes_at_the_blank_line(backend) -> None:
    parser = backend.EventParser()
    seen = []
    for byte in pieces(b"id: 1\r\n\r\n"):
        parser.feed(byte)
        seen.append(parser.last_event_id)
    assert seen == [""] * 7 + ["1"] * 2


def test_the_reconnection_time_changes_at_the_end_of_its_line(backend) -> None:
    parser = backend.EventParser()
    assert parser.reconnection_time is None
    parser.feed(b"retry: 25")
    assert parser.reconnection_time is None
    parser.feed(b"\r")
    assert parser.reconnection_time == 25
    parser.feed(b"\nretry: x\nretry: 0\n")
    assert parser.reconnection_time == 0


@pytest.mark.parametrize("name", ["error", "last_event_id", "reconnection_time"])
def test_what_a_parser_says_of_itself_is_read_only(backend, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(backend.EventParser(), name, None)


def test_a_last_event_id_may_be_of_a_subclass(backend) -> None:
    class Own(str):
        __slots__ = ()

        def __str__(self) -> str:
            return self

    parser = backend.EventParser(last_event_id=Own("x"))
    assert type(parser.last_event_id) is str
    assert [event.id for event in parser.feed(b"data: 1\n\n")] == ["x"]
