"""Writing events: what is written reads back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltawire import EventParser, ServerSentEvent, encode_event

LINE = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
TEXT = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]))


@given(TEXT, st.none() | LINE.filter(bool), st.none() | LINE, st.none() | st.integers(0, 2**63 - 1))
def test_an_event_reads_back(data: str, event: str | None, id: str | None, retry: int | None) -> None:
    written = encode_event(data, event=event, id=id, retry=retry)
    assert EventParser().feed(written) == [ServerSentEvent(event or "message", data, id or "", retry)]


def test_every_line_end_becomes_a_line_of_its_own() -> None:
    assert encode_event("a\r\nb\rc\n") == b"data: a\ndata: b\ndata: c\ndata: \n\n"


def test_bytes_go_as_they_are_and_anything_else_as_json() -> None:
    for data in (b"x", bytearray(b"x"), memoryview(b"x")):
        assert encode_event(data) == b"data: x\n\n"
    assert encode_event({"a": [1]}) == b'data: {"a":[1]}\n\n'
    assert encode_event(msgspec.Raw(b"{}")) == b"data: {}\n\n"


@pytest.mark.parametrize("fields", [{"event": "a\nb"}, {"event": "a\r"}, {"id": "a\n"}, {"id": "\0"}, {"retry": -1}])
def test_what_cannot_be_written_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"holds a line end or a NUL|at least 0 expected"):
        encode_event("x", **fields)
