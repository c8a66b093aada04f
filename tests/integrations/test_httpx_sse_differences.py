"""Beside httpx-sse itself: the same for ordinary streams, and each difference by its name."""

import asyncio
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltawire.replay import SAMPLES, sample

from ..test_streams import EVENT_CASES, Case, named
from .http_bodies import EVENT_STREAM, answering, async_client, body, client, response

httpx = pytest.importorskip("httpx")
httpx_sse = pytest.importorskip("httpx_sse")

from deltawire.integrations import httpx_sse as ours  # noqa: E402

Members = tuple[str, str, str, int | None]


def members(event: Any) -> Members:
    return event.event, event.data, event.id, event.retry


def read_by(module: ModuleType, *reads: Any, kind: str = EVENT_STREAM) -> list[Members]:
    return list(map(members, module.EventSource(response(httpx, *reads, kind=kind)).iter_sse()))


async def aread_by(module: ModuleType, *reads: Any) -> list[Members]:
    return [members(event) async for event in module.EventSource(response(httpx, *reads)).aiter_sse()]


def both(*reads: Any, kind: str = EVENT_STREAM) -> tuple[list[Members], list[Members]]:
    """Return what httpx-sse gives, and what deltawire does."""
    return read_by(httpx_sse, *reads, kind=kind), read_by(ours, *reads, kind=kind)


def message(data: str, id: str = "", retry: int | None = None) -> Members:
    return "message", data, id, retry


# --- the same

# Cases of `streams/*.md` in which one of the differences below shows.
DIFFERENT = {
    "A byte order mark is dropped",
    "A type without data is forgotten",
    "An id without data is kept",
    "An id alone",
    "An id without data resets it as well",
    "An unfinished reset of the id",
    "A retry without data is no event's",
    "A retry of zero",
    "The last retry wins",
    "A retry with anything but digits is ignored",
    "A retry with white space is ignored",
    "A retry of other digits than ASCII's is ignored",
    "A retry above it is ignored",
    "A retry of hundreds of digits is ignored",
}


@pytest.mark.parametrize("case", EVENT_CASES, ids=named)
def test_a_stream_gives_the_same_at_every_cut_but_where_it_is_said(case: Case) -> None:
    for reads in case.cuts():
        theirs, mine = both(*reads)
        assert (theirs != mine) == (case.name in DIFFERENT), reads


def test_the_cases_that_differ_are_there() -> None:
    assert {case.name for case in EVENT_CASES} >= DIFFERENT


# "big" in small reads would be 150,000 of them.
@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in SAMPLES for size in (7, 1000, 1 << 16) if name != "big" or size > 7]
)
def test_a_sample_gives_the_same(name: str, size: int) -> None:
    reads = sample(name).reads(size)
    theirs, mine = both(*reads)
    assert len(mine) > 3 and mine == theirs
    if size == 1000:
        assert asyncio.run(aread_by(ours, *reads)) == asyncio.run(aread_by(httpx_sse, *reads)) == mine


