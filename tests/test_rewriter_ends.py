"""What else a rewriter does: `each`, limits, a tap inside, and how it ends a stream."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from deltawire import (
    ChatCompletionChunk,
    EventParser,
    LimitExceededError,
    Limits,
    RawEvent,
    UpstreamError,
    accumulate,
    encode_event,
)

from .conftest import PURE_ONLY, TWINS, twin
from .readers import cut
from .rewritten_streams import CHUNK, MODEL, ONLY_USAGE, PLAIN, RICH, WIRE

HI = encode_event({"model": "a", "choices": [{"index": 0, "delta": {"content": "hi"}}]})
DONE = b"data: [DONE]\n\n"
ONE, TWO, BAD = (encode_event(text) for text in ("1", "2", "bad"))


def written(backend: SimpleNamespace, *reads: bytes, **task: Any) -> bytes:
    rewriter = backend.Rewriter(**task)
    return b"".join([*(rewriter.feed(read) for read in reads), rewriter.finish()])


def refuse(event: RawEvent) -> RawEvent:
    if event.data == b"bad":
        raise KeyError("bad")
    return event


def test_each_sees_every_event_with_its_block(backend) -> None:
    seen: list[tuple[bytes, str, bytes]] = []

    def note(event: RawEvent) -> RawEvent:
        seen.append((event.raw, event.event, event.data))
        return event

    body = b": c\nid: 1\nevent: q\ndata: {\ndata:}\n\ndata\n\ndata: x\r\r" + DONE
    rest = b"event: never\n\n: comment\n\ndata: not ended\n"
    # Left open: blocks without data are no events, and go on as they came; nor is the rest an event.
    for size in (1, 3, len(body + rest)):
        seen.clear()
        assert written(backend, *cut(body + rest, size), each=note) == body + rest
        assert seen == [
            (b": c\nid: 1\nevent: q\ndata: {\ndata:}\n\n", "q", b"{\n}"),
            (b"data\n\n", "message", b""),
            (b"data: x\r\r", "message", b"x"),
            (DONE, "message", b"[DONE]"),
        ]


def test_each_sees_a_chunk_where_there_is_one(backend) -> None:
    chunks: list[Any] = []
    body = HI + b"data: null\n\ndata: x\n\ndata: [1]\n\n" + DONE
    assert written(backend, body, each=lambda event: chunks.append(event.chunk)) == b""
    assert isinstance(chunks[0], ChatCompletionChunk)
    assert chunks[0].choices[0].delta.content == "hi"
    assert chunks[1:] == [None] * 4


def test_each_sees_what_the_rewriter_made_of_an_event(backend) -> None:
    # Left open: `each` comes last, and what it gives is not looked at again.
    seen: list[bytes] = []

    def note(event: RawEvent) -> bytes:
        seen.append(event.raw)
        return HI + ONLY_USAGE

    assert written(backend, CHUNK + ONLY_USAGE, model=MODEL, usage="drop", each=note) == HI + ONLY_USAGE
    assert seen == [b'data: {"model":"new-model","choices":[1]}\n\n']


def answers() -> dict[str, tuple[Callable[[RawEvent], Any], bytes]]:
    def around(event: RawEvent) -> Iterator[RawEvent | bytes]:
        yield ONE
        yield event
        yield TWO

    return {
        "keep": (lambda event: event, HI * 2),
        "replace": (lambda event: ONE, ONE * 2),
        "replace with a bytearray": (lambda event: bytearray(ONE), ONE * 2),
        "drop": (lambda event: None, b""),
        "an empty list": (lambda event: [], b""),
        "no bytes": (lambda event: b"", b""),
        "a list": (lambda event: [event, ONE], (HI + ONE) * 2),
        "a tuple": (lambda event: (TWO, event.raw), (TWO + HI) * 2),
        "a generator": (around, (ONE + HI + TWO) * 2),
        "twice": (lambda event: [event] * 2, HI * 4),
        "something without a blank line": (lambda event: b"x", b"xx"),
    }


@pytest.mark.parametrize("name", answers())
def test_each_keeps_replaces_drops_and_inserts(backend, name: str) -> None:
    each, want = answers()[name]
    assert written(backend, HI + HI, each=each) == want
    assert written(backend, *(bytes([byte]) for byte in HI + HI), each=each) == want


@pytest.mark.parametrize("answer", ["text", 1, True, object, ["text"], [1], {"a": 1}])
def test_an_answer_of_another_kind_is_refused(backend, answer: object) -> None:
    with pytest.raises(TypeError):
        backend.Rewriter(each=lambda event: answer).feed(HI)


def test_an_event_that_each_drops_takes_its_line_feed_along(backend) -> None:
    rewriter = backend.Rewriter(each=lambda event: None)
    assert rewriter.feed(b"data: 1\r\n\r") + rewriter.feed(b"\ndata: 2\r\n\r\n") + rewriter.finish() == b""
    # Left open: an answer in place of an event has its own line ends.
    rewriter = backend.Rewriter(each=lambda event: ONE)
    assert rewriter.feed(b"data: 1\r\n\r") + rewriter.feed(b"\n") + rewriter.finish() == ONE


def test_an_event_kept_for_later_stays_what_it_was(backend) -> None:
    kept: list[RawEvent] = []

    def keep(event: RawEvent) -> None:
        kept.append(event)

    read = bytearray(HI + ONE)
    backend.Rewriter(each=keep).feed(read)
    read[:] = b"x" * len(read)
    assert [event.raw for event in kept] == [HI, ONE]
    assert [event.data for event in kept] == [HI[6:-2], b"1"]


def test_what_each_raises_goes_through_and_costs_its_event_alone(backend) -> None:
    rewriter = backend.Rewriter(each=refuse)
    with pytest.raises(KeyError, match="bad"):
        rewriter.feed(ONE + BAD + TWO + b"data: 3")
    # Left open: what lies around it comes with the next call.
    assert rewriter.feed(b"\n\n") == ONE + TWO + encode_event("3")
    with pytest.raises(KeyError):
        rewriter.feed(ONE + BAD + TWO + b"data: 3")
    assert rewriter.finish() == ONE + TWO + b"data: 3"


def test_what_each_raises_twice_in_a_read_is_raised_twice(backend) -> None:
    rewriter = backend.Rewriter(each=refuse)
    wrote, raised = b"", 0
    for read in (ONE + BAD + TWO + BAD + ONE, b"", b""):
        try:
            wrote += rewriter.feed(read)
        except KeyError:
            raised += 1
    assert (wrote, raised) == (ONE + TWO + ONE, 2)


def test_after_an_exception_of_each_a_stream_can_be_ended_with_it(backend) -> None:
    rewriter = backend.Rewriter(each=refuse)
    with pytest.raises(KeyError) as raised:
        rewriter.feed(HI + BAD + b"data: 3")
    ended = rewriter.finish(error=raised.value)
    assert ended.startswith(HI + b'data: {"error":')
    assert ended.endswith(DONE)
    assert b"data: 3" not in ended


def test_an_event_within_the_limit_passes_at_every_cut(backend) -> None:
    event = b"data: " + b"x" * 84 + b"\n\n"
    for at in range(len(event) + 1):
        assert written(backend, event + event[:at], event[at:], limits=Limits(max_event=100)) == event * 2


# Left open: what a block of many lines counts. All of it is held, so all of it counts.
@pytest.mark.parametrize(
    "line", [b"data: " + b"x" * 294, b"data: x\n" * 40, b": c\n" * 100, b"foo: c\n" * 40, b":\r" * 200]
)
def test_an_event_over_the_limit_is_refused_at_every_cut(backend, line: bytes) -> None:
    for size in (1, 7, 99, 500):
        rewriter = backend.Rewriter(limits=Limits(max_event=100))
        wrote = rewriter.feed(ONE)
        with pytest.raises(LimitExceededError) as raised:
            wrote += b"".join(map(rewriter.feed, cut(line, size)))
        assert wrote == ONE
        assert raised.value.allowed == 100
        assert raised.value.measured > 100
        # For good, until reset().
        with pytest.raises(LimitExceededError):
            rewriter.feed(b"\n\n" + TWO)
        rewriter.reset()
        assert rewriter.feed(TWO) == TWO


def test_over_a_limit_a_stream_can_be_ended_with_it(backend) -> None:
    rewriter = backend.Rewriter(limits=Limits(max_event=100))
    with pytest.raises(LimitExceededError) as raised:
        rewriter.feed(HI + b"data: " + b"x" * 200)
    ended = rewriter.finish(error=raised.value)
    # What was whole before is not lost.
    assert ended.startswith(HI)
    assert json.loads(EventParser().feed(ended)[1].data)["error"]["message"] == str(raised.value)
    assert b"xxx" not in ended


def test_without_a_limit_anything_is_held(backend) -> None:
    rewriter = backend.Rewriter(limits=Limits(max_event=0))
    assert rewriter.feed(b"data: " + b"x" * 100_000) == b""
    assert len(rewriter.finish()) == 100_006


FAMILIES = {
    "chat": HI,
    "completions": encode_event({"object": "text_completion", "choices": [{"text": "hi"}]}),
    "responses": encode_event({"type": "response.created", "response": {"id": "r"}}, event="response.created"),
    "messages": encode_event({"type": "message_start", "message": {"id": "m"}}, event="message_start"),
}
ENDS = {
    "chat": DONE,
    "completions": DONE,
    "responses": encode_event({"type": "response.completed", "response": {}}, event="response.completed"),
    "messages": encode_event({"type": "message_stop"}, event="message_stop"),
}
ERRORS = ["boom", ValueError("boom"), {"message": "boom"}, UpstreamError({"message": "boom"})]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("held", [b"", b"data: {", b'data: {"model":"a"}\n', b"event: x\r\n", b": c", b"\n"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_stream_ends_with_an_error_in_the_form_of_its_family(backend, family: str, held: bytes, error: Any) -> None:
    rewriter = backend.Rewriter(model=MODEL, usage="drop")
    wrote = rewriter.feed(FAMILIES[family] + held)
    ended = rewriter.finish(error=error)
    assert ended.endswith(DONE) == (family in ("chat", "completions"))
    (event,) = EventParser().feed(ended.removesuffix(DONE))
    payload = json.loads(event.data)
    body = payload if family == "responses" else payload["error"]
    assert body["message"] == "boom"
    assert event.event == ("error" if family in ("responses", "messages") else "message")
    tap = backend.Tap()
    tap.feed(wrote + ended)
    report = tap.close()
    assert (report.status, report.family, report.error["message"]) == ("errored", family, "boom")


@pytest.mark.parametrize("before", [b"", b": c\n\n", b"data: x\n\n", b"\xef\xbb\xbf", b"data: null\n\n", b"data: {"])
def test_a_stream_of_no_known_family_ends_as_one_of_chat(backend, before: bytes) -> None:
    # Left open: which family it is while none was seen.
    rewriter = backend.Rewriter()
    wrote = rewriter.feed(before) + rewriter.finish(error="boom")
    assert wrote.endswith(DONE)
    with pytest.raises(UpstreamError, match="boom"):
        accumulate(wrote.removeprefix(b"data: x\n\n"))


def test_an_error_behind_half_a_line_end_is_an_event_of_its_own(backend) -> None:
    rewriter = backend.Rewriter()
    wrote = rewriter.feed(b"data: x\r\n\r") + rewriter.finish(error="boom")
    assert [event.data == "x" for event in EventParser().feed(wrote)] == [True, False, False]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_error_comes_behind_the_end(backend, family: str) -> None:
    # Left open: to the client a stream that has ended is whole, whatever upstream does afterwards.
    rewriter = backend.Rewriter()
    assert rewriter.feed(FAMILIES[family] + ENDS[family]) == FAMILIES[family] + ENDS[family]
    assert rewriter.finish(error="boom") == b""


def test_the_family_is_told_by_what_came_not_by_what_each_made_of_it(backend) -> None:
    # Left open, as above.
    rewriter = backend.Rewriter(each=lambda event: None)
    assert rewriter.feed(FAMILIES["messages"]) == b""
    assert rewriter.finish(error="boom").startswith(b"event: error\n")


def test_finish_gives_the_held_rest_once(backend) -> None:
    rewriter = backend.Rewriter(model=MODEL, usage="drop")
    held = CHUNK[:-1]
    assert rewriter.feed(ONE + held) == ONE
    # As it came: the model that it names, too.
    assert rewriter.finish() == held
    assert rewriter.finish() == b""


def test_reset_forgets_all(backend) -> None:
    rewriter = backend.Rewriter(model=MODEL)
    rewriter.feed(b"\xef\xbb\xbf" + FAMILIES["messages"] + b"data: held\r")
    assert rewriter.reset() is None
    assert rewriter.feed(b"\xef\xbb\xbf\n" + CHUNK) == b"\xef\xbb\xbf\n" + CHUNK.replace(b'"a"', b'"new-model"')
    assert rewriter.finish(error="boom").endswith(DONE)


@pytest.mark.parametrize("task", [{}, {"model": MODEL, "usage": "drop"}, {"each": lambda event: None}])
@pytest.mark.parametrize("name", WIRE)
def test_a_tap_inside_sees_what_comes_in(backend, name: str, task: dict[str, Any]) -> None:
    body = WIRE[name]
    inside, beside = backend.Tap(started_at=0), backend.Tap(started_at=0)
    rewriter = backend.Rewriter(tap=inside, **task)
    for read in (body[:30], body[30:]):
        rewriter.feed(read)
        beside.feed(read)
        assert told(inside.report) == told(beside.report)
    rewriter.finish(error="boom")
    rewriter.reset()
    # It is the caller's to close, and to reset.
    assert told(inside.report) == told(beside.report)
    assert told(inside.close()) == told(beside.close())


def told(report: Any) -> dict[str, Any]:
    """Return a report without its instants."""
    instants = {"time_to_first_byte", "time_to_first_token", "duration", "last_token_at", "max_gap"}
    return {name: getattr(report, name) for name in report.__struct_fields__ if name not in instants}


def test_a_tap_inside_has_the_read_that_was_refused(backend) -> None:
    tap = backend.Tap()
    for rewriter in (backend.Rewriter(each=refuse, tap=tap), backend.Rewriter(limits=Limits(max_event=5), tap=tap)):
        with pytest.raises((KeyError, LimitExceededError)):
            rewriter.feed(BAD + TWO)
        assert tap.report.bytes == len(BAD + TWO)
        tap.reset()


@pytest.mark.parametrize("data", ["text", None, 1, [b"x"]])
def test_what_is_not_bytes_like_is_refused_and_nothing_is_lost(backend, data: Any) -> None:
    rewriter = backend.Rewriter()
    assert rewriter.feed(PLAIN[:5]) == b""
    with pytest.raises(TypeError, match="bytes-like"):
        rewriter.feed(data)
    with pytest.raises(BufferError):
        rewriter.feed(memoryview(PLAIN)[::2])
    assert rewriter.feed(PLAIN[5:]) == PLAIN


def test_any_contiguous_bytes_are_taken_and_bytes_are_given(backend) -> None:
    for kind in (bytes, bytearray, memoryview):
        for task in ({}, {"model": MODEL}, {"each": lambda event: event}):
            rewriter = backend.Rewriter(**task)
            wrote = rewriter.feed(kind(RICH))
            assert type(wrote) is bytes
            assert type(rewriter.feed(kind(b"data"))) is bytes
            assert type(rewriter.finish()) is bytes


def test_a_read_that_changes_afterwards_changes_nothing(backend) -> None:
    rewriter = backend.Rewriter()
    read = bytearray(ONE + b"data: 2")
    wrote = rewriter.feed(read)
    read[:] = b"x" * len(read)
    assert wrote + rewriter.feed(b"\n\n") == ONE + TWO


@pytest.mark.parametrize("task", [{"usage": "cut"}, {"usage": None}, {"model": ""}, {"model": 5}])
def test_a_task_that_makes_no_sense_is_refused(backend, task: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        backend.Rewriter(**task)


@pytest.mark.skipif(PURE_ONLY, reason="only the pure twin is asked for")
def test_the_twins_refuse_with_the_same_words() -> None:
    def words(name: str, **task: Any) -> str:
        with pytest.raises((TypeError, ValueError, LimitExceededError)) as raised:
            twin(name).Rewriter(**task).feed(BAD)
        return f"{raised.type.__name__}: {raised.value}"

    for task in (
        {"usage": "x"},
        {"model": ""},
        {"model": 5},
        {"each": lambda event: 1},
        {"limits": Limits(max_event=3)},
    ):
        assert len({words(name, **task) for name in TWINS}) == 1


@pytest.mark.parametrize("raw", [bytearray(b"zz\n\n"), memoryview(b"zz\n\n"), type("Own", (bytes,), {})(b"zz\n\n")])
def test_the_raw_bytes_of_an_event_may_be_set(backend, raw: Any) -> None:
    def each(event: RawEvent) -> RawEvent:
        event.raw = raw
        return event

    assert written(backend, ONE + TWO, each=each) == b"zz\n\nzz\n\n"


@pytest.mark.parametrize("raw", [None, "text", 5, [b"x"]])
def test_what_are_no_bytes_does_not_go_on_as_those_of_an_event(backend, raw: Any) -> None:
    def each(event: RawEvent) -> RawEvent:
        event.raw = raw
        return event

    with pytest.raises(TypeError, match=r"^bytes are required as a RawEvent's raw, not '\w+'$"):
        backend.Rewriter(each=each).feed(ONE)


def test_bytes_of_a_subclass_go_on_as_plain_ones(backend) -> None:
    class Own(bytes):
        def __bytes__(self) -> "Own":
            return self

    assert type(written(backend, ONE, each=lambda event: Own(event.raw))) is bytes
    assert written(backend, ONE, each=lambda event: Own(event.raw)) == ONE
