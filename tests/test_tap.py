"""A tap: what it reports is what the oracle reads in the whole body, however it was cut, and when it came."""

from functools import cache
from time import monotonic_ns
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltawire import encode_comment, encode_event

from . import corpus
from .chat_json import USAGE, said
from .conftest import TWINS, twin
from .proxy_streams import CHAT, FAMILIES, MESSAGES, NORMAL, RESPONSES, STREAMS
from .tap_oracle import LINE_END, at_boundary, events_of, every, observed, read, reported, timed, watch

HI = encode_event(said({"content": "hi"}))
ROLE = encode_event(said({"role": "assistant", "content": ""}))


def counted(body: bytes, ends: list[int]) -> list[int]:
    """Return how many events each read completes."""
    starts = [0, *ends[:-1]]
    events = read(body).ends
    return [sum(start < event <= end for event in events) for start, end in zip(starts, ends, strict=True)]


def check(backend: Any, body: bytes, ends: list[int], expected: dict[str, Any]) -> None:
    tap = backend.Tap(text=True, started_at=0)
    counts = watch(tap, body, ends)
    report = tap.close(at=len(ends))
    assert observed(report) == expected
    assert list(report.finish_reasons) == sorted(report.finish_reasons)
    assert sum(counts) == len(read(body).ends)


# --- what it reports ------------------------------------------------------------------

