"""Recorded streams and event stream cases from public repositories."""

import base64
import json
from typing import Any

import msgspec
import pytest

from .corpus import body, is_chat, needs_corpus, sse_cases, streams
from .oracle import interpret, observed

pytestmark = needs_corpus


@pytest.mark.parametrize("case", sse_cases(), ids=lambda case: case["id"])
def test_a_case_gives_its_events_at_every_cut(backend, case: dict[str, Any]) -> None:
    stream = base64.b64decode(case["input_b64"])
    first = case["initial_last_event_id"]

    def check(*reads: bytes) -> None:
        outcome = observed(backend.EventParser(last_event_id=first), *reads)
        assert [list(event[:3]) for event in outcome.events] == case["expected_events"]
        assert outcome.reconnection_time == case["expected_retry"]

    check(*(stream[at : at + 1] for at in range(len(stream))))
    for cut in range(0, len(stream) + 1, max(1, len(stream) // 2000)):
        check(stream[:cut], stream[cut:])


@pytest.mark.parametrize("size", [1, 7, 64, 1460, 65536])
@pytest.mark.parametrize("entry", streams(), ids=lambda entry: entry["file"])
def test_a_stream_comes_whole(backend, entry: dict[str, Any], size: int) -> None:
    stream = body(entry["file"])
    if size == 1:
        stream = stream[:60_000]  # a call for each byte takes its time
    reads = [stream[at : at + size] for at in range(0, len(stream), size)]
    expected = interpret(stream)
    assert observed(backend.EventParser(), *reads) == expected
    if is_chat(entry):
        check_chunks(backend.ChunkDecoder(), reads, [event[1] for event in expected.events])


def check_chunks(decoder: Any, reads: list[bytes], payloads: list[str]) -> None:
    chunks = [chunk for read in reads for chunk in decoder.feed(read)]
    if decoder.error is None:
        chunks += decoder.finish().chunks
    else:  # a recorded error: what came before it is whole
        assert "error" in str(decoder.error)
        payloads = payloads[: decoder.error.event_index]
    values = [json.loads(payload) for payload in payloads if payload.strip() != "[DONE]"]
    assert len(chunks) >= len(values)
    for chunk, value in zip(chunks, values, strict=False):
        check_member(chunk, value)


def check_member(member: object, value: Any) -> None:
    """A member equals its JSON: field by field, absent and null alike None."""
    if isinstance(member, msgspec.Struct):
        for field in msgspec.structs.fields(member):
            inner = getattr(member, field.name)
            sent = value.get(field.encode_name)
            if field.name == "choices" and sent is None:
                assert inner == []
            else:
                check_member(inner, sent)
    elif isinstance(member, list) and isinstance(value, list):
        assert len(member) == len(value)
        for inner, sent in zip(member, value, strict=True):
            check_member(inner, sent)
    elif isinstance(member, str) and not isinstance(value, str):
        assert json.loads(member) == value  # brought to the type
    else:
        assert member == value
        assert type(member) is type(value) or (type(member), type(value)) == (float, int)
