"""Values that are nested about as deep as the interpreter can follow, on both twins: each is read, or a fault."""

import sys

import pytest

from deltawire import ChunkDecodeError, DeltawireError, encode_event

from .chat_json import said


def test_a_value_too_deep_to_be_kept_is_a_fault_of_its_event(backend) -> None:
    for before in (b"", b'"id":1,'):  # decoded at once, and brought to the type
        for depth in range(850, 1001):
            payload = b'{%b"usage":{"cost_details":%b%b}}' % (before, b"[" * depth, b"]" * depth)
            accumulator = backend.CompletionAccumulator()
            accumulator.feed(b"data: 1\n\ndata: %b\n\n" % payload)
            with pytest.raises(ChunkDecodeError):
                accumulator.feed(b"")
            accumulator.feed(b"")
            if accumulator.error is not None:
                assert (accumulator.error.payload, accumulator.error.event_index) == (payload, 1)
                assert "recursion" in str(accumulator.error)


def test_an_error_nested_too_deep_to_be_shown_is_an_error_all_the_same(backend) -> None:
    depth = sys.getrecursionlimit()
    for nested in range(depth - 60, depth, 3):
        decoder = backend.ChunkDecoder()
        first = decoder.feed(
            encode_event(said({"content": "hi"})) + b'data: {"error":' + b"[" * nested + b"]" * nested + b"}\n\n"
        )
        assert len(first) == 1
        assert isinstance(decoder.error, DeltawireError)


def test_an_event_nested_too_deep_is_one_fault_of_a_tap(backend) -> None:
    for depth in range(850, 1001):
        event = b'data: {"choices":[{"finish_reason":%b%b}]}\n\n' % (b"[" * depth, b"]" * depth)
        tap = backend.Tap()
        tap.feed(event * 2)
        report = tap.close()
        assert (report.events, report.chunks + report.faults) == (2, 2)