NAMES = ["status", "family", "finish_reasons", "model", "id", "events", "chunks"]
NAMES += ["output_tokens", "output_tokens_source", "text"]
SPOKEN = {"prompt_tokens": 15, "completion_tokens": 9, "total_tokens": 24}
LITERAL = [
    (NORMAL, ("done", "chat", {0: "stop"}, "m", "c", 6, 5, 2, "usage", "hi"), USAGE),
    (
        FAMILIES["completions"]["normal"],
        ("done", "completions", {0: "stop"}, "m", "cmpl", 6, 5, 2, "usage", "hi"),
        USAGE,
    ),
    (
        RESPONSES["normal"],
        ("done", "responses", {0: "completed"}, "m", "resp", 6, 6, 4, "usage", "hi"),
        {
            "prompt_tokens": 10,
            "completion_tokens": 4,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    ),
    (
        MESSAGES["normal"],
        ("done", "messages", {0: "end_turn"}, "m", "msg", 7, 7, 9, "usage", "hi"),
        SPOKEN | {"prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2}},
    ),
    (CHAT["usage never"], ("done", "chat", {0: "stop"}, None, None, 4, 3, 1, "chunks", "hi"), None),
    (CHAT["no [DONE]"], ("finished_without_done", "chat", {0: "stop"}, "m", "c", 4, 4, 2, "usage", "hi"), USAGE),
    (MESSAGES["cut"], ("truncated", "messages", {0: None}, "m", "msg", 3, 3, 1, "chunks", "hi"), None),
]


@pytest.mark.parametrize(("body", "expected", "usage"), LITERAL)
def test_reports_written_out(backend, body: bytes, expected: tuple[Any, ...], usage: dict[str, Any] | None) -> None:
    tap = backend.Tap(text=True)
    tap.feed(body)
    report = observed(tap.close())
    assert tuple(report[name] for name in NAMES) == expected
    assert usage is None or report["usage"] == usage
    assert (report["faults"], report["error"], report["bytes"]) == (0, None, len(body))


@pytest.mark.parametrize("size", [1, 100, 4096])
@pytest.mark.parametrize("name", STREAMS)
def test_the_report_is_the_oracles_at_reads_of_any_size(backend, name: str, size: int) -> None:
    check(backend, STREAMS[name], every(size, STREAMS[name]), reported(STREAMS[name]))


@pytest.mark.parametrize("name", STREAMS)
def test_cut_anywhere_the_report_is_the_oracles(backend, name: str) -> None:
    for end in range(0, len(STREAMS[name]), 7):
        body = STREAMS[name][:end]
        tap = backend.Tap(text=True)
        tap.feed(body)
        assert observed(tap.close()) == reported(body), body


# Reads of one byte are many; the beginning of a stream has all that they can meet.
SIZES = {1: 20_000, 100: 1 << 30, 4096: 1 << 30}


@cache
def recorded(name: str, size: int) -> tuple[bytes, dict[str, Any]]:
    body = corpus.body(name)[: SIZES[size]]
    return body, reported(body)


@corpus.needs_corpus
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("entry", corpus.streams(), ids=lambda entry: entry["file"])
def test_reports_of_recorded_streams_are_the_oracles(backend, entry: dict[str, Any], size: int) -> None:
    body, expected = recorded(entry["file"], size)
    check(backend, body, every(size, body), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_that_is_said_reads_like_the_one_that_was_told(backend, family: str) -> None:
    for body in FAMILIES[family].values():
        tap = backend.Tap(family=family, text=True)
        tap.feed(body)
        assert observed(tap.close()) == reported(body, family)


def test_an_unknown_family_is_refused(backend) -> None:
    with pytest.raises(ValueError, match="family"):
        backend.Tap(family="gemini")


def lines_of(family: str) -> st.SearchStrategy[bytes]:
    """Lines of one family: what another one's would say within it is nobody's business."""
    return st.sampled_from(sorted({line for body in FAMILIES[family].values() for line in LINE_END.split(body)}))


ENDS = st.sampled_from([b"\n\n"] * 4 + [b"\r\n\r\n", b"\r\r", b"\n", b"\r", b"\r\n", b"\n\r", b""])
ODD = st.sampled_from([b"data:", b"data", b"event: error", b"error: {", b"id: 1", b":", b"da", b"x: y"])
LINES = st.sampled_from(sorted(FAMILIES)).flatmap(
    lambda family: st.lists(st.tuples(lines_of(family) | ODD, ENDS).map(b"".join), max_size=8)
)
BODY = st.tuples(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]), LINES.map(b"".join)).map(b"".join)
CUTS = st.lists(st.integers(0, 1000), max_size=6)


@given(body=BODY, cuts=CUTS, pauses=st.lists(st.integers(0, 9), min_size=8))
@settings(max_examples=200)
def test_any_lines_cut_anywhere_are_reported_as_the_oracle_has_them(
    body: bytes, cuts: list[int], pauses: list[int]
) -> None:
    ends = [*sorted({cut for cut in cuts if cut < len(body)}), len(body)]
    instants = [sum(pauses[: place + 1]) for place in range(len(ends))]
    expected, counts = reported(body), counted(body, ends)
    times = {name: time or None for name, time in timed(body, ends, instants).items()}
    for name in TWINS:
        tap = twin(name).Tap(text=True, started_at=0)
        assert watch(tap, body, ends, instants) == counts
        assert tap.at_boundary == at_boundary(body)
        report = tap.close(at=instants[-1] + 1)
        assert observed(report) == expected
        assert {time: getattr(report, time) or None for time in times} == times
        assert (report.started_at, report.duration) == (0, instants[-1] + 1)


@given(
    body=BODY, places=st.lists(st.integers(0, 1000), max_size=3), piece=st.binary(max_size=4), cut=st.integers(0, 300)
)
def test_the_twins_report_the_same_of_anything(body: bytes, places: list[int], piece: bytes, cut: int) -> None:
    for place in places:  # what is broken is read as well as can be, and nobody says how
        body = body[:place] + piece + body[place + 1 :]
    taps = [twin(name).Tap(text=True, started_at=0) for name in TWINS]
    counts = [watch(tap, body, [min(cut, len(body)), len(body)]) for tap in taps]
    reports = [repr((tap.at_boundary, tap.report, tap.close(at=5))) for tap in taps]
    assert len(set(reports)) == 1
    assert counts[0] == counts[-1]


# --- when it came ---------------------------------------------------------------------


def test_times_are_those_of_the_reads(backend) -> None:
    tap = backend.Tap(started_at=100)
    assert tap.report.time_to_first_byte is None
    tap.feed(b"", at=110)
    for data, at in [(b"d", 120), (ROLE[1:], 130), (HI[:-1], 200), (b"\n", 250), (HI * 3, 400), (ROLE, 900)]:
        tap.feed(data, at=at)
    report = tap.report
    assert (report.time_to_first_byte, report.time_to_first_token) == (20, 150)
    assert (report.last_token_at, report.max_gap, report.duration) == (400, 150, None)
    tap.feed(HI, at=500)
    report = tap.close(at=1000)
    assert (report.last_token_at, report.max_gap, report.duration) == (500, 150, 900)


def test_without_instants_the_clock_is_asked(backend) -> None:
    before = monotonic_ns()
    tap = backend.Tap()
    made = monotonic_ns()
    tap.feed(HI)
    report = tap.close()
    after = monotonic_ns()
    assert before <= report.started_at <= made <= report.last_token_at <= after
    assert 0 <= report.time_to_first_byte == report.time_to_first_token <= report.duration <= after - before


SILENT = ["only role frames", "a tool without arguments", "no delta", "errors that are none", "choices null"]


@pytest.mark.parametrize("name", SILENT)
def test_what_bears_no_output_is_no_first_token(backend, name: str) -> None:
    tap = backend.Tap()
    tap.feed(CHAT[name])
    assert tap.close().time_to_first_token is None


SPEAKING = [
    *({name: "x"} for name in ("content", "refusal", "reasoning", "reasoning_content")),
    {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
    {"function_call": {"arguments": "{"}},
    {"content": [{"type": "text", "text": "x"}]},
    {"reasoning_details": [{"type": "reasoning.text", "text": "x"}]},
]


@pytest.mark.parametrize("delta", SPEAKING)
@pytest.mark.parametrize("index", [0, 1])
def test_output_of_any_kind_and_choice_is_a_first_token(backend, delta: dict[str, Any], index: int) -> None:
    tap = backend.Tap(started_at=0)
    tap.feed(ROLE, at=1)
    tap.feed(encode_event(said(delta, index)), at=2)
    assert tap.report.time_to_first_token == 2


# --- where a comment may stand --------------------------------------------------------


@pytest.mark.parametrize("name", STREAMS)
def test_a_comment_may_stand_wherever_the_tap_says(backend, name: str) -> None:
    body = STREAMS[name][:1500]
    tap = backend.Tap()
    assert tap.at_boundary
    events = [event[:2] for event in events_of(body)]
    for place in range(1, len(body) + 1):
        tap.feed(body[place - 1 : place])
        assert tap.at_boundary == at_boundary(body[:place]), body[:place]
        if tap.at_boundary:
            inserted = body[:place] + encode_comment("ping") + body[place:]
            assert [event[:2] for event in events_of(inserted)] == events
