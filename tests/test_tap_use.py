"""A tap in use: bodies that it cannot read, limits, reset, misuse, and what it does not do yet."""

import gzip
import zlib
from enum import StrEnum
from typing import Any

import pytest

from deltawire import Limits, StreamReport, encode_event

from .chat_json import said, stream
from .proxy_streams import CHAT, CREATED, END, ERROR, MESSAGES, NORMAL, START, named
from .readers import cut
from .tap_oracle import every, observed, reported, watch

HI = encode_event(said({"content": "hi"}))

# --- what is no event stream, and what is too large -----------------------------------

BODIES = {
    "gzip": gzip.compress(NORMAL, mtime=0),
    "zlib": zlib.compress(NORMAL),
    "zlib, stored": zlib.compress(NORMAL, 0),
    "zstd": b"\x28\xb5\x2f\xfd\x04\x00" + NORMAL,
    "JSON": b'{"id":"c","choices":[{"index":0,"message":{"content":"hi"}}]}\n',
    "a JSON error": b'{\n  "error": {\n    "message": "slow"\n  }\n}\n\n',
    "HTML": b"<html>\r\n<body>\r\n\r\n<h1>502 Bad Gateway</h1>\r\n</body>\r\n</html>\r\n",
    "text": b"upstream connect error",
}


@pytest.mark.parametrize("size", [1, 100, 4096])
@pytest.mark.parametrize("name", BODIES)
def test_what_is_no_event_stream_is_unreadable(backend, name: str, size: int) -> None:
    body = BODIES[name]
    tap = backend.Tap(text=True)
    assert sum(watch(tap, body, every(size, body))) == 0
    assert name in ("JSON", "a JSON error", "HTML", "text") or not tap.at_boundary
    assert observed(tap.close()) == reported(b"") | {"status": "unreadable", "bytes": len(body)}


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_over_a_limit_bytes_are_counted_all_the_same(backend, size: int) -> None:
    body = HI + encode_event({"id": "x" * 200}) + HI * 3
    tap = backend.Tap(limits=Limits(max_event=100), text=True)
    watch(tap, body, every(size, body))
    assert tap.report.status == "overflow"
    assert tap.feed(HI) == 0
    report = observed(tap.close())
    expected = {
        "status": "overflow",
        "bytes": len(body + HI),
        "events": 1,
        "text": "hi",
        "output_tokens": 1,
        "id": None,
    }
    assert {name: report[name] for name in expected} == expected


def test_choices_and_text_are_bounded(backend) -> None:
    choices = backend.Tap(limits=Limits(max_items=3))
    choices.feed(b"".join(encode_event(said({}, index)) for index in range(5)))
    assert (choices.report.status, list(choices.close().finish_reasons)) == ("overflow", [0, 1, 2])
    for text, status in ((True, "overflow"), (False, "truncated")):
        tap = backend.Tap(limits=Limits(max_message=5), text=text)
        tap.feed(HI * 3)
        assert tap.close().status == status


def test_an_error_outlasts_a_limit(backend) -> None:
    tap = backend.Tap(limits=Limits(max_event=100))
    tap.feed(encode_event({"error": ERROR}) + b"data: " + b"x" * 200)
    assert (tap.report.status, tap.close().error) == ("errored", ERROR)


# --- how it is used -------------------------------------------------------------------


def test_a_report_while_open_tells_what_has_come(backend) -> None:
    tap = backend.Tap(text=True, started_at=0)
    report = tap.report
    assert isinstance(report, StreamReport)
    assert (report.status, report.events, report.bytes, report.usage, report.text) == ("open", 0, 0, None, "")
    tap.feed(HI + HI[:20], at=1)
    later = tap.report
    assert later is not tap.report
    assert (later.status, later.events, later.bytes, later.text) == ("open", 1, len(HI) + 20, "hi")
    assert (report.events, report.finish_reasons) == (0, {})
    tap.feed(HI[20:] + stream(), at=2)
    assert (tap.report.status, tap.report.text, tap.report.duration) == ("done", "hihi", None)


def test_without_text_there_is_none(backend) -> None:
    tap = backend.Tap()
    tap.feed(HI)
    assert tap.close().text is None


def test_close_is_idempotent_and_nothing_is_read_after_it(backend) -> None:
    tap = backend.Tap(started_at=0)
    tap.feed(HI, at=1)
    report = tap.close(at=5)
    assert tap.close(at=9) == tap.close() == tap.report == report
    assert tap.feed(HI, at=10) == 0
    assert tap.report == report


def test_reset_makes_it_new(backend) -> None:
    for body in (NORMAL, CHAT["cut"], CHAT["an error member"], MESSAGES["cut"], BODIES["gzip"], b"\xef", b"data: x\r"):
        for closed in (False, True):
            tap = backend.Tap(started_at=3, text=True)
            tap.feed(body, at=4)
            if closed:
                tap.close(at=5)
            tap.reset(started_at=7)
            fresh = backend.Tap(started_at=7, text=True)
            assert tap.report == fresh.report
            assert tap.at_boundary
            for one in (tap, fresh):
                one.feed(b"\n" + NORMAL, at=8)
            assert tap.close(at=9) == fresh.close(at=9)


def test_reset_keeps_the_family_that_was_said(backend) -> None:
    tap = backend.Tap(family="messages")
    tap.reset()
    assert tap.report.family == "messages"


@pytest.mark.parametrize("data", ["text", 5, None, [1]])
def test_only_bytes_are_taken(backend, data: object) -> None:
    tap = backend.Tap()
    with pytest.raises(TypeError, match="a bytes-like object is required, not"):
        tap.feed(data)
    assert tap.feed(HI) == 1


