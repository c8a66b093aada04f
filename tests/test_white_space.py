"""White space around data is JSON's, on both twins: space, tab, CR and LF, and no other."""

import pytest

from deltawire import ChunkDecodeError

OTHERS = [b"\x0b", b"\x0c", b"\xc2\xa0", b"\0"]


def event(data: bytes) -> bytes:
    """Return an event whose data may hold an LF."""
    return b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"


@pytest.mark.parametrize("around", [b" ", b"\t", b"\n", b" \n\t "])
def test_white_space_around_data_says_nothing(backend, around: bytes) -> None:
    for kind in (backend.ChunkDecoder, backend.TextDecoder, backend.CompletionAccumulator, backend.Tap):
        reader = kind()
        reader.feed(event(around) + event(around + b"null" + around))
        if kind is backend.Tap:
            assert (reader.report.events, reader.report.faults, reader.report.chunks) == (2, 0, 0)
        else:
            assert (reader.error, reader.stats.events, reader.stats.chunks) == (None, 2, 0)
        reader.feed(event(around + b"[DONE]" + around))
        assert (reader.report.status == "done") if kind is backend.Tap else reader.done
    assert backend.StreamDecoder(int).feed(event(around + b"5" + around)) == [5]
    assert backend.StreamDecoder(int, done=around + b"end" + around).feed(event(b"end") + event(b"5")) == []


@pytest.mark.parametrize("other", OTHERS)
def test_other_characters_around_data_are_data(backend, other: bytes) -> None:
    for data in (other, other + b"[DONE]", b"[DONE]" + other):
        for kind in (backend.ChunkDecoder, backend.TextDecoder, backend.CompletionAccumulator):
            reader = kind()
            reader.feed(event(data))
            assert isinstance(reader.error, ChunkDecodeError)
            assert not reader.done
        sought = backend.StreamDecoder(int, done=other + b"9" + other)
        assert sought.feed(event(b"9")) == [9]
        tap = backend.Tap()
        tap.feed(event(data))
        assert (tap.report.status, tap.report.faults) == ("open", 1)
        unfinished = backend.Tap()
        unfinished.feed(event(b"{}") + event(data)[:-2])
        assert (unfinished.close().status, unfinished.report.events) == ("truncated", 1)
