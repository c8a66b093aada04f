"""What becomes of payloads, on either twin; they must not differ."""

from typing import Any

import msgspec

from deltawire import Limits

from ..conftest import twin
from ..readers import log_of, result_of
from .mutation import CHUNKS, OTHER_TYPES, Chooser, Family, one, payloads

PURE = twin("pure")
COMPILED = twin("compiled")


def event(payload: bytes) -> bytes:
    return b"data: " + payload + b"\n\n"


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: their JSON and their repr tell 1 from 1.0 and True."""
    if one == other:
        try:
            return msgspec.json.encode(one) == msgspec.json.encode(other)
        except (TypeError, ValueError, OverflowError, RecursionError):
            pass
    return repr(one) == repr(other)


def check(choose: Chooser) -> int:
    """Run one stream through both twins and return how many payloads it had.

    Raises:
        AssertionError: they differ.
    """
    depth = choose.below(4)
    kind: Family = one(choose, OTHER_TYPES) if depth == 0 else CHUNKS
    stream = [event(payload) for payload in payloads(choose, kind)]
    if choose.below(8) == 0:  # as one read, or cut anywhere
        stream = [b"".join(stream)]
        cut = choose.below(len(stream[0]))
        stream = [stream[0][:cut], stream[0][cut:]]
    if depth == 0:
        pure, compiled = PURE.StreamDecoder(kind.new()), COMPILED.StreamDecoder(kind.new())
    else:
        name = ("ChunkDecoder", "TextDecoder", "CompletionAccumulator")[depth - 1]
        limits = Limits(max_message=one(choose, [0, 0, 60, 300]), max_items=one(choose, [0, 0, 3]))
        pure, compiled = getattr(PURE, name)(limits=limits), getattr(COMPILED, name)(limits=limits)
    expected, found = log_of(pure, stream), log_of(compiled, stream)
    assert same(found, expected), (stream, found, expected)
    assert same(result_of(compiled.finish), result_of(pure.finish)), stream
    if depth == 3:
        found, expected = compiled.completion(), pure.completion()
        assert same(found, expected), (stream, found, expected)
    return len(stream)
