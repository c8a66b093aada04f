"""`deltawire.proxy`: streams and other answers on their way, and what is counted of them."""

import asyncio
import gzip
import json
from typing import Any

import pytest

import deltawire
from deltawire.replay import ReplayServer, sample

from .proxies import ASK, CHAT, STREAM, proxied, without_usage
from .relays import in_loop
from .upstream import EVENT_STREAM, Peer, answers, sends

WITH_USAGE = {**ASK, "stream_options": {"include_usage": True}}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "secret-model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "model"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
}
ANTHROPIC = [
    {"type": "message_start", "message": {"id": "m", "model": "claude", "usage": {"input_tokens": 9}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]
MESSAGES = b"".join(deltawire.encode_event(event, event=event["type"]) for event in ANTHROPIC)


@in_loop
async def test_a_stream_goes_on_as_it_came_and_each_event_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.start()
        for event in STREAM.events():
            await peer.send(event)
            await seen.acquire()
        await peer.end()

    seen = asyncio.Semaphore(0)
    async with proxied(script) as rig, rig.session.post(rig.url + CHAT, json=WITH_USAGE) as response:
        for event in STREAM.events():
            assert await response.content.readany() == event
            seen.release()
        assert await response.content.readany() == b""


@in_loop
async def test_usage_is_asked_for_and_kept_from_clients_that_did_not_ask() -> None:
    async with proxied(sends(STREAM.body)) as rig:
        assert await rig.stream() == without_usage(STREAM)
        assert json.loads(rig.upstream.peers[0].body) == WITH_USAGE
        assert await rig.stream(request=WITH_USAGE) == STREAM.body
        assert (await rig.logged(2))["usage"]["total_tokens"] == 24 + 37
        assert (await rig.counts())['deltawire_input_tokens_total{model="deltawire-mini"}'] == 2 * 24


@pytest.mark.parametrize(("usage", "asked"), [("always", True), ("never", False)])
@in_loop
async def test_usage_reaches_all_or_is_nobodys_business(usage: str, asked: bool) -> None:
    async with proxied(sends(STREAM.body), usage=usage) as rig:
        assert await rig.stream() == STREAM.body
        assert json.loads(rig.upstream.peers[0].body) == (WITH_USAGE if asked else ASK)


@in_loop
async def test_usage_is_asked_for_in_legacy_completions_and_nowhere_else() -> None:
    async with proxied(sends(STREAM.body)) as rig:
        await rig.stream("/v1/completions")
        await rig.stream("/v1/responses")
        await rig.stream(request={**ASK, "stream": False})
        assert [b"stream_options" in peer.body for peer in rig.upstream.peers] == [True, False, False]


@pytest.mark.parametrize("body", [b"{oops", b"", b"[1]", "\ud800".encode("utf-8", "surrogatepass")])
@in_loop
async def test_a_body_that_is_no_request_goes_on_as_it_is(body: bytes) -> None:
    async with proxied(answers(b"{}", "400 Bad Request")) as rig:
        async with rig.session.post(rig.url + CHAT, data=body) as response:
            assert response.status == 400
        assert rig.upstream.peers[0].body == body


@in_loop
async def test_a_compressed_request_goes_on_as_it_is() -> None:
    body = gzip.compress(json.dumps(ASK).encode())
    async with proxied(answers(b"{}")) as rig:
        async with rig.session.post(rig.url + CHAT, data=body, headers={"Content-Encoding": "gzip"}) as response:
            assert response.status == 200
        assert rig.upstream.peers[0].body == body
        assert rig.upstream.peers[0].headers["content-encoding"] == "gzip"


@in_loop
async def test_clients_see_the_name_that_was_given_to_the_model() -> None:
    async with proxied(sends(STREAM.body), model_name="mine") as rig:
        renamed = STREAM.body.replace(b'"deltawire-mini"', b'"mine"')
        assert await rig.stream(request=WITH_USAGE) == renamed
        assert (await rig.logged())["model"] == "deltawire-mini"


@in_loop
async def test_an_answer_that_is_no_stream_is_renamed_and_counted() -> None:
    body = json.dumps(COMPLETION, indent=1).encode()
    async with proxied(answers(body, x_request_id="7"), model_name="mine") as rig:
        async with rig.session.post(rig.url + CHAT, json={}) as response:
            assert await response.read() == body.replace(b'"secret-model"', b'"mine"')
            assert response.headers["x-request-id"] == "7"
        line = await rig.logged()
        assert (line["model"], line["usage"]["total_tokens"], line["status"]) == ("secret-model", 12, 200)
        counts = await rig.counts()
        assert counts['deltawire_input_tokens_total{model="secret-model"}'] == 7
        assert counts['deltawire_output_tokens_total{model="secret-model",source="usage"}'] == 5


@pytest.mark.parametrize(
    ("path", "answer", "tokens"),
    [
        ("/v1/messages", {"type": "message", "model": "m", "usage": {"input_tokens": 2, "output_tokens": 1}}, 3),
        ("/v1/responses", {"object": "response", "model": "m", "usage": {"input_tokens": 4, "output_tokens": 2}}, 6),
        (CHAT, {"model": "m", "usage": None}, None),
        (CHAT, [], None),
    ],
)
@in_loop
async def test_answers_of_each_family_are_counted(path: str, answer: Any, tokens: int | None) -> None:
    async with proxied(answers(json.dumps(answer).encode())) as rig:
        assert json.loads(await rig.stream(path)) == answer
        assert (await rig.logged()).get("usage", {}).get("total_tokens") == tokens


@in_loop
async def test_a_long_answer_goes_on_uncounted() -> None:
    body = json.dumps({**COMPLETION, "padding": "x" * 300_000}).encode()

    async def script(peer: Peer) -> None:
        await peer.start(kind="application/json")
        for start in range(0, len(body), 50_000):
            await peer.send(body[start : start + 50_000])
        await peer.end()

    async with proxied(script, max_inspected=1000) as rig:
        assert await rig.stream(request={}) == body
        assert "usage" not in await rig.logged()


@in_loop
async def test_the_metrics_are_what_the_streams_were() -> None:
    steps: list[bytes | float] = []
    for event in sample("text", chunks=8).events():
        steps += [0.012, event]  # a role, 5 pieces of text, the finish reason, usage, [DONE]
    async with proxied(sends(*steps)) as rig:
        reports = [await rig.stream() for _ in range(2)]
        line = await rig.logged(2)
        counts = await rig.counts()
    assert reports[0] == reports[1] == without_usage(sample("text", chunks=8))
    body = sample("text", chunks=8).body
    model = 'model="deltawire-mini"'
    assert counts[f'deltawire_streams_total{{ending="done",{model}}}'] == 2
    assert counts[f"deltawire_events_total{{{model}}}"] == 2 * 9
    assert counts[f"deltawire_stream_bytes_total{{{model}}}"] == 2 * len(body)
    assert counts[f"deltawire_input_tokens_total{{{model}}}"] == 2 * 24
    assert counts[f'deltawire_output_tokens_total{{{model},source="usage"}}'] == 2 * 5
    assert counts["deltawire_streams_in_flight"] == 0
    assert counts['deltawire_requests_total{status="200"}'] == 2
    name = "deltawire_time_to_first_token_seconds"
    assert counts[f"{name}_count{{{model}}}"] == 2
    assert counts[f'{name}_bucket{{le="0.01",{model}}}'] == 0
    assert counts[f"{name}_sum{{{model}}}"] >= 2 * 0.024
    name = "deltawire_inter_token_gap_seconds"
    assert counts[f'{name}_bucket{{le="+Inf",{model}}}'] == counts[f"{name}_count{{{model}}}"] == 2 * 4
    assert counts[f'{name}_bucket{{le="0.005",{model}}}'] == 0
    assert 2 * 4 * 0.01 < counts[f"{name}_sum{{{model}}}"] < 2
    assert line["max_gap_ms"] >= 10


@in_loop
async def test_the_log_says_what_each_stream_was_and_nothing_that_is_secret() -> None:
    async with proxied(sends(MESSAGES)) as rig:
        headers = {"Authorization": "Bearer sk-secret", "X-Api-Key": "secret"}
        await rig.stream("/v1/messages?key=secret", {"stream": True, "text": "secret"}, headers=headers)
        line = await rig.logged()
    assert "secret" not in json.dumps(line)
    assert {name: line[name] for name in ("method", "path", "status", "client")} == {
        "method": "POST", "path": "/v1/messages", "status": 200, "client": "127.0.0.1",
    }  # fmt: skip
    assert (line["model"], line["family"], line["ending"], line["id"]) == ("claude", "messages", "done", "m")
    assert line["usage"] == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    assert (line["output_tokens"], line["finish_reasons"]) == (3, {"0": "end_turn"})
    assert (line["events"], line["bytes"]) == (4, len(MESSAGES))
    assert 0 < line["first_byte_ms"] <= line["first_token_ms"] <= line["duration_ms"]


@pytest.mark.parametrize(
    ("trusted", "client"), [(True, "203.0.113.9"), (False, "127.0.0.1")]
)  # fmt: skip
@in_loop
async def test_the_balancers_word_for_a_clients_address_is_taken_where_it_is_trusted(
    trusted: bool, client: str
) -> None:
    async with proxied(answers(b"{}"), trust_forwarded=trusted) as rig:
        await rig.stream(headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
        assert (await rig.logged())["client"] == client


@in_loop
async def test_models_beyond_the_bound_are_counted_as_other() -> None:
    async def script(peer: Peer) -> None:
        number = len(rig.upstream.peers)
        await peer.start()
        await peer.send(STREAM.body.replace(b"deltawire-mini", b"model-%d" % number if number < 5 else b"model-1"))
        await peer.end()

    async with proxied(script, model_labels=2) as rig:
        for _ in range(5):
            await rig.stream()
        counts = await rig.counts()
    streams = {name: value for name, value in counts.items() if name.startswith("deltawire_streams_total")}
    assert streams == {
        'deltawire_streams_total{ending="done",model="model-1"}': 2,
        'deltawire_streams_total{ending="done",model="model-2"}': 1,
        'deltawire_streams_total{ending="done",model="other"}': 2,
    }


@pytest.mark.parametrize("tokens", [-1, 10**30])
@in_loop
async def test_what_upstream_makes_up_breaks_neither_log_nor_metrics(tokens: int) -> None:
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens, "cost": "\ud800"}
    chunk = json.dumps({"model": '\ud800"\n', "choices": [{"delta": {"content": "x"}}], "usage": usage})
    async with proxied(sends(b"data: " + chunk.encode() + b"\n\ndata: [DONE]\n\n")) as rig:
        await rig.stream()
        line = await rig.logged()
        counts = await rig.counts()
    assert (line["ending"], line["usage"]["prompt_tokens"]) == ("done", tokens)
    assert [value for name, value in counts.items() if "_tokens_total" in name] == [0, 0]


def test_twenty_streams_at_once_each_come_whole() -> None:
    @in_loop
    async def run() -> None:
        async with proxied(server.url) as rig:
            bodies = await asyncio.gather(*(rig.stream() for _ in range(20)))
            assert bodies == [without_usage(STREAM)] * 20
            await rig.logged(20)
            counts = await rig.counts()
        assert counts['deltawire_streams_total{ending="done",model="deltawire-mini"}'] == 20
        assert all(request["stream_options"] == {"include_usage": True} for request in server.requests)

    with ReplayServer(STREAM, delay=0.002) as server:
        run()


@in_loop
async def test_a_compressed_stream_goes_on_as_it_is() -> None:
    body = gzip.compress(STREAM.body)
    async with proxied(sends(body, content_encoding="gzip"), model_name="mine") as rig:
        async with rig.session.post(rig.url + CHAT, json=ASK) as response:
            assert await response.read() == body
            assert (response.headers["content-encoding"], response.content_type) == ("gzip", EVENT_STREAM)
        assert (await rig.logged())["status"] == 200
