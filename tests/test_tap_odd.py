"""A tap and odd events: members of the wrong kind, events of another family, what a decoder makes of the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltawire import Limits, encode_event

from .chat_json import said, stream
from .conftest import PURE_ONLY, TWINS, twin
from .folding_oracle import past_faults
from .proxy_streams import FAMILIES, NORMAL, STREAMS, named
from .tap_oracle import events_of, observed, reported

# --- members of the wrong kind --------------------------------------------------------

NAMES = ["choices", "delta", "content", "usage", "error", "type", "text", "index", "message", "response", "tool_calls"]
ODD = st.recursive(
    st.sampled_from([None, "", "a", "5", 0, 7, -1, 2**70, 1.5, True, False, float("nan"), "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=4,
)


def objects(body: bytes) -> list[str]:
    return [event.data for event in events_of(body) if event.data.startswith("{") and len(event.data) < 3000]


def is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


TEXTS = sorted({text for body in STREAMS.values() for text in objects(body) if is_json(text)})


@st.composite
def odd_events(draw: st.DrawFn) -> bytes:
    """An event of some stream, up to two of its members replaced."""
    payload = json.loads(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(0, 2))):
        place = payload
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], dict | list) or draw(st.booleans()):
                place[key] = draw(ODD)
                break
            place = place[key]
    return f"event: {draw(st.sampled_from(['x', 'error']))}\ndata: {json.dumps(payload)}\n\n".encode()


@pytest.mark.skipif(PURE_ONLY, reason="only the pure twin is asked for")
@settings(max_examples=300)
@given(
    reads=st.lists(odd_events(), max_size=4),
    family=st.sampled_from(["auto", "auto", *FAMILIES]),
    limit=st.sampled_from([0, 0, 1, 200]),
)
def test_the_twins_say_the_same_of_odd_members_after_each_read(reads: list[bytes], family: str, limit: int) -> None:
    limits = Limits(max_event=limit, max_message=limit, max_items=limit)
    taps = [twin(name).Tap(family=family, text=True, started_at=0, limits=limits) for name in TWINS]
    for tick, read in enumerate(reads):
        pure, compiled = [(tap.feed(read, at=tick), tap.at_boundary, repr(tap.report)) for tap in taps]
        assert pure == compiled
    assert len({repr(tap.close(at=9)) for tap in taps}) == 1


LENIENT = [
    said({"content": "a"}, "1"),
    said({"content": "a"}, True),
    said({"content": "a"}, 1.0),
    said({}, finish_reason=5),
    {"choices": [3, {"delta": {"content": "a"}}]},
]


@pytest.mark.parametrize("payload", LENIENT, ids=json.dumps)
def test_finish_reasons_are_those_that_a_decoder_reads(backend, payload: dict[str, Any]) -> None:
    body, decoder, tap = stream(payload), backend.ChunkDecoder(), backend.Tap()
    decoder.feed(body)
    tap.feed(body)
    assert tap.close().finish_reasons == decoder.finish().finish_reasons


@pytest.mark.parametrize("name", sorted(FAMILIES["chat"].keys() - {"values of the wrong kind"}))
def test_finish_reasons_of_chat_are_those_that_a_decoder_reads(backend, name: str) -> None:
    body, decoder, tap = FAMILIES["chat"][name], backend.ChunkDecoder(), backend.Tap()
    past_faults(decoder.feed, body)
    found = past_faults(decoder.finish)
    tap.feed(body)
    report = tap.close()
    assert report.finish_reasons == found.finish_reasons
    assert report.status == "errored" or (report.status == "done") == found.done


# --- events of another family ---------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sent", FAMILIES)
def test_events_of_another_family_than_that_said_say_little(backend, family: str, sent: str) -> None:
    tap = backend.Tap(family=family, text=True)
    tap.feed(FAMILIES[sent]["normal"])
    report = tap.close()
    assert report.family == family
    choices = {"chat", "completions"}
    if family != sent and not {family, sent} <= choices:
        # [DONE] is the end of whatever family.
        assert report.status == ("done" if sent in choices else "truncated")
        assert (report.finish_reasons, report.output_tokens, report.text) == ({}, 0, "")


@pytest.mark.parametrize("end", [{"type": "message_stop"}, {"type": "response.completed", "response": {}}], ids=str)
def test_the_end_of_another_family_is_none(backend, end: dict[str, Any]) -> None:
    tap = backend.Tap(text=True)
    tap.feed(encode_event(said({"content": "a"})) + named(end) + encode_event(said({"content": "b"})))
    assert (tap.close().status, tap.report.text, tap.report.events) == ("truncated", "ab", 3)


# --- the first lines, and the last ----------------------------------------------------


@pytest.mark.parametrize("first", [b"x: 1\n", b"<html>\n\n", b"\n" * 5000, b"x: " + b"y" * 9000 + b"\n\n", b":\0\0\n"])
def test_a_stream_may_begin_with_lines_of_no_known_field(backend, first: bytes) -> None:
    for size in (1, 4096):
        tap, body = backend.Tap(text=True), first + NORMAL
        for start in range(0, len(body), size):
            tap.feed(body[start : start + size])
        assert observed(tap.close()) == reported(NORMAL) | {"bytes": len(body)}


def test_an_event_as_large_as_the_limit_is_read(backend) -> None:
    for over, status in ((0, "open"), (1, "overflow")):
        tap = backend.Tap(limits=Limits(max_event=100))
        tap.feed(b"data: " + b"x" * (94 + over))
        assert tap.report.status == status


@pytest.mark.parametrize("name", ["chat", "completions", "responses", "messages"])
def test_an_open_report_says_what_has_come_at_each_byte(backend, name: str) -> None:
    body, tap = FAMILIES[name]["normal"], backend.Tap(text=True)
    for end in range(1, len(body) + 1):
        tap.feed(body[end - 1 : end])
        whole = max((event.end for event in events_of(body[:end]) if not event.is_cut), default=0)
        expected = reported(body[:whole]) | {"bytes": end, "status": tap.report.status}
        assert observed(tap.report) == expected
        assert tap.report.status in ("open", "done")
    assert tap.report.status == "done"


def nested(depth: int) -> bytes:
    return b'[{"text":' * depth + b'"x"' + b"}]" * depth


@pytest.mark.parametrize("depth", [10, 150, 300])
def test_output_is_found_however_deep(backend, depth: int) -> None:
    tap = backend.Tap()
    tap.feed(b'data: {"choices":[{"index":0,"delta":{"content":%b}}]}\n\n' % nested(depth))
    report = tap.close()
    assert (report.output_tokens, report.chunks, report.faults) == (1, 1, 0)


@pytest.mark.parametrize("value", [nested(480), b"[" * 985 + b"]" * 985, b"[" * 5000])
def test_a_value_too_deep_for_the_stack_stops_neither_tap_nor_rewriter(backend, value: bytes) -> None:
    good = encode_event({"choices": [{"index": 0, "delta": {"content": "x"}}]})
    for member in (b'"content":%b}', b'"content":"x"},"finish_reason":%b', b'"content":"x"},"index":%b'):
        deep = b'data: {"choices":[{"delta":{' + member % value + b"}]}\n\n"
        body = good + deep + good + b"data: [DONE]\n\n"
        tap = backend.Tap()
        tap.feed(body)
        report = tap.close()
        assert (report.status, report.events, report.chunks + report.faults) == ("done", 4, 3)
        assert backend.Rewriter(model="other").feed(body) == body
    delta = b'data: {"type":"content_block_delta","delta":{"text":%b}}\n\n' % value
    assert backend.Rewriter(usage="drop").feed(delta) == delta
