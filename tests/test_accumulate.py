"""`accumulate` and `aaccumulate`: a whole source to its completion, or an error that has what came."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import deltawire
from deltawire import (
    ChatCompletion,
    ChunkDecodeError,
    LimitExceededError,
    Limits,
    TruncatedStreamError,
    UpstreamError,
    encode_event,
)
from deltawire.replay import sample

STREAM = sample("tools")
HI = encode_event({"choices": [{"index": 0, "delta": {"content": "hi"}}]})
STOP = encode_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})


def synchronous(source: Any, **options: Any) -> ChatCompletion:
    return deltawire.accumulate(source, **options)


def asynchronous(source: Any, **options: Any) -> ChatCompletion:
    async def reads() -> AsyncIterator[bytes]:
        for read in [source] if isinstance(source, bytes) else source:
            yield read

    return asyncio.run(deltawire.aaccumulate(reads(), **options))


Accumulate = Callable[..., ChatCompletion]
both = pytest.mark.parametrize("accumulate", [synchronous, asynchronous])


@both
def test_a_whole_stream_gives_its_completion(accumulate: Accumulate) -> None:
    completion = accumulate(STREAM.reads(100))
    assert completion == accumulate(STREAM.body)
    assert completion.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in completion.choices[0].message.tool_calls] == ["search_notes"] * 3


@both
def test_either_end_is_enough(accumulate: Accumulate) -> None:
    assert accumulate(HI + STOP).choices[0].finish_reason == "stop"
    assert accumulate(HI + b"data: [DONE]\n\n").choices[0].finish_reason is None


@both
@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (HI, "the stream ended early: no [DONE], and no finish reason for choice 0"),
        (b"", "the stream ended early: no [DONE], and no choices"),
    ],
)
def test_a_stream_that_ends_early_is_an_error_unless_allowed(
    accumulate: Accumulate, stream: bytes, message: str
) -> None:
    with pytest.raises(TruncatedStreamError) as raised:
        accumulate(stream)
    assert str(raised.value) == message
    assert not raised.value.end.complete
    assert raised.value.completion == accumulate(stream, allow_truncated=True)


@both
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (b"data: {\n\n", ChunkDecodeError),
        (encode_event({"error": {"message": "m"}}), UpstreamError),
        (b"event: error\ndata: x", UpstreamError),
        (b"data: " + b"x" * 200, LimitExceededError),
    ],
)
def test_a_fault_has_what_came_before_it(accumulate: Accumulate, fault: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        accumulate(
            [HI, HI + fault, STOP] if kind is not LimitExceededError else [HI, HI + fault], limits=Limits(max_event=150)
        )
    assert raised.value.completion.choices[0].message.content == "hihi"


@both
def test_an_error_of_the_source_has_it_too(accumulate: Accumulate) -> None:
    def broken() -> Iterator[bytes]:
        yield HI
        raise OSError("reset")

    with pytest.raises(OSError, match="reset") as raised:
        accumulate(broken())
    assert raised.value.completion.choices[0].message.content == "hi"


def test_an_error_without_room_for_it_stays_what_it_is() -> None:
    class Full(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise RuntimeError(name)

    def broken() -> Iterator[bytes]:
        yield HI
        raise Full

    with pytest.raises(Full):
        deltawire.accumulate(broken())