FIELDS = [b"event: e", b"event", b"event: \xff", b"id: 1", b"id", b"id: 1\0", b"retry: 5", b": c", b"x: y", b"data"]
TEXTS = [b"data:  b", b"data: \xc3\xa9", b"data: \xf0\x9f\x9a", b"data: \xe2\x80\xa8\xc2\x85\x0b\x0c"]
LINES = st.sampled_from(FIELDS + TEXTS)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Streams in which each block has data, so that both give it, with any lines and any line ends."""
    end = draw(ENDS)
    blocks = draw(st.lists(st.lists(LINES, max_size=4), max_size=4))
    return b"".join(b"".join(line + end for line in [*block, b"data: a", b""]) for block in blocks)


@given(streams(), st.lists(st.integers(0, 200), max_size=4))
def test_ordinary_blocks_give_the_same_at_any_cuts(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    reads = [stream[start:end] for start, end in pairwise(places) if start < end]
    theirs, mine = both(*reads)
    assert mine == theirs


# --- the differences


def test_a_byte_order_mark_is_dropped_and_costs_no_field() -> None:
    theirs, mine = both(b"\xef\xbb\xbfdata: a\n\ndata: b\n\n")
    assert theirs == [message("b")]
    assert mine == [message("a"), message("b")]


def test_the_text_is_utf_8_whatever_the_charset() -> None:
    theirs, mine = both("data: é\n\n".encode(), kind=f"{EVENT_STREAM}; charset=iso-8859-1")
    assert theirs == [message("Ã©")]
    assert mine == [message("é")]


def test_invalid_utf_8_is_replaced_by_both() -> None:
    theirs, mine = both(b"data: a\xff\xe2\x80\n\n")
    assert theirs == mine == [message("a\ufffd\ufffd")]


@pytest.mark.parametrize("stream", [b"data: a\r\r", b"data: a\n\r", b"data: a\r\n\r"])
def test_an_event_that_ends_in_a_lone_cr_comes_with_its_read(stream: bytes) -> None:
    def reads_until_the_first_event(module: ModuleType) -> int:
        source = response(httpx, stream, b"data: b\n\n")
        assert next(module.EventSource(source).iter_sse()).data == "a"
        return source.stream.read

    assert reads_until_the_first_event(httpx_sse) == 2
    assert reads_until_the_first_event(ours) == 1


@pytest.mark.parametrize(
    ("block", "given"),
    [
        (b"event: ping\n\n", ("ping", "", "", None)),
        (b"id: 1\n\n", message("", "1")),
        (b"retry: 5\n\n", message("", retry=5)),
    ],
)
def test_a_block_without_data_is_no_event(block: bytes, given: Members) -> None:
    assert both(block) == ([given], [])


def test_a_keep_alive_behind_an_id_is_no_event() -> None:
    theirs, mine = both(b"id: 1\ndata: a\n\n", b": keep-alive\n\n")
    assert theirs == [message("a", "1"), message("", "1")]
    assert mine == [message("a", "1")]


def test_what_blocks_without_data_say_is_on_the_event_source() -> None:
    source = ours.EventSource(response(httpx, b"retry: 3000\n\ndata: a\n\nid: 7\n\nid: 8"))
    assert (source.last_event_id, source.reconnection_time) == ("", None)
    assert list(map(members, source.iter_sse())) == [message("a")]
    assert (source.last_event_id, source.reconnection_time) == ("7", 3000)


def test_the_last_event_id_of_the_request_holds_until_another_comes() -> None:
    def read(module: ModuleType) -> list[str]:
        stream = body(httpx, b"data: a\n\nid: 8\ndata: b\n\n")
        with (
            client(httpx, answering(httpx, stream)) as caller,
            module.connect_sse(caller, "GET", "https://host/", headers={"Last-Event-ID": "7"}) as source,
        ):
            return [event.id for event in source.iter_sse()]

    assert (read(httpx_sse), read(ours)) == (["", "8"], ["7", "8"])


@pytest.mark.parametrize("value", ["+5", "-5", " 5", "5 ", "5_0", "\u0665", str(2**63)])
def test_a_retry_is_ascii_digits_and_at_most_63_bits(value: str) -> None:
    theirs, mine = both(f"retry: {value}\ndata: a\n\n".encode())
    assert theirs == [message("a", retry=int(value))]
    assert mine == [message("a")]


def test_an_unfinished_event_is_discarded_by_both() -> None:
    theirs, mine = both(b"data: a\n\ndata: b\n")
    assert theirs == mine == [message("a")]


def test_the_content_type_is_compared_without_regard_to_case() -> None:
    assert read_by(ours, b"data: a\n\n", kind="Text/Event-Stream") == [message("a")]
    with pytest.raises(httpx_sse.SSEError):
        read_by(httpx_sse, b"data: a\n\n", kind="Text/Event-Stream")


def request_headers(module: ModuleType, headers: Any) -> Any:
    with (
        client(httpx, answering(httpx, body(httpx))) as caller,
        module.connect_sse(caller, "GET", "https://host/", headers=headers) as source,
    ):
        return source.response.request.headers


async def async_request_headers(module: ModuleType, headers: Any) -> Any:
    async with (
        async_client(httpx, answering(httpx, body(httpx))) as caller,
        module.aconnect_sse(caller, "GET", "https://host/", headers=headers) as source,
    ):
        return source.response.request.headers


@pytest.mark.parametrize("headers", [{"X-Own": "1"}, {"Accept": "*/*"}, httpx.Headers({"accept": "*/*", "x": "y"})])
def test_the_headers_sent_are_the_same(headers: Any) -> None:
    sent = request_headers(httpx_sse, headers.copy()).raw
    assert request_headers(ours, headers).raw == sent
    assert asyncio.run(async_request_headers(ours, headers)).raw == sent


def test_the_headers_of_the_caller_are_not_changed() -> None:
    theirs, mine = {"X-Own": "1"}, {"X-Own": "1"}
    request_headers(httpx_sse, theirs)
    request_headers(ours, mine)
    assert mine == {"X-Own": "1"} != theirs


def test_a_header_in_lower_case_is_not_sent_twice() -> None:
    headers = {"accept": "*/*"}
    assert request_headers(httpx_sse, headers.copy()).get_list("accept") == ["*/*", EVENT_STREAM]
    assert request_headers(ours, headers).get_list("accept") == [EVENT_STREAM]


@pytest.mark.parametrize("headers", [None, [("X-Own", "1")]])
def test_headers_may_be_all_that_httpx_takes(headers: Any) -> None:
    with pytest.raises(TypeError):
        request_headers(httpx_sse, headers)
    assert request_headers(ours, headers)["accept"] == EVENT_STREAM


def test_an_event_has_slots_only_and_no_init_to_override() -> None:
    httpx_sse.ServerSentEvent().own = 1
    with pytest.raises(AttributeError):
        ours.ServerSentEvent().own = 1
    with pytest.raises(TypeError):
        type("Own", (ours.ServerSentEvent,), {"__init__": lambda self: None})


@pytest.mark.parametrize("arguments", [(), (None, None, None, None), ("", "", ""), ("e", "d", "i", 5), ("e", '"d"')])
def test_an_event_made_by_hand_is_the_same(arguments: tuple[Any, ...]) -> None:
    theirs, mine = httpx_sse.ServerSentEvent(*arguments), ours.ServerSentEvent(*arguments)
    assert (members(mine), repr(mine)) == (members(theirs), repr(theirs))
    assert (mine == ours.ServerSentEvent(*arguments)) == (theirs == httpx_sse.ServerSentEvent(*arguments))
    assert len({mine, mine}) == len({theirs, theirs}) == 1


def test_what_may_be_imported_is_the_same() -> None:
    assert set(ours.__all__) == set(httpx_sse.__all__) - {"__version__"}
