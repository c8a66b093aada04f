"""Where our client does better than openai's: each difference by its name, and what openai's makes of it."""

import json
from typing import Any, NamedTuple

import pytest

import deltawire

from .openai_beside import DONE, WAYS, Read, assert_same, openai, ours, read_bytes


def hi(content: str) -> bytes:
    payload = {"id": "c", "choices": [{"index": 0, "delta": {"content": content}}]}
    return b"data: %b\n\n" % json.dumps(payload).encode()


A, B = hi("a"), hi("b")


def texts(read: Read) -> list[str]:
    return [chunk.choices[0].delta.content for chunk in read.chunks]


class Deviation(NamedTuple):
    """A stream, the texts and the fault of ours, and what is wrong with the SDK's."""

    name: str
    body: bytes
    texts: list[str]
    stock: Any  # texts, or the exception
    fault: str | None = None  # the message of an APIError


INVALID = hi("a?").replace(b"?", b"\xff")
DEVIATIONS = [
    Deviation("a byte order mark is dropped", b"\xef\xbb\xbf" + A + B + DONE, ["a", "b"], ["b"]),
    Deviation("invalid UTF-8 is replaced", INVALID + B + DONE, ["a\ufffd", "b"], UnicodeDecodeError),
    Deviation(
        "half a character is replaced", hi("?").replace(b"?", b"\xe6\xb0") + B, ["\ufffd", "b"], UnicodeDecodeError
    ),
    Deviation("invalid UTF-8 in a comment is nothing", A + b": \xff\n\n" + B + DONE, ["a", "b"], UnicodeDecodeError),
    Deviation("a comment after an id", b"id: 1\n" + A + b": alive\n\n" + B + DONE, ["a", "b"], json.JSONDecodeError),
    Deviation("a blank line after an id", b"id: 1\n" + A + b"\n" + B + DONE, ["a", "b"], json.JSONDecodeError),
    Deviation("an event without data", A + b"event: ping\n\n" + B + DONE, ["a", "b"], json.JSONDecodeError),
    Deviation("an id alone", A + b"id: 1\n\n" + B + DONE, ["a", "b"], json.JSONDecodeError),
    Deviation("a reconnection time alone", b"retry: 5\n\n" + A + B + DONE, ["a", "b"], json.JSONDecodeError),
    Deviation("empty data", A + b"data:\n\n" + B + DONE, ["a", "b"], json.JSONDecodeError),
    Deviation("null is no chunk", A + b"data: null\n\n" + B + DONE, ["a", "b"], AttributeError),
    Deviation("white space before [DONE]", A + b"data:  [DONE]\n\n" + B, ["a"], json.JSONDecodeError),
    Deviation("a last event without its blank line", A + B[:-1], ["a", "b"], ["a"]),
    Deviation("a last event without its line end", A + B[:-2], ["a", "b"], ["a"]),
    Deviation("an event named thread. is a chunk", b"event: thread.run\n" + A + B + DONE, ["a", "b"], TypeError),
    Deviation("an error line", A + b'error: {"code": 500, "message": "full"}\n\n' + B, ["a"], ["a", "b"], "full"),
    Deviation("an error line within", A + b'error: {"error": {"message": "full"}}\n' + B, ["a"], ["a", "b"], "full"),
    Deviation("an error event of text", A + b"event: error\ndata: full\n\n", ["a"], json.JSONDecodeError, ""),
    Deviation(
        "an error event of no error member",
        A + b'event: error\ndata: {"message": "full"}\n\n' + B,
        ["a"],
        TypeError,
        "full",
    ),
]
CASES = pytest.mark.parametrize("deviation", DEVIATIONS, ids=[deviation.name for deviation in DEVIATIONS])


@WAYS
@CASES
def test_ours_reads(deviation: Deviation, asynchronous: bool) -> None:
    read = read_bytes(ours, deviation.body, asynchronous=asynchronous)
    assert texts(read) == deviation.texts
    if deviation.fault is None:
        assert read.fault is None
    else:
        assert type(read.fault) is openai.APIError
        assert deviation.fault in read.fault.message
        assert read.fault.request.url.path.endswith("/chat/completions")


@WAYS
@CASES
def test_ours_reads_it_at_every_cut_near_it(deviation: Deviation, asynchronous: bool) -> None:
    body = deviation.body
    step = max(1, len(body) // 40)
    whole = read_bytes(ours, body)
    for cut in range(1, len(body), step):
        assert_same(read_bytes(ours, body[:cut], body[cut:], asynchronous=asynchronous), whole)


@CASES
def test_openai_misreads(deviation: Deviation) -> None:
    read = read_bytes(openai, deviation.body)
    if isinstance(deviation.stock, list):
        assert texts(read) == deviation.stock and read.fault is None
    elif read.fault is None:  # it gives something that is no chunk
        with pytest.raises(deviation.stock):
            texts(read)
    else:
        assert type(read.fault) is deviation.stock


def test_a_chunk_with_invalid_utf8_is_like_one_with_the_replacement_character() -> None:
    mine = read_bytes(ours, INVALID + DONE)
    assert_same(mine, read_bytes(openai, hi("a\ufffd") + DONE))


@WAYS
def test_what_follows_the_end_is_not_read(asynchronous: bool) -> None:
    body = A + b"data: [DONE] \n\n" + B + b"data: {\n\n"
    assert_same(read_bytes(ours, body, asynchronous=asynchronous), read_bytes(openai, A + DONE))


@pytest.mark.parametrize("stream", [b": ", b"data: "], ids=["a comment", "data"])
def test_an_event_of_more_than_32_mebibytes_is_refused(stream: bytes) -> None:
    read = read_bytes(ours, A, stream + b"x" * ((32 << 20) + 1), b"\n\n" + DONE)
    assert texts(read) == ["a"]
    assert type(read.fault) is deltawire.LimitExceededError


def test_an_error_line_has_its_member_as_body() -> None:
    inner = {"message": "full", "code": "c", "param": "p", "type": "t"}
    read = read_bytes(ours, A + b"error: %b\n\n" % json.dumps({"error": inner, "detail": "d"}).encode())
    fault = read.fault
    assert isinstance(fault, openai.APIError)
    assert (fault.body, fault.message, fault.code, fault.param, fault.type) == (inner, "full", "c", "p", "t")


@WAYS
def test_a_stream_that_ends_without_done_ends(asynchronous: bool) -> None:
    assert texts(read_bytes(ours, A + B, asynchronous=asynchronous)) == ["a", "b"]
