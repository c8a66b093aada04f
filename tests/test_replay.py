"""The replay server and the sample streams."""

import http.client
import json
from collections.abc import Iterator
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from deltawire.replay import SAMPLES, ReplayServer, sample, split_events

PATH = "/v1/chat/completions"
ASK = json.dumps({"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}})


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer("demo") as server:
        yield server


def ask(
    server: ReplayServer, body: str = ASK, *, path: str = PATH, method: str = "POST"
) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_the_same_each_time(name: str) -> None:
    assert sample(name) == sample(name)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_payloads_are_the_data_of_the_events(name: str) -> None:
    stream = sample(name)
    contents = [event.removeprefix(b"data: ").removesuffix(b"\n\n") for event in stream.events()]
    assert contents == [*stream.payloads, b"[DONE]"]


@pytest.mark.parametrize("name", ["text", "escapes", "tools", "reasoning", "logprobs", "n4", "vllm", "obfuscation"])
def test_the_number_of_chunks_is_the_one_asked_for(name: str) -> None:
    assert len(sample(name, chunks=40).payloads) == 40


@pytest.mark.parametrize(("name", "least"), [("text", 3), ("tools", 12), ("n4", 9)])
def test_too_few_chunks_are_refused_with_the_least_number(name: str, least: int) -> None:
    assert len(sample(name, chunks=least).payloads) == least
    with pytest.raises(ValueError, match=f"{least - 1} chunks, at least {least} expected"):
        sample(name, chunks=least - 1)


def test_another_seed_gives_another_text() -> None:
    assert sample("text", seed=1).text != sample("text", seed=2).text


def test_text_has_events_of_about_330_bytes_one_in_eight_beyond_plain_ascii() -> None:
    payloads = sample("text", chunks=803).payloads[1:-2]
    assert all(320 <= len(payload) <= 345 for payload in payloads)
    assert sum(not payload.isascii() or b"\\" in payload for payload in payloads) == len(payloads) // 8


def test_demo_has_what_a_first_look_should_show() -> None:
    stream = sample("demo")
    for spelling in ("è", "\\u00e9", "静", "\\ud83d\\ude80", "🌍", "\\n", '\\"', "usage"):
        assert spelling.encode() in stream.body, spelling
    assert '"escapes" and all' in stream.text
    chunks = [json.loads(payload) for payload in stream.payloads]
    calls = [call for chunk in chunks for choice in chunk["choices"] for call in choice["delta"]["tool_calls"] or ()]
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert json.loads(arguments) == {"city": "Genève", "days": 3}
    assert [choice["finish_reason"] for choice in chunks[-2]["choices"]] == ["tool_calls"]
    assert chunks[-1]["choices"] == []


def test_n4_has_four_choices_that_all_finish() -> None:
    choices = [choice for payload in sample("n4").payloads for choice in json.loads(payload)["choices"]]
    assert {choice["index"] for choice in choices if choice["finish_reason"]} == {0, 1, 2, 3}


def test_tools_gives_three_calls_with_whole_arguments() -> None:
    arguments: dict[int, str] = {}
    for payload in sample("tools").payloads:
        for choice in json.loads(payload)["choices"]:
            for call in choice["delta"]["tool_calls"] or ():
                arguments[call["index"]] = arguments.get(call["index"], "") + call["function"]["arguments"]
    assert [list(json.loads(text)) for text in arguments.values()] == [["query"]] * 3


def test_big_holds_one_event_of_the_asked_size() -> None:
    assert max(map(len, sample("big", mebibytes=2).events())) > 2 << 20


@pytest.mark.parametrize("size", [1, 7, 1460])
def test_reads_joined_are_the_body(size: int) -> None:
    stream = sample("demo")
    assert b"".join(stream.reads(size)) == stream.body
    assert {len(read) for read in stream.reads(size)[:-1]} == {size}


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_body_is_cut_behind_its_blank_lines(newline: bytes) -> None:
    events = [b"data: 1" + newline * 2, b"data: 2" + newline + b"data: 3" + newline * 2, b"data: 4"]
    assert split_events(b"".join(events)) == events


def test_the_server_sends_the_very_bytes_as_an_event_stream(server: ReplayServer) -> None:
    assert ask(server) == (200, "text/event-stream; charset=utf-8", sample("demo").body)
    assert server.requests == [json.loads(ASK)]


def test_the_server_replays_any_bytes() -> None:
    with ReplayServer(b": hello\r\n\r\ndata: x") as server:
        assert ask(server)[2] == b": hello\r\n\r\ndata: x"


@pytest.mark.parametrize("events_per_write", [1, 4])
def test_an_http_chunk_holds_as_many_events_as_asked_for(events_per_write: int) -> None:
    stream = sample("demo")
    with ReplayServer(stream, events_per_write=events_per_write) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        connection.request("POST", PATH, ASK)
        response = connection.getresponse()
        first = response.read1(65536)
        connection.close()
    assert first == b"".join(stream.events()[:events_per_write])


def test_one_connection_serves_several_streams(server: ReplayServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    bodies = []
    for _ in range(3):
        connection.request("POST", PATH, ASK)
        bodies.append(connection.getresponse().read())
        assert connection.sock is not None
    connection.close()
    assert bodies == [sample("demo").body] * 3


def test_a_slow_stream_does_not_hold_up_the_end_of_the_server() -> None:
    with ReplayServer("demo", delay=60) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        connection.request("POST", PATH, ASK)
        assert connection.getresponse().read1(65536) == sample("demo").events()[0]
    connection.close()


def test_a_client_that_leaves_is_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    with ReplayServer("big") as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        connection.request("POST", PATH, ASK)
        connection.getresponse().read1(1)
        connection.close()
        ask(server)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/v1/completions", ASK, 404, "Invalid URL (POST /v1/completions)"),
        ("GET", "/", "", 404, "Invalid URL (GET /)"),
        ("DELETE", PATH, "", 405, f"Not allowed to DELETE on {PATH}."),
        ("POST", PATH, "{", 400, "We could not parse the JSON body of your request."),
        ("POST", PATH, "", 400, "We could not parse the JSON body of your request."),
        ("POST", PATH, "[]", 400, "We could not parse the JSON body of your request."),
        ("POST", PATH, "{}", 400, "This server only replays streams: 'stream' must be true."),
    ],
)
def test_other_requests_get_errors_as_json(
    server: ReplayServer, method: str, path: str, body: str, status: int, message: str
) -> None:
    answer, kind, content = ask(server, body, path=path, method=method)
    assert (answer, kind) == (status, "application/json")
    assert json.loads(content)["error"]["message"] == message


def test_pacing_spreads_the_events() -> None:
    with ReplayServer(b"data: 1\n\ndata: 2\n\ndata: 3\n\n", delay=0.02) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        started = perf_counter()
        connection.request("POST", PATH, ASK)
        response = connection.getresponse()
        reads = list(iter(lambda: response.read1(65536), b""))
        connection.close()
    assert reads == [b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]
    assert perf_counter() - started >= 0.04
