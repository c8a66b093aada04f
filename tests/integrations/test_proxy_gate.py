"""`deltawire.proxy`: what it refuses, whose key goes where, and which headers go on."""

import asyncio
import json
from typing import Any

import pytest

from .proxies import ASK, CHAT, STREAM, proxied
from .relays import in_loop
from .upstream import Peer, Script, answers, sends

FINE = answers(b'{"fine": true}')
HELD = {"api_key": "sk-own", "client_keys": ("first", "second")}


def request(target: str, method: str = "GET", *fields: str) -> bytes:
    """Return a request's head, after which the connection is to be closed."""
    lines = [f"{method} {target} HTTP/1.1", "Host: proxy.test", *fields, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def error(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert found.keys() == {"message", "type", "param", "code"}
    return found


# --- where a request goes


@pytest.mark.parametrize(
    "target",
    [
        "http://other.test/v1/models",
        "https://other.test:443/v1/models",
        "//other.test/v1/models",
        "/v1//models",
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/v1/./models",
        "/v1/..",
        "/v1/..%2fadmin",
        "/v1%2fmodels",
        "/v1/..%5cadmin",
        "/v1/..\\admin",
        "/v1/models#top",
        "/v1/@other.test/../..",
    ],
)
@in_loop
async def test_a_target_that_is_no_plain_path_goes_nowhere(target: str) -> None:
    async with proxied(FINE) as rig:
        answer = await rig.raw(request(target))
        assert status(answer) == 400
        assert rig.upstream.peers == []


@in_loop
async def test_a_password_in_a_target_is_not_logged() -> None:
    async with proxied(FINE) as rig:
        assert status(await rig.raw(request("http://u:PSECRET@other.test/v1/models?q"))) == 400
        assert rig.log[0]["path"] == "/v1/models"


@in_loop
async def test_a_path_with_an_encoded_line_end_is_a_path() -> None:
    async with proxied(FINE) as rig:
        assert status(await rig.raw(request("/v1/a%0Ab"))) == 200
        assert rig.log[0]["path"] == "/v1/a%0Ab"


@in_loop
async def test_transfer_codings_beside_chunked_are_not_known() -> None:
    async with proxied(FINE) as rig:
        answer = await rig.raw(request(CHAT, "POST", "Transfer-Encoding: gzip, chunked") + b"1\r\nx\r\n0\r\n\r\n")
        assert (status(answer), error(answer)["code"]) == (501, "transfer_coding_unknown")
        assert rig.upstream.peers == []


@in_loop
async def test_the_code_of_a_refusal_is_in_the_answer_and_in_the_log() -> None:
    async with proxied(FINE) as rig:
        found = error(await rig.raw(request("/v1/../x")))
        assert (found["type"], found["code"]) == ("invalid_request_error", "invalid_target")
        assert (rig.log[0]["status"], rig.log[0]["refused"]) == (400, "invalid_target")
        assert (await rig.counts())['deltawire_requests_total{status="400"}'] == 1


@pytest.mark.parametrize("target", ["/v1/models?a=%2F..%2F&b=//c", "/v1/models/gpt%20x", "/@other.test/x", "/:80/x"])
@in_loop
async def test_a_plain_path_and_its_query_go_on_as_they_are(target: str) -> None:
    async with proxied(FINE) as rig:
        assert status(await rig.raw(request(target))) == 200
        assert rig.upstream.peers[0].head.startswith(f"GET {target} HTTP/1.1\r\n")


@in_loop
async def test_an_upstreams_own_path_comes_before_the_clients() -> None:
    from deltawire.proxy import Proxy, Settings

    async with proxied(FINE) as rig, Proxy(Settings(upstream=f"{rig.upstream.url}/openai/")) as proxy:
        host, port = await proxy.listen("127.0.0.1", 0)
        async with rig.session.get(f"http://{host}:{port}/v1/models?x=1") as response:
            assert response.status == 200
        assert rig.upstream.peers[0].head.startswith("GET /openai/v1/models?x=1 ")


@in_loop
async def test_no_header_of_a_clients_chooses_where_it_goes() -> None:
    names = ("X-Forwarded-Host", "X-Forwarded-Server", "Forwarded", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto")
    async with proxied(FINE) as rig:
        answer = await rig.raw(request("/v1/models", "GET", *(f"{name}: other.test" for name in names)))
        assert status(answer) == 200
        head = rig.upstream.peers[0].head
        assert "other.test" not in head
        assert rig.upstream.peers[0].headers["host"] == rig.upstream.url.removeprefix("http://")


@in_loop
async def test_a_redirect_is_the_clients_affair() -> None:
    script = answers(b"", "307 Temporary Redirect", location="http://other.test/v1/models")
    async with proxied(script) as rig:
        async with rig.session.post(rig.url + CHAT, json={}, allow_redirects=False) as response:
            assert (response.status, response.headers["location"]) == (307, "http://other.test/v1/models")
        assert len(rig.upstream.peers) == 1


# --- methods, upgrades, what can be read in two ways


@pytest.mark.parametrize(
    ("method", "target"),
    [("CONNECT", "other.test:443"), ("TRACE", "/v1/models"), ("BREW", "/v1/models"), ("OPTIONS", "*")],
)
@in_loop
async def test_methods_of_no_use_here_go_nowhere(method: str, target: str) -> None:
    async with proxied(FINE) as rig:
        assert status(await rig.raw(request(target, method))) in (400, 404, 405)
        assert rig.upstream.peers == []


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
@in_loop
async def test_a_connection_is_not_upgraded(protocol: str) -> None:
    head = f"GET /v1/realtime HTTP/1.1\r\nHost: p\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
    async with proxied(FINE) as rig:
        assert error(await rig.raw(head.encode()))["code"] == "upgrade_refused"
        assert rig.upstream.peers == []


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "fields",
    [
        (CHUNKED, "Content-Length: 4"),
        ("Content-Length: 4", "Content-Length: 5"),
        ("Content-Length: +4",),
        ("Content-Length: 0x4",),
        ("Transfer-Encoding: gzip, chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("X: a\r\n folded",),
        ("X\0: a",),
    ],
)
@in_loop
async def test_a_request_that_could_be_read_in_two_ways_goes_nowhere(fields: tuple[str, ...], caplog: Any) -> None:
    head = request(CHAT, "POST", "Authorization: Bearer sk-secret", *fields)
    async with proxied(FINE) as rig:
        answer = await rig.raw(head + b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(answer) == 400
        assert answer.count(b"HTTP/1.") == 1
        assert rig.upstream.peers == []
    assert "sk-secret" not in caplog.text


@in_loop
async def test_a_broken_body_ends_with_an_error_for_both_sides() -> None:
    async with proxied(FINE, usage="never") as rig:
        answer = await rig.raw(request(CHAT, "POST", CHUNKED) + b"zz\r\noops\r\n0\r\n\r\n")
        assert status(answer) == 400
        assert rig.upstream.peers == []


# --- limits


@pytest.mark.parametrize("usage", ["never", "client"])
@pytest.mark.parametrize("fields", [["Content-Length: 3000"], [CHUNKED]])
@in_loop
async def test_a_body_over_the_limit_goes_nowhere(fields: list[str], usage: str) -> None:
    async with proxied(FINE, usage=usage, max_body=2000) as rig:
        body = b"x" * 3000 if fields != [CHUNKED] else b"bb8\r\n" + b"x" * 3000 + b"\r\n0\r\n\r\n"
        answer = await rig.raw(request(CHAT, "POST", *fields) + body)
        assert status(answer) == 413
        assert error(answer)["message"] == "A request's body may have at most 2000 bytes."
        assert rig.upstream.peers == []


@pytest.mark.parametrize("chunked", [True, False])
@in_loop
async def test_a_body_too_long_to_inspect_is_streamed_up_as_it_comes(chunked: bool) -> None:
    body = json.dumps({**ASK, "padding": "x" * 400_000}).encode()

    async def pieces() -> Any:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    async def script(peer: Peer) -> None:
        got = bytearray()
        while chunked and not got.endswith(b"0\r\n\r\n"):
            got += await peer._reader.read(65536)
        sizes.append(len(got) or len(peer.body))
        await FINE(peer)

    sizes: list[int] = []
    async with proxied(script, max_inspected=100_000) as rig:
        async with rig.session.post(rig.url + CHAT, data=pieces() if chunked else body) as response:
            assert response.status == 200
        headers = rig.upstream.peers[0].headers
        assert headers.get("content-length") == (None if chunked else str(len(body)))
        assert headers.get("transfer-encoding") == ("chunked" if chunked else None)
        assert sizes[0] >= len(body)


@pytest.mark.parametrize("fields", [("/" + "x" * 5000,), ("/v1/models", "GET", "X: " + "x" * 5000)])
@in_loop
async def test_a_head_over_the_limit_goes_nowhere(fields: tuple[str, ...]) -> None:
    async with proxied(FINE, max_header=4000) as rig:
        assert status(await rig.raw(request(*fields))) == 400
        assert rig.upstream.peers == []


@in_loop
async def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    async with proxied(sends(STREAM.body)) as rig:
        async with rig.session.post(rig.url + CHAT, json=ASK, expect100=True) as response:
            assert response.status == 200
        assert "expect" not in rig.upstream.peers[0].headers


# --- keys


@pytest.mark.parametrize(
    "shown",
    [
        [],
        ["Authorization: Bearer wrong"],
        ["Authorization: Bearer fir"],
        ["Authorization: Bearer first,second"],
        ["Authorization: Basic first"],
        ["Authorization: first"],
        ["Authorization: Bearer "],
        ["X-Api-Key: f\xefrst"],
        ["Authorization: Bearer sk-own"],
    ],
)
@in_loop
async def test_without_a_key_of_a_clients_nothing_is_served(shown: list[str]) -> None:
    async with proxied(FINE, **HELD) as rig:
        answer = await rig.raw(request("/v1/models", "GET", *shown))
        assert (status(answer), error(answer)["code"]) == (401, "invalid_api_key")
        assert rig.upstream.peers == []


@pytest.mark.parametrize("shown", ["Authorization: Bearer first", "authorization: bearer second", "X-Api-Key: second"])
@in_loop
async def test_upstream_gets_the_proxys_key_and_nothing_that_says_who_the_client_is(shown: str) -> None:
    identity = ["OpenAI-Organization: org", "OpenAI-Project: p", "Cookie: c", "Api-Key: k"]
    async with proxied(FINE, **HELD) as rig:
        assert status(await rig.raw(request("/v1/models", "GET", shown, *identity))) == 200
        headers = rig.upstream.peers[0].headers
        assert headers["authorization"] == "Bearer sk-own"
        assert headers.keys() == {"host", "authorization", "accept-encoding"}


@in_loop
async def test_the_key_goes_into_the_header_that_upstream_wants() -> None:
    async with proxied(FINE, **HELD, api_key_header="x-api-key") as rig:
        assert status(await rig.raw(request("/v1/models", "GET", "Authorization: Bearer first"))) == 200
        headers = rig.upstream.peers[0].headers
        assert headers["x-api-key"] == "sk-own"
        assert "authorization" not in headers


@in_loop
async def test_a_clients_key_may_guard_an_upstream_that_needs_none() -> None:
    async with proxied(FINE, client_keys=("first",)) as rig:
        assert status(await rig.raw(request("/any", "GET"))) == 401
        assert status(await rig.raw(request("/any", "GET", "Authorization: Bearer first"))) == 200
        assert "authorization" not in rig.upstream.peers[0].headers


@in_loop
async def test_a_client_has_its_own_key_where_the_proxy_has_none() -> None:
    async with proxied(FINE) as rig:
        await rig.raw(request("/v1/models", "GET", "Authorization: Bearer mine", "Cookie: a=b"))
        headers = rig.upstream.peers[0].headers
        assert (headers["authorization"], headers["cookie"]) == ("Bearer mine", "a=b")


@pytest.mark.parametrize(
    ("path", "allow", "served"),
    [
        ("/v1/models", (), True),
        ("/v1/messages?beta=true", (), True),
        ("/v1/files", (), False),
        ("/v1/models/x", (), False),
        ("/v1/models/", (), False),
        ("/v1/models/x", ("/v1/models/*",), True),
        ("/v1/modelsx", ("/v1/models/*",), False),
        ("/v1/models", ("/v1/files",), False),
    ],
)
@in_loop
async def test_with_a_key_of_its_own_only_allowed_paths_are_served(
    path: str, allow: tuple[str, ...], served: bool
) -> None:
    async with proxied(FINE, **HELD, allow=allow) as rig:
        answer = await rig.raw(request(path, "GET", "Authorization: Bearer first"))
        assert status(answer) == (200 if served else 404)
        assert len(rig.upstream.peers) == served


# --- headers


@in_loop
async def test_headers_of_one_hop_stay_on_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.write(
            b"HTTP/1.1 201 Created\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nX-End: 2\r\n"
            b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nProxy-Authenticate: x\r\nContent-Length: 2\r\n\r\nok"
        )

    hop = ["Connection: X-Mine", "X-Mine: 1", "Keep-Alive: 5", "TE: trailers", "Proxy-Authorization: x", "X-End: 2"]
    async with proxied(script) as rig:
        head = "\r\n".join(["POST /v1/files HTTP/1.1", "Host: p", "Content-Length: 0", *hop, "", ""]).encode()
        reader, writer = await asyncio.open_connection(*rig.address)
        writer.write(head)
        answer = (await reader.readuntil(b"\r\n\r\nok")).decode()
        writer.close()
        headers = rig.upstream.peers[0].headers
    assert headers.keys() == {"host", "x-end", "accept-encoding", "content-length"}
    fields = {line.lower() for line in answer.split("\r\n")[1:]}
    assert fields >= {"x-end: 2", "set-cookie: a=1", "set-cookie: b=2"}
    assert {field.partition(":")[0] for field in fields}.isdisjoint(("keep-alive", "x-hop", "proxy-authenticate"))
    assert answer.startswith("HTTP/1.1 201 Created\r\n")


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"])
@in_loop
async def test_each_method_goes_on_with_its_body(method: str) -> None:
    async def script(peer: Peer) -> None:
        body = b"" if peer.head.startswith("HEAD") else b"done"
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)

    async with proxied(script) as rig:
        async with rig.session.request(method, f"{rig.url}/v1/files/x", data=b"body") as response:
            assert (response.status, response.headers["content-length"]) == (200, "4")
        peer = rig.upstream.peers[0]
        assert peer.head.startswith(f"{method} /v1/files/x ")
        assert peer.body == b"body"


@pytest.mark.parametrize("script", [answers(b'{"error": {}}', "429 Too Many Requests", retry_after="7"), FINE])
@in_loop
async def test_connections_to_upstream_are_used_again(script: Script) -> None:
    async with proxied(script) as rig:
        for _ in range(3):
            async with rig.session.post(rig.url + CHAT, json={}) as response:
                assert response.headers.get("retry-after") == ("7" if response.status == 429 else None)
        assert rig.upstream.connections == 1


@pytest.mark.parametrize(
    "head",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ],
)
@in_loop
async def test_an_answer_that_cannot_be_read_is_a_502_and_no_key_is_logged(head: bytes, caplog: Any) -> None:
    async with proxied(lambda peer: peer.write(head), **HELD) as rig:
        answer = await rig.raw(request("/v1/models", "GET", "Authorization: Bearer first"))
        assert (status(answer), error(answer)["code"]) == (502, "upstream_invalid")
        assert rig.upstream.peers[0].headers["authorization"] == "Bearer sk-own"
    assert "sk-own" not in caplog.text + json.dumps(rig.log)
