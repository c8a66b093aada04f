"""`deltawire.integrations.httpx_sse` does what users of httpx-sse know, over httpx and over httpx2."""

import asyncio
import copy
import gzip
import json
import pickle
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from deltawire import Limits
from deltawire.replay import sample

from ..test_streams import EVENT_CASES, Case, event_line, named
from .http_bodies import EVENT_STREAM, answering, async_client, body, client, response

if not (find_spec("httpx") or find_spec("httpx2")):
    pytest.skip("neither httpx nor httpx2", allow_module_level=True)
from deltawire.integrations.httpx_sse import EventSource, ServerSentEvent, SSEError, aconnect_sse, connect_sse

TWO = b"data: a\n\ndata: b\n\n"


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


def events(source: Any) -> list[ServerSentEvent]:
    return list(EventSource(source).iter_sse())


async def aevents(source: Any) -> list[ServerSentEvent]:
    return [event async for event in EventSource(source).aiter_sse()]


def texts(found: list[ServerSentEvent]) -> list[str]:
    return [event.data for event in found]


# --- events


@pytest.mark.parametrize("case", EVENT_CASES, ids=named)
def test_a_response_gives_the_events_of_its_stream(library, case: Case) -> None:
    expected = [line for line in case.log if isinstance(line, dict)]
    for reads in ([case.stream], [case.stream[at : at + 1] for at in range(len(case.stream))]):
        for found in (events(response(library, *reads)), asyncio.run(aevents(response(library, *reads)))):
            assert [event_line(event.event, event.data, event.id, event.retry) for event in found] == expected
            assert {type(event) for event in found} <= {ServerSentEvent}


def test_an_event_comes_with_the_read_that_completes_it(library) -> None:
    stream = body(library, b"data: a\n", b"\n", b"data: b\n\n")
    given = EventSource(library.Response(200, headers={"Content-Type": EVENT_STREAM}, stream=stream)).iter_sse()
    assert (next(given).data, stream.read) == ("a", 2)
    assert (next(given).data, stream.read) == ("b", 3)


def test_a_compressed_stream_is_decompressed(library) -> None:
    compressed = library.Response(
        200,
        headers={"Content-Type": EVENT_STREAM, "Content-Encoding": "gzip"},
        stream=body(library, gzip.compress(TWO)),
    )
    assert texts(events(compressed)) == ["a", "b"]


# --- the request


@pytest.mark.parametrize("headers", [{}, {"X-Own": "1"}, {"accept": "*/*", "CACHE-CONTROL": "max-age=1"}])
def test_the_request_asks_for_an_event_stream_that_is_not_stored(library, headers: dict[str, str]) -> None:
    def answer(request: Any) -> Any:
        assert (request.method, str(request.url)) == ("POST", "https://host/events?q=1")
        assert request.headers.get_list("accept") == ["text/event-stream"]
        assert request.headers.get_list("cache-control") == ["no-store"]
        assert request.headers.get("x-own") == headers.get("X-Own")
        assert json.loads(request.read()) == {"stream": True}
        return answering(library, body(library, TWO))(request)

    more = {"headers": headers, "params": {"q": "1"}, "json": {"stream": True}}

    async def run() -> None:
        async with (
            async_client(library, answer) as caller,
            aconnect_sse(caller, "POST", "https://host/events", **more) as source,
        ):
            assert texts([event async for event in source.aiter_sse()]) == ["a", "b"]

    with client(library, answer) as caller, connect_sse(caller, "POST", "https://host/events", **more) as source:
        assert texts(list(source.iter_sse())) == ["a", "b"]
    asyncio.run(run())


def test_whatever_has_a_stream_is_a_client(library) -> None:
    class Wrapper:
        def __init__(self, wrapped: Any) -> None:
            self.stream = wrapped.stream

    with (
        client(library, answering(library, body(library, TWO))) as caller,
        connect_sse(Wrapper(caller), "GET", "https://host/", headers=library.Headers({"X-Own": "1"})) as source,
    ):
        assert source.response.request.headers["x-own"] == "1"


def test_the_url_may_be_of_any_scheme_that_a_transport_serves(library) -> None:
    with (
        client(library, answering(library, body(library, TWO))) as caller,
        connect_sse(caller, "GET", library.URL("http+sse://host/")) as source,
    ):
        assert source.response.request.url.scheme == "http+sse"


@pytest.mark.parametrize("kind", [EVENT_STREAM, f"{EVENT_STREAM};charset=utf-8", f"application/json, {EVENT_STREAM}"])
def test_a_content_type_that_contains_an_event_stream_is_read(library, kind: str) -> None:
    assert texts(events(response(library, TWO, kind=kind))) == ["a", "b"]


