"""Readers as objects of Python: named with a type, referred to weakly, never pickled, and of no use when never made."""

import copy
import pickle
import weakref

import pytest

from deltawire import ChatCompletionChunk

from .conftest import PURE_ONLY, twin
from .readers import READERS, made


def test_readers_can_be_referred_to_weakly_and_named_with_their_type(backend) -> None:
    for kind in (backend.EventParser, backend.ChunkDecoder, backend.TextDecoder, backend.CompletionAccumulator):
        made = kind()
        assert weakref.ref(made)() is made
    assert backend.StreamDecoder[int]
    assert backend.ChunkDecoder[ChatCompletionChunk]
    with pytest.raises(TypeError, match="done must be bytes or None, not str"):
        backend.StreamDecoder(int, done="[DONE]")


@pytest.mark.parametrize("name", READERS)
def test_a_reader_may_be_half_fed_and_does_not_pickle(backend, name: str) -> None:
    reader = made(backend, name)
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as refused:
            take(reader)
        assert str(refused.value) == f"cannot pickle '{name}' object: it may be in the middle of a stream"


def test_a_reader_that_was_never_made_says_so() -> None:
    if PURE_ONLY:
        pytest.skip("only the pure twin is asked for")
    compiled = twin("compiled")
    for kind in (compiled.StreamDecoder, compiled.ChunkDecoder, compiled.TextDecoder):
        for call in (lambda made: made.feed(b"data: x\n\n"), lambda made: made.finish()):
            with pytest.raises(RuntimeError, match="was not called"):
                call(kind.__new__(kind))
    assert compiled.EventParser.__new__(compiled.EventParser).last_event_id == ""
    accumulator = compiled.CompletionAccumulator.__new__(compiled.CompletionAccumulator)
    assert accumulator.completion().choices == []
