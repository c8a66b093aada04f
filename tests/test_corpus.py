"""Recorded streams and event stream cases from public repositories."""

import base64
import json
from functools import cache
from typing import Any

import msgspec
import pytest

from .corpus import body, is_chat, needs_corpus, sse_cases, streams
from .oracle import Outcome, interpret, observed
from .readers import cut

pytestmark = needs_corpus

# Reads of one byte are many; the beginning of a stream has all that they can meet.
LENGTHS = {1: 60_000, 7: 1 << 30, 64: 1 << 30, 1460: 1 << 30, 65536: 1 << 30}


@cache
def interpreted(name: str, length: int) -> Outcome:
    """Return what the oracle says of a recorded stream, or of its beginning; once for both twins."""
    return interpret(body(name)[:length])


@pytest.mark.parametrize("case", sse_cases(), ids=lambda case: case["id"])
def test_a_case_gives_its_events_at_every_cut(backend, case: dict[str, Any]) -> None:
    stream = base64.b64decode(case["input_b64"])
    first = case["initial_last_event_id"]

    def check(*reads: bytes) -> None:
        outcome = observed(backend.EventParser(last_event_id=first), *reads)
        assert [list(event[:3]) for event in outcome.events] == case["expected_events"]
        assert outcome.reconnection_time == case["expected_retry"]

    check(*(stream[at : at + 1] for at in range(len(stream))))
    for at in range(0, len(stream) + 1, max(1, len(stream) // 2000)):
        check(stream[:at], stream[at:])


@pytest.mark.parametrize("size", LENGTHS)
@pytest.mark.parametrize("entry", streams(), ids=lambda entry: entry["file"])
def test_a_stream_comes_whole(backend, entry: dict[str, Any], size: int) -> None:
    stream = body(entry["file"])[: LENGTHS[size]]
    reads = cut(stream, size)
    expected = interpreted(entry["file"], LENGTHS[size])
    assert observed(backend.EventParser(), *reads) == expected
    if is_chat(entry):
        check_chunks(backend.ChunkDecoder(), reads, values(entry["file"], LENGTHS[size]))


@cache
def values(name: str, length: int) -> list[Any]:
    """Return the JSON of a recorded stream's events, one for each but `[DONE]`."""
    payloads = [event[1] for event in interpreted(name, length).events]
    return [json.loads(payload) for payload in payloads if payload.strip() != "[DONE]"]


@cache
def members(kind: type) -> list[tuple[str, str]]:
    """Return the fields of a Struct, each by its own name and by its JSON name."""
    return [(field.name, field.encode_name) for field in msgspec.structs.fields(kind)]


def check_chunks(decoder: Any, reads: list[bytes], sent: list[Any]) -> None:
    chunks = [chunk for read in reads for chunk in decoder.feed(read)]
    if decoder.error is None:
        chunks += decoder.finish().chunks
    else:  # a recorded error: what came before it is whole
        assert "error" in str(decoder.error)
        sent = sent[: decoder.error.event_index]
    assert len(chunks) >= len(sent)
    for chunk, value in zip(chunks, sent, strict=False):
        check_member(chunk, value)


def check_member(member: object, value: Any) -> None:
    """A member equals its JSON: field by field, absent and null alike None."""
    if isinstance(member, msgspec.Struct):
        for name, sent_as in members(type(member)):
            inner = getattr(member, name)
            sent = value.get(sent_as)
            if name == "choices" and sent is None:
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
