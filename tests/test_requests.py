"""What a proxy asks upstream for, and what it adds to a stream of its own."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltawire
from deltawire import (
    ChunkDecoder,
    EventParser,
    UpstreamError,
    encode_comment,
    encode_error,
    encode_event,
    include_usage_in_request,
)

from .rewrite_oracle import members

OPTIONS = '"stream_options":{"include_usage":true}'

# What was asked, and what is asked after it; one that stays is there once.
INJECTED = [
    ('{"stream":true}', f'{{"stream":true,{OPTIONS}}}'),
    ('{"stream":true,"stream_options":null,"a":1}', f'{{"stream":true,{OPTIONS},"a":1}}'),
    ('{"stream_options":{},"stream":true}', f'{{{OPTIONS},"stream":true}}'),
    ('{"stream":true,"stream_options":{"include_usage":false}}', f'{{"stream":true,{OPTIONS}}}'),
    ('{"stream":true,"stream_options":{"include_usage":null}}', f'{{"stream":true,{OPTIONS}}}'),
    (
        '{"stream":true,"stream_options":{"include_obfuscation":false}}',
        '{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}',
    ),
    (
        '{"stream":true,"stream_options":{"include_usage":false,"a":{"include_usage":false}}}',
        '{"stream":true,"stream_options":{"include_usage":true,"a":{"include_usage":false}}}',
    ),
    (
        '{"stream":true,"stream_options":{"a":{"include_usage":true}}}',
        '{"stream":true,"stream_options":{"a":{"include_usage":true},"include_usage":true}}',
    ),
    # Left open: of duplicates the last one counts.
    ('{"stream":false,"stream":true}', f'{{"stream":false,"stream":true,{OPTIONS}}}'),
    (
        '{"stream":true,"stream_options":{"include_usage":true},"stream_options":null}',
        f'{{"stream":true,{OPTIONS},{OPTIONS}}}',
    ),
    (
        r'{"str\u0065am":true,"stream_opt\u0069ons":{}}',
        r'{"str\u0065am":true,"stream_opt\u0069ons":{"include_usage":true}}',
    ),
    (
        '{"messages":[{"content":"\\"stream\\":false, \\"stream_options\\":{}}"}],"stream":true}',
        '{"messages":[{"content":"\\"stream\\":false, \\"stream_options\\":{}}"}],"stream":true,' + OPTIONS + "}",
    ),
    ('{"stream":true,"include_usage":true}', f'{{"stream":true,"include_usage":true,{OPTIONS}}}'),
    ('{"stream":true,"a":NaN,"b":"\\ud800"}', f'{{"stream":true,"a":NaN,"b":"\\ud800",{OPTIONS}}}'),
]

UNTOUCHED = [
    "{}",
    '{"stream":false}',
    '{"stream":null}',
    '{"stream":false,"stream_options":{"include_usage":false}}',
    '{"stream":true,"stream_options":{"include_usage":true}}',
    '{ "stream_options" : { "a" : 1, "include_usage" : true } , "stream" : true }',
    '{"stream":true,"stream":false}',
    '{"a":{"stream":true},"b":[{"stream":true}]}',
    '{"a":"stream","b":"\\"stream\\":true"}',
    # Left open: what a server refuses goes on as it came, for the server to refuse.
    '{"stream":1}',
    '{"stream":"true"}',
    '{"stream":true,"stream_options":[]}',
    '{"stream":true,"stream_options":"x"}',
    '[{"stream":true}]',
    "[]",
    "null",
    '"stream"',
    "",
    "x",
    '{"stream":true',
    '{"stream":true}}',
    '{"stream":true,}',
    '{"stream":true,"a":"\x01"}',
]


@pytest.mark.parametrize(("asked", "asks"), INJECTED)
def test_usage_is_asked_for_where_it_was_not(asked: str, asks: str) -> None:
    assert include_usage_in_request(asked) == (asks, True)
    assert include_usage_in_request(asked.encode()) == (asks.encode(), True)
    assert json.loads(asks)["stream_options"]["include_usage"] is True
    assert include_usage_in_request(asks) == (asks, False)


@pytest.mark.parametrize("asked", UNTOUCHED)
def test_any_other_request_stays_as_it_is(asked: str) -> None:
    assert include_usage_in_request(asked) == (asked, False)
    assert include_usage_in_request(asked.encode()) == (asked.encode(), False)


def test_a_dict_is_read_alike_and_left_alone() -> None:
    options = {"include_usage": False, "a": [1]}
    asked = {"stream": True, "stream_options": options, "messages": []}
    asks, injected = include_usage_in_request(asked)
    assert injected
    assert asks == asked | {"stream_options": options | {"include_usage": True}}
    assert (asked["stream_options"], options) == (options, {"include_usage": False, "a": [1]})
    assert include_usage_in_request(asks) == (asks, False)
    for text in (*UNTOUCHED[:13], *(asked for asked, _ in INJECTED)):
        asked = json.loads(text)
        assert include_usage_in_request(asked)[0] == json.loads(include_usage_in_request(text)[0])
        assert include_usage_in_request(asked)[1] == include_usage_in_request(text)[1]
        assert repr(asked) == repr(json.loads(text))


SPACES = st.sampled_from(["", "", " ", "\n", "\t "])
MEMBERS = st.tuples(
    st.sampled_from(["model", "n", "stream", "stream_options", "messages"]),
    st.sampled_from(["true", "false", "null", "{}", '{ "include_usage" :false }', '{"a":[1 , 2]}', '["é"]', r'"}\""']),
)


@given(st.lists(MEMBERS, max_size=5), SPACES, SPACES)
def test_beside_the_options_every_byte_is_the_same(pairs: list[tuple[str, str]], before: str, behind: str) -> None:
    pairs = [("stream", "true"), *((name, value) for name, value in pairs if name != "stream")]
    written = [f'{before}"{name}"{before}:{behind}{value}{behind}' for name, value in pairs]
    body = f"{before}{{{','.join(written)}}}{behind}"
    asks, injected = include_usage_in_request(body)
    options = json.loads(body).get("stream_options")
    read = members(body)
    assert read is not None
    if not isinstance(options, dict | None):
        assert (asks, injected) == (body, False)
        return
    assert injected
    assert json.loads(asks) == json.loads(body) | {"stream_options": (options or {}) | {"include_usage": True}}
    # One place is different: the value of the last options, or else what is behind the last member.
    places = [(member.value_start, member.end) for member in read if member.name == "stream_options"]
    start, end = places[-1] if places else (read[-1].end, body.rindex("}"))
    assert asks.startswith(body[:start])
    assert asks.endswith(body[end:])


def test_of_duplicates_the_last_one_counts_where_it_is_null() -> None:
    asked = '{"stream":true,"stream_options":{"a":1},"stream_options":null}'
    assert include_usage_in_request(asked) == (asked.replace("null", '{"include_usage":true}'), True)


def test_a_body_of_bad_utf8_is_spliced_all_the_same() -> None:
    asked = b'{"a":"\xff\xed\xa0\x80","stream":true}'
    assert include_usage_in_request(asked) == (asked[:-1] + b"," + OPTIONS.encode() + b"}", True)


@pytest.mark.parametrize("text", ["", "ping", "a\nb", "a\r\nb\rc", "data: x", ":", "\n\n", "é"])
def test_a_comment_is_no_event(text: str) -> None:
    written = encode_comment(text)
    assert written.endswith(b"\n\n")
    assert all(line.startswith(b":") for line in written[:-2].splitlines())
    assert EventParser().feed(written + encode_event("x")) == EventParser().feed(encode_event("x"))
    assert [line[1:].removeprefix(b" ").decode() for line in written[:-2].split(b"\n")] == text.replace(
        "\r\n", "\n"
    ).replace("\r", "\n").split("\n")


def test_a_comment_says_what_it_is_given() -> None:
    assert encode_comment("keep-alive") == b": keep-alive\n\n"


ERRORS: dict[str, tuple[Any, Any]] = {
    "a text": ("upstream is gone", "upstream is gone"),
    "two lines": ("a\nb", "a\nb"),
    "an exception": (ValueError("no"), "no"),
    "a body": ({"message": "slow", "code": 429, "param": "x"}, "slow"),
    "an error of upstream": (UpstreamError({"message": "quota", "code": "q"}), "quota"),
    "an error of upstream, text": (UpstreamError("quota"), "quota"),
    "an exception without a text": (TimeoutError(), "TimeoutError"),
    "bytes": (b"slow \xff", "slow \N{REPLACEMENT CHARACTER}"),
    "the whole body": ({"error": {"message": "quota"}}, "quota"),
}
FAMILIES = ["chat", "completions", "responses", "messages"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_one_event_in_the_form_of_its_family(name: str, family: Any) -> None:
    error, message = ERRORS[name]
    written = encode_error(error, family=family)
    (event,) = EventParser().feed(written)
    assert b"[DONE]" not in written
    payload = json.loads(event.data)
    if family == "responses":
        # Source: OpenAI API reference, streaming events of Responses, `error`.
        assert (event.event, payload["type"], payload["message"]) == ("error", "error", message)
        assert {"code", "param"} <= payload.keys()
    elif family == "messages":
        # Source: Anthropic API reference, streaming Messages, "Error events".
        assert (event.event, payload["type"], payload["error"]["message"]) == ("error", "error", message)
        assert isinstance(payload["error"]["type"], str)
    else:
        assert (event.event, payload["error"]["message"]) == ("message", message)


@pytest.mark.parametrize("name", ERRORS)
def test_our_readers_raise_what_was_encoded(name: str) -> None:
    error, message = ERRORS[name]
    for family in ("chat", "completions"):
        decoder = ChunkDecoder()
        decoder.feed(encode_error(error, family=family) + encode_event("[DONE]"))
        with pytest.raises(UpstreamError) as raised:
            decoder.finish()
        assert raised.value.message == message
    if name == "a body":
        assert raised.value.body.items() >= error.items()
    assert encode_error(error) == encode_error(error, family="chat")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ERRORS)
def test_taps_tell_what_was_encoded(backend, name: str, family: Any) -> None:
    error, message = ERRORS[name]
    for asked in (family, "auto"):
        tap = backend.Tap(family=asked)
        tap.feed(encode_error(error, family=family))
        report = tap.close()
        assert report.status == "errored"
        assert report.error["message"] == message
    if name == "a body" and family != "messages":
        assert report.error["code"] == 429


def test_an_error_of_an_error_of_upstream_is_its_body() -> None:
    body = {"message": "quota", "type": "q", "code": None, "param": None, "more": [1]}
    assert json.loads(encode_error(UpstreamError(body))[6:]) == {"error": body}
    assert encode_error(UpstreamError(body)) == encode_error(body)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        encode_error({"message": object()})


def test_a_request_as_msgspec_writes_it_is_taken() -> None:
    asked = msgspec.json.encode({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]})
    asks, injected = deltawire.include_usage_in_request(asked)
    assert injected
    assert msgspec.json.decode(asks) == msgspec.json.decode(asked) | {"stream_options": {"include_usage": True}}