def test_any_contiguous_buffer_is_taken_and_none_is_kept(backend) -> None:
    tap = backend.Tap(text=True)
    own = bytearray(HI[:30])
    tap.feed(own)
    own[:] = b"x" * 60  # it would raise, were it still looked at
    tap.feed(memoryview(HI)[30:])
    assert tap.report.text == "hi"
    with pytest.raises(BufferError, match="not C-contiguous"):
        tap.feed(memoryview(HI)[::2])


@pytest.mark.parametrize("line", [b"x" * 70 + b"\xff\0", b"x" * 64 + b"\0", b"\xe2\x82\xac" * 21 + b"\xe2\x82\xff"])
def test_the_first_64_bytes_tell_and_none_behind_them(backend, line: bytes) -> None:
    body = line + b"\n\ndata: {}\n\n"
    for end in range(len(body)):
        tap = backend.Tap()
        tap.feed(body[:end])
        tap.feed(body[end:])
        assert (tap.close().status, tap.report.events) == ("truncated", 1)


# --- instants -------------------------------------------------------------------------

FIRST, LAST = -(2**62), 2**62 - 1


def test_instants_may_be_as_far_apart_as_64_bits_can_tell(backend) -> None:
    tap = backend.Tap(started_at=FIRST, gap_bounds=[FIRST, LAST])
    assert tap.last_token_at is None
    for at in (FIRST, LAST):
        tap.feed(HI, at)
        assert tap.last_token_at == at
    report = tap.close(LAST)
    assert (report.started_at, report.time_to_first_byte, report.time_to_first_token) == (FIRST, 0, 0)
    assert (report.last_token_at, report.duration, report.max_gap) == (LAST, 2**63 - 1, 2**63 - 1)
    assert report.gaps == [0, 0, 1]


@pytest.mark.parametrize(("wrong", "error"), [(FIRST - 1, OverflowError), (LAST + 1, OverflowError), (1.5, TypeError)])
def test_other_instants_are_refused(backend, wrong: Any, error: type[Exception]) -> None:
    tap = backend.Tap()
    for call in (
        lambda: backend.Tap(started_at=wrong),
        lambda: backend.Tap(gap_bounds=[wrong]),
        lambda: tap.reset(wrong),
        lambda: tap.feed(HI, wrong),
        lambda: tap.close(wrong),
    ):
        with pytest.raises(error) as raised:
            call()
        if error is OverflowError:
            assert str(raised.value) == f"{wrong} ns, from -2**62 to 2**62 - 1 expected"
    assert tap.feed(HI, LAST) == 1  # nothing is under way


def test_gaps_are_counted_up_to_and_with_their_bounds(backend) -> None:
    tap = backend.Tap(started_at=0, gap_bounds=(10, 20, 20))
    assert tap.report.gaps == [0, 0, 0, 0]
    at = 100
    for gap in (50, 0, 10, 11, 20, 21):  # before the first one there is none
        at += gap
        tap.feed(HI, at)
        tap.feed(b": none\n\n", at + 3)
        assert tap.report.max_gap == (None if gap == 50 else gap)
    assert tap.report.gaps == [2, 2, 0, 1]
    tap.reset(0)
    assert tap.report.gaps == [0, 0, 0, 0]
    assert backend.Tap().report.gaps is None


def test_bounds_out_of_order_are_refused(backend) -> None:
    with pytest.raises(ValueError, match=r"^gap_bounds \(2, 1\), in ascending order expected$"):
        backend.Tap(gap_bounds=[2, 1])


# --- what it does not do yet ----------------------------------------------------------


def test_one_read_has_no_gap_though_its_last_event_be_cut(backend) -> None:
    tap = backend.Tap()
    tap.feed(HI + HI[:-1])
    assert tap.close().max_gap is None


def test_prompt_tokens_are_those_of_the_usages_taken_together(backend) -> None:
    tap = backend.Tap()
    tap.feed(named(START, END[0] | {"usage": {"input_tokens": 11, "output_tokens": 9}}))
    assert tap.close().usage.prompt_tokens == 11 + 2 + 3


def test_a_type_that_no_family_knows_hides_none(backend) -> None:
    tap = backend.Tap()
    tap.feed(encode_event({"type": "chunk", "object": "chat.completion.chunk"} | said({"content": "hi"})))
    assert tap.close().family == "chat"


def test_a_failed_response_without_its_response_is_an_error(backend) -> None:
    tap = backend.Tap()
    tap.feed(named(CREATED, {"type": "response.failed"}))
    assert tap.close().status == "errored"


def test_a_family_may_be_a_member_of_an_enumeration(backend) -> None:
    for asked in (StrEnum("Family", {"CHAT": "chat"}).CHAT, type("Own", (str,), {})("chat")):
        tap = backend.Tap(family=asked)
        tap.feed(HI)
        assert type(tap.report.family) is str
        assert tap.close().family == "chat"
    assert backend.Tap(family=StrEnum("Family", {"AUTO": "auto"}).AUTO).report.family is None


@pytest.mark.parametrize("size", [7, 60, 1 << 20])
def test_the_usage_of_the_event_that_goes_beyond_a_limit_is_kept(backend, size: int) -> None:
    def event(number: int) -> bytes:
        choice = {"index": number, "delta": {"content": f"{number}", "role": "r" * 1000}}
        return encode_event({"choices": [choice], "usage": {"completion_tokens": 10 + number}})

    for allowed in range(1, 9):
        tap = backend.Tap(limits=Limits(max_items=allowed))
        for read in cut(b"".join(map(event, range(12))), size):
            tap.feed(read)
        report = tap.close()
        assert (report.status, report.output_tokens) == ("overflow", 10 + allowed)