@pytest.mark.parametrize("kind", ["", "application/json", f"text/plain; was={EVENT_STREAM}"])
def test_another_content_type_is_an_error_of_the_iteration_not_of_the_connection(library, kind: str) -> None:
    answer = answering(library, body(library, TWO), kind)
    with client(library, answer) as caller, connect_sse(caller, "GET", "https://host/") as source:
        assert source.response.raise_for_status().read() == TWO
        given = source.iter_sse()
        with pytest.raises(SSEError, match=f"{kind.partition(';')[0]!r}.*{EVENT_STREAM}"):
            next(given)
    with pytest.raises(SSEError):
        asyncio.run(aevents(response(library, TWO, kind=kind)))


def test_a_response_without_a_content_type_is_an_error(library) -> None:
    with pytest.raises(SSEError):
        events(library.Response(200, stream=body(library, TWO)))


def test_the_error_is_a_transport_error(library) -> None:
    assert issubclass(SSEError, library.TransportError)
    with pytest.raises(library.TransportError):
        events(library.Response(200))


# --- one event


def test_an_event_made_by_hand_has_the_defaults() -> None:
    for event in (ServerSentEvent(), ServerSentEvent(None, None, None, None), ServerSentEvent(event="")):
        assert (event.event, event.data, event.id, event.retry) == ("message", "", "", None)


@pytest.mark.parametrize("data", ["{}", '{"a": [1, 2.5, null]}', "NaN", '"\\ud800"', "1e999", str(2**70), "-0.0"])
def test_json_is_that_of_the_standard_library(data: str) -> None:
    assert repr(ServerSentEvent(data=data).json()) == repr(json.loads(data))


