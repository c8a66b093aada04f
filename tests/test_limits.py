"""Each limit, on both twins: at it nothing happens, beyond it both sizes are told, and 0 is none."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from deltawire import (
    ChatCompletionChunk,
    Choice,
    ChunkDecodeError,
    DeltawireError,
    LimitExceededError,
    Limits,
    UpstreamError,
    accumulate,
    encode_event,
)

from .chat_json import said

HI = encode_event(said({"content": "hi"}))
BAD = b"data: bad\n\n"


def decoder_waits(backend: Any, limit: int) -> None:
    reader = backend.ChunkDecoder(limits=Limits(max_event=limit))
    reader.feed(BAD * 4)
    for size in (14, 6):
        with pytest.raises(DeltawireError):
            reader.feed(b"")
        reader.feed(b"\n" * size)
    for _ in range(4):
        try:
            reader.feed(b"")
        except LimitExceededError:
            raise
        except DeltawireError:
            pass


def rewriter_waits(backend: Any, limit: int) -> None:
    def refuse(event: Any) -> Any:
        if event.data == b"bad":
            raise KeyError

    rewriter = backend.Rewriter(each=refuse, limits=Limits(max_event=limit))
    with pytest.raises(KeyError):
        rewriter.feed(BAD + b"data: 1\n\n" + b"\n")
    rewriter.feed(b"\n" * 10)


def read_on(reader: Any, data: bytes) -> None:
    reader.feed(data)
    reader.feed(b"")


def add_choices(backend: Any, kind: str, limit: int) -> None:
    reader = getattr(backend, kind)(limits=Limits(max_items=limit))
    read_on(reader, b"".join(encode_event({"choices": [{"index": number}]}) for number in (4, 4, 2, 1, 4)))


def fold_items(backend: Any, limit: int) -> None:
    accumulator = backend.CompletionAccumulator(limits=Limits(max_items=limit))
    calls = [{"index": 0, "id": "a"}, {"index": 1, "id": "b"}]
    read_on(accumulator, encode_event({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}))


def fold_bytes(backend: Any, limit: int) -> None:
    accumulator = backend.CompletionAccumulator(limits=Limits(max_message=limit))
    for piece in ("é" * 4, "x" * 12):
        read_on(accumulator, encode_event({"choices": [{"index": 0, "delta": {"content": piece}}]}))


# What asks for 20 bytes, or for 3 items, of that limit, and the message beyond it.
CASES: dict[str, tuple[Callable[[Any, int], object], int, str]] = {
    "a line in progress": (
        lambda backend, limit: read_on(backend.EventParser(limits=Limits(max_event=limit)), b"data: " + b"x" * 14),
        20,
        "event of 20 bytes, at most {} allowed",
    ),
    "lines of one event": (
        lambda backend, limit: read_on(
            backend.EventParser(limits=Limits(max_event=limit)),
            b"data: 1234\nid: abcd\nevent: e\nx: y\ndata:\ndata: 890\n",
        ),
        20,
        "event of 20 bytes, at most {} allowed",
    ),
    "reads behind a faulty event": (decoder_waits, 20, "20 bytes waiting behind a faulty event, at most {} allowed"),
    "choices of a decoder": (
        lambda backend, limit: add_choices(backend, "ChunkDecoder", limit),
        3,
        "3 choices, at most {} allowed",
    ),
    "what an accumulator holds": (fold_items, 3, "3 choices, tool calls and parts, at most {} allowed"),
    "bytes that an accumulator holds": (fold_bytes, 20, "message of 20 bytes, at most {} allowed"),
    "a block of a rewriter": (
        lambda backend, limit: read_on(backend.Rewriter(limits=Limits(max_event=limit)), b"data: 1\ndata: 123456"),
        20,
        "event of 20 bytes, at most {} allowed",
    ),
    "reads behind an exception": (rewriter_waits, 20, "20 bytes waiting behind an exception, at most {} allowed"),
}


@pytest.mark.parametrize("case", CASES)
def test_beyond_a_limit_both_sizes_are_told_and_at_it_nothing_happens(backend, case: str) -> None:
    run, size, message = CASES[case]
    for limit in (size, size + 1, 0):
        run(backend, limit)
    with pytest.raises(LimitExceededError) as raised:
        run(backend, size - 1)
    assert (raised.value.measured, raised.value.allowed) == (size, size - 1)
    assert str(raised.value) == message.format(size - 1)


@pytest.mark.parametrize("case", CASES)
def test_the_least_limit_is_a_limit(backend, case: str) -> None:
    with pytest.raises(LimitExceededError) as raised:
        CASES[case][0](backend, 1)
    assert raised.value.allowed == 1
    assert raised.value.measured > 1


def test_a_tap_stops_at_its_limits_and_not_before(backend) -> None:
    choices = [encode_event({"choices": [{"index": number}]}) for number in (4, 2, 4)]
    text = encode_event({"choices": [{"index": 0, "delta": {"content": "é" * 5}}]})
    for stream, limits, beyond in (
        (b"".join(choices), Limits(max_items=2), Limits(max_items=1)),
        (text * 2, Limits(max_message=20), Limits(max_message=19)),
        (b"data: 1\ndata: " + b"x" * 20, Limits(max_event=27), Limits(max_event=26)),
        # A last event without its blank line counts at the end.
        (b"".join(choices)[:-2], Limits(max_items=2), Limits(max_items=1)),
        (text + text[:-2], Limits(max_message=20), Limits(max_message=19)),
    ):
        for allowed, overflows in ((limits, False), (Limits(0, 0, 0), False), (beyond, True)):
            tap = backend.Tap(text=True, limits=allowed)
            tap.feed(stream)
            assert (tap.close().status == "overflow") == overflows


def test_what_waits_no_more_is_not_counted(backend) -> None:
    decoder = backend.ChunkDecoder(limits=Limits(max_event=100))
    for _ in range(3):
        decoder.feed(BAD * 3)
        for _ in range(2):
            with pytest.raises(ChunkDecodeError):
                decoder.feed(b"")
            decoder.feed(b":" * 39 + b"\n")
        with pytest.raises(ChunkDecodeError):
            decoder.feed(b"")
        decoder.feed(b"")
    assert decoder.error is None
    assert decoder.stats.bytes == 3 * (len(BAD) * 3 + 2 * 40)


def test_what_comes_with_the_excess_is_not_taken_in(backend) -> None:
    decoder = backend.ChunkDecoder(limits=Limits(max_event=100))
    read = BAD + b"data: " + b"x" * 100
    decoder.feed(read)
    with pytest.raises(ChunkDecodeError):
        decoder.feed(b"")
    assert decoder.feed(b"data: {}\n\n") == []
    for _ in range(2):
        with pytest.raises(LimitExceededError, match=r"^event of 106 bytes, at most 100 allowed$"):
            decoder.feed(b"data: {}\n\n")
    assert decoder.stats.bytes == len(read)


@pytest.mark.parametrize("kind", ["ChunkDecoder", "TextDecoder", "Tap"])
def test_of_a_finish_reason_as_much_is_kept_as_a_word_may_have(backend, kind: str) -> None:
    reader = getattr(backend, kind)()
    for number, length in enumerate([256, 257, 9000]):
        reader.feed(encode_event({"choices": [{"index": number, "finish_reason": "r" * length}]}))
    end = reader.close() if kind == "Tap" else reader.finish()
    assert end.finish_reasons == dict.fromkeys(range(3), "r" * 256)


def test_over_a_limit_the_completion_has_what_came_before(backend) -> None:
    accumulator = backend.CompletionAccumulator(limits=Limits(max_message=100))
    accumulator.feed(HI + encode_event({"model": "m" * 200}))
    assert isinstance(accumulator.error, LimitExceededError)
    assert accumulator.completion().choices[0].message.content == "hi"
    with pytest.raises(LimitExceededError, match=r"^message of 202 bytes, at most 100 allowed$") as raised:
        accumulate(HI + encode_event({"model": "m" * 200}), limits=Limits(max_message=100))
    assert raised.value.completion == accumulator.completion()


def test_a_fault_is_not_lost_when_too_much_waits_behind_it(backend) -> None:
    decoder = backend.ChunkDecoder(limits=Limits(max_event=100))
    decoder.feed(HI + BAD + encode_event({"error": {"message": "quota"}}))
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


@pytest.mark.parametrize("name", ["max_event", "max_message", "max_items"])
@pytest.mark.parametrize("wrong", [1.5, 2.0, float("nan"), "5", None])
def test_a_limit_is_an_int(name: str, wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name} must be an int, not {type(wrong).__name__}$"):
        Limits(**{name: wrong})


@pytest.mark.parametrize("limit", [True, 2**31, 2**63 - 1, 2**63, 2**64 + 1])
def test_a_limit_may_be_any_int(backend, limit: int) -> None:
    limits = Limits(limit, limit, limit)
    for kind in (backend.ChunkDecoder, backend.CompletionAccumulator, backend.Tap, backend.Rewriter):
        kind(limits=limits).feed(b"\n")
    accumulator = backend.CompletionAccumulator(limits=limits)
    accumulator.feed(BAD)
    with pytest.raises(LimitExceededError if limit == 1 else ChunkDecodeError):
        read_on(accumulator, b"")


def test_a_finish_reason_of_a_type_of_ones_own_is_kept_as_it_is(backend) -> None:
    class Numbered(Choice):
        finish_reason: int | None = None

    class Chunk(ChatCompletionChunk):
        choices: list[Numbered] = msgspec.field(default_factory=list)

    decoder = backend.ChunkDecoder(Chunk)
    decoder.feed(encode_event({"choices": [{"index": 0, "finish_reason": 7}]}))
    assert decoder.finish().finish_reasons == {0: 7}
