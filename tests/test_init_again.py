"""`__init__` of an object that is in use, on both twins: it begins anew, or is refused and changes nothing."""

from types import SimpleNamespace
from typing import Any

import pytest

from deltawire import ChatCompletionChunk, LimitExceededError, Limits, encode_event

from .readers import READERS, all_of, at_work

STREAM = b"".join(
    encode_event({"model": "m", "choices": [{"index": 0, "delta": {"content": text}}]}) for text in ("hi", "ho")
)
REST = [STREAM[30:]]
OTHER: Any = Limits(max_event=10, max_message=1)


class Faulty:
    """Something that is neither true nor false."""

    def __bool__(self) -> bool:
        raise ZeroDivisionError("neither")


class Chunk(ChatCompletionChunk):
    """A class that another decoder is asked for."""


# Arguments of which the last is refused, and with what.
REFUSED: list[tuple[str, list[Any], dict[str, Any], str]] = [
    *((name, [int] if name == "StreamDecoder" else [], {"limits": 5}, "must be Limits, not int") for name in READERS),
    ("EventParser", [], {"limits": OTHER, "last_event_id": 5}, "must be a str, not int"),
    ("StreamDecoder", [int], {"limits": OTHER, "done": "[DONE]"}, "must be bytes or None, not str"),
    ("StreamDecoder", [object()], {"limits": OTHER, "done": b"x"}, ""),
    ("ChunkDecoder", [int], {"limits": OTHER}, "a subclass of ChatCompletionChunk is required"),
    ("ChunkDecoder", [Chunk], {"limits": 5}, "must be Limits, not int"),
    ("Tap", [], {"family": "chat", "limits": OTHER, "gap_bounds": (5, 1)}, "in ascending order expected"),
    ("Tap", [], {"family": "chat", "limits": OTHER, "gap_bounds": (2**62,)}, "expected"),
    ("Tap", [], {"gap_bounds": (5,), "limits": OTHER, "family": "other"}, "other"),
    ("Tap", [], {"gap_bounds": (5,), "limits": OTHER, "started_at": 2**62}, "expected"),
    ("Tap", [], {"gap_bounds": (5,), "limits": OTHER, "text": Faulty()}, "neither"),
    ("Tap", [], {"gap_bounds": (5,), "family": "responses", "limits": 5}, "must be Limits, not int"),
    ("Rewriter", [], {"limits": OTHER, "each": repr, "usage": "other"}, "'keep' or 'drop' expected"),
    ("Rewriter", [], {"limits": OTHER, "each": repr, "model": ""}, "at least 1 expected"),
    ("Rewriter", [], {"model": "mine", "each": repr, "limits": 5}, "must be Limits, not int"),
]


def begun(backend: SimpleNamespace, name: str) -> Any:
    reader = at_work(backend, name)
    reader.feed(STREAM[:30], *([0] if name == "Tap" else []))
    return reader


@pytest.mark.parametrize(("name", "arguments", "named", "message"), REFUSED)
def test_a_refused_init_leaves_the_reader_as_it_was(
    backend, name: str, arguments: list[Any], named: dict[str, Any], message: str
) -> None:
    reader = begun(backend, name)
    with pytest.raises((TypeError, ValueError, ArithmeticError)) as refusal:
        reader.__init__(*arguments, **named)
    assert message in str(refusal.value)
    assert all_of(reader, REST) == all_of(begun(backend, name), REST)
    reader.reset(*([0] if name == "Tap" else []))
    assert all_of(reader, REST) == all_of(at_work(backend, name), REST)


@pytest.mark.parametrize("name", READERS)
def test_limits_of_another_type_are_refused(backend, name: str) -> None:
    arguments = [int] if name == "StreamDecoder" else []
    for limits in (5, None, object()):
        with pytest.raises(TypeError, match=f"^limits must be Limits, not {type(limits).__name__}$"):
            getattr(backend, name)(*arguments, limits=limits)


def test_init_of_an_accumulator_in_use_begins_anew_with_its_limits(backend) -> None:
    accumulator = begun(backend, "CompletionAccumulator")
    accumulator.__init__(limits=Limits(max_message=10))
    accumulator.feed(STREAM[: len(STREAM) // 2])
    assert accumulator.stats.events == 1
    assert accumulator.completion().choices[0].message.content == "hi"
    accumulator.feed(encode_event({"choices": [{"index": 0, "delta": {"content": "x" * 20}}]}))
    assert isinstance(accumulator.error, LimitExceededError)
    accumulator.__init__()
    assert accumulator.error is None
    assert accumulator.completion().choices == []