@pytest.mark.parametrize("data", ["", "[DONE]", "{", "\ufeff1", "[1,]", '"\n"'])
def test_data_that_is_no_json_is_the_error_of_the_standard_library(data: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        ServerSentEvent(data=data).json()


def test_repr_shows_the_type_and_what_is_not_the_default() -> None:
    assert repr(ServerSentEvent()) == "ServerSentEvent(event='message')"
    assert repr(ServerSentEvent("e", "d", "i", 0)) == "ServerSentEvent(event='e', data='d', id='i', retry=0)"


def test_an_event_equals_itself_only_and_is_a_key(library) -> None:
    first, second = events(response(library, b"data: a\n\ndata: a\n\n"))
    assert first == first and first != second  # noqa: PLR0124
    assert len({first, second, ServerSentEvent(data="a")}) == 3


def test_an_event_cannot_be_changed(library) -> None:
    (event,) = events(response(library, b"data: a\n\n"))
    for name in ("event", "data", "id", "retry"):
        with pytest.raises(AttributeError):
            setattr(event, name, "b")


def test_an_event_can_be_copied_and_pickled(library) -> None:
    (event,) = events(response(library, b"event: e\nid: 1\nretry: 5\ndata: a\n\n"))
    for other in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert type(other) is ServerSentEvent and repr(other) == repr(event)


# --- ends


def test_leaving_early_closes_the_response(library) -> None:
    stream = body(library, *[TWO] * 9)
    with (
        client(library, answering(library, stream)) as caller,
        connect_sse(caller, "GET", "https://host/") as source,
    ):
        for event in source.iter_sse():
            assert event.data == "a"
            break
    assert (stream.read, stream.closed) == (1, 1) and source.response.is_closed


def test_an_exception_in_the_loop_closes_the_response(library) -> None:
    stream = body(library, TWO, TWO)
    with (
        client(library, answering(library, stream)) as caller,
        pytest.raises(KeyError, match="a"),
        connect_sse(caller, "GET", "https://host/") as source,
    ):
        raise KeyError(next(source.iter_sse()).data)
    assert stream.closed == 1


def test_leaving_early_closes_the_async_response(library) -> None:
    stream = body(library, *[TWO] * 9)

    async def run() -> None:
        async with async_client(library, answering(library, stream)) as caller:
            async with aconnect_sse(caller, "GET", "https://host/") as source:
                async for event in source.aiter_sse():
                    assert event.data == "a"
                    break
            assert (stream.read, stream.closed) == (1, 1) and source.response.is_closed

    asyncio.run(run())


def test_closing_the_iterator_closes_the_reads(library) -> None:
    class Reads:
        closed = 0

        def __iter__(self) -> Any:
            return self

        __aiter__ = __iter__

        def __next__(self) -> bytes:
            return TWO

        async def __anext__(self) -> bytes:
            return TWO

        def close(self) -> None:
            self.closed += 1

        async def aclose(self) -> None:
            self.closed += 1

    reads = Reads()
    source = response(library)
    source.iter_bytes = source.aiter_bytes = lambda: reads

    async def run() -> None:
        given = EventSource(source).aiter_sse()
        assert (await anext(given)).data == "a"
        await given.aclose()

    given = EventSource(source).iter_sse()
    assert next(given).data == "a"
    given.close()
    assert reads.closed == 1
    asyncio.run(run())
    assert reads.closed == 2


def test_cancelling_the_reader_ends_it_and_closes_the_response(library) -> None:
    stream = body(library, TWO, asyncio.Event().wait)

    async def read(found: list[str], got: asyncio.Event) -> None:
        async with (
            async_client(library, answering(library, stream)) as caller,
            aconnect_sse(caller, "GET", "https://host/") as source,
        ):
            async for event in source.aiter_sse():
                found.append(event.data)
                got.set()

    async def run() -> None:
        found: list[str] = []
        got = asyncio.Event()
        task = asyncio.create_task(read(found, got))
        await got.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (found, stream.closed) == (["a", "b"], 1)

    asyncio.run(run())


def test_a_broken_connection_is_raised_behind_the_events_before_it(library) -> None:
    reads = [TWO, b"data: lost", library.ReadError("gone")]
    given = EventSource(response(library, *reads)).iter_sse()
    assert texts([next(given), next(given)]) == ["a", "b"]
    with pytest.raises(library.ReadError, match="gone"):
        next(given)
    with pytest.raises(library.ReadError, match="gone"):
        asyncio.run(aevents(response(library, *reads)))


def test_a_body_is_read_once_and_a_read_body_as_often_as_one_likes(library) -> None:
    source = EventSource(response(library, TWO))
    assert texts(list(source.iter_sse())) == ["a", "b"]
    with pytest.raises(library.StreamConsumed):
        next(source.iter_sse())
    read = library.Response(200, headers={"Content-Type": EVENT_STREAM}, content=TWO)
    first, second = EventSource(read).iter_sse(), EventSource(read).iter_sse()
    assert texts([next(first), next(second), *first, *second]) == ["a", "a", "b", "b"]


def test_an_event_beyond_the_limit_is_an_error_behind_the_events_before_it(library) -> None:
    source = EventSource(response(library, TWO + b"data: " + b"x" * 100))
    source.limits = Limits(max_event=64)
    given = source.iter_sse()
    assert texts([next(given), next(given)]) == ["a", "b"]
    with pytest.raises(SSEError, match="at most 64"):
        next(given)
    source = EventSource(response(library, b"data: " + b"x" * 100))
    source.limits = Limits(max_event=64)
    with pytest.raises(SSEError, match="at most 64"):
        asyncio.run(anext(source.aiter_sse()))


# --- reconnecting


def test_reconnecting_with_the_last_event_id_misses_and_repeats_nothing(library) -> None:
    sent: list[str | None] = []

    def answer(request: Any) -> Any:
        sent.append(request.headers.get("last-event-id"))
        first = int(sent[-1] or "0") + 1
        reads = [b"id: %d\nretry: 0\ndata: %d\n\n" % (at, at) for at in range(first, min(first + 2, 6))]
        gone = [library.ReadError("gone")] if first < 5 else []
        return answering(library, body(library, *reads, *gone))(request)

    # The way of httpx-sse's documentation.
    def read_retrying(caller: Any) -> Any:
        last_event_id, delay = "", None
        while True:
            headers = {"Accept": EVENT_STREAM}
            if last_event_id:
                headers["Last-Event-ID"] = last_event_id
                assert delay == 0
            try:
                with connect_sse(caller, "GET", "https://host/", headers=headers) as source:
                    for event in source.iter_sse():
                        last_event_id, delay = event.id, event.retry
                        yield event.data
                    return
            except library.ReadError:
                continue

    with client(library, answer) as caller:
        assert list(read_retrying(caller)) == ["1", "2", "3", "4", "5"]
    assert sent == [None, "2", "4"]


# --- the import


def python(code: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr == ""
    return run.stdout.split()


def test_without_either_library_the_import_says_what_it_needs() -> None:
    blocked = "import sys; sys.modules['httpx'] = sys.modules['httpx2'] = None\n"
    tried = "try: import deltawire.integrations.httpx_sse\nexcept ModuleNotFoundError as error: print(error)"
    assert python(blocked + tried) == ["deltawire.integrations.httpx_sse", "needs", "httpx", "or", "httpx2"]


@pytest.mark.parametrize(("name", "other"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_one_library_is_enough(name: str, other: str) -> None:
    pytest.importorskip(name)
    code = f"""
import sys; sys.modules['{other}'] = None
from deltawire.integrations.httpx_sse import SSEError
print(*[base.__module__ + "." + base.__name__ for base in SSEError.__bases__])
"""
    assert python(code) == [f"{name}.TransportError"]


def test_one_library_under_both_names_is_one() -> None:
    pytest.importorskip("httpx2")
    code = "import httpx2; httpx2.alias_httpx()\nfrom deltawire.integrations.httpx_sse import SSEError\n"
    assert python(code + "print(len(SSEError.__bases__), issubclass(SSEError, httpx2.TransportError))") == ["1", "True"]


def test_samples_of_every_kind_are_read(library) -> None:
    stream = sample("demo")
    found = events(response(library, *stream.reads(100)))
    assert [event.data.encode() for event in found] == [*stream.payloads, b"[DONE]"]
    assert [event.json() for event in found[:-1]] == [json.loads(payload) for payload in stream.payloads]
