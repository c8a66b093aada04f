"""What a target reads: a head of choices, and a body, of a stream that was changed here and there."""

from functools import cache
from pathlib import Path

from deltawire.replay import sample
from tests import corpus
from tests.chat_json import COUNTED
from tests.proxy_streams import STREAMS
from tests.stencils.mutation import CHUNKS, Bytes, Chance, one, with_other_values

FOUND = Path("fuzz", "found")  # inputs of findings
HEAD = 24  # bytes, one or two a choice
LONGEST = 4096  # of a body: longer ones cost more than they find
_LONGEST_BY_BYTES = 200
_SIZES = [(1 << 20,), (1 << 20,), (1,), (1, 2, 3), (1, 7, 100), (64, 700), (300,)]  # of reads, in turns

# Line ends, fields, JSON's tokens, and members that something looks at.
TOKENS = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\n\r\n", b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80",
    b"data: ", b"data:", b"data", b"event: error\n", b"event:", b": c\n", b"id: 1\n", b"id: \0\n", b"retry: 5\n",
    b"data: [DONE]\n\n", b"[DONE]", b'error: {"x":1}\n',
    b"null", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b" ", b"0", b"-1", b"1e5", b"1" * 30, b"NaN",
    b"\\ud800", b"\\u00e9", b'"index":1,', b'"finish_reason":"stop",', b'"content":"x",', b'"text":"x",',
    b'"model":"m",', b'"mod\\u0065l":"q",', b'"usage":null,', b'"usage":{"prompt_tokens":1,"completion_tokens":2},',
    b'"error":{"message":"x"},', b'"error":null,', b'"type":"error",', b'"choices":[],',
    b'"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}],',
    b'"stream":true,', b'"stream_options":{"include_usage":false},', b'"stream_options":null,',
]  # fmt: skip


class Input:
    """The bytes of one execution.

    Attributes:
        choose: choices, by the first bytes.
        body: the others.
    """

    def __init__(self, data: bytes) -> None:
        self.choose = Bytes(data[:HEAD])
        self._sizes = one(self.choose, _SIZES)
        self.body = data[HEAD:][: LONGEST if max(self._sizes) > 3 else _LONGEST_BY_BYTES]

    def reads(self) -> list[bytes]:
        """Return the body in reads: one, or several, of sizes that the head tells."""
        turn = self.choose.below(7)
        reads, at = [], 0
        while at < len(self.body):
            size = self._sizes[(turn := turn * 5 + 3) % len(self._sizes)]
            reads.append(self.body[at : at + size])
            at += size
        return reads


@cache
def seeds() -> list[bytes]:
    """Return bodies to begin with: the samples, streams of the tests, and the corpus where it is there."""
    bodies = [sample(name, chunks=12).body for name in COUNTED]
    bodies += STREAMS.values()
    bodies += [corpus.body(entry["file"]) for entry in corpus.streams()]
    return [body[:LONGEST] for body in bodies]


def _changed(chance: Chance, body: bytes) -> bytes:
    """Change one place of a body."""
    at = chance.below(len(body) + 1)
    kind = chance.below(10)
    if kind < 2:
        return body[:at] + body[at + one(chance, [1, 2, 5, 40, 300]) :]
    if kind < 6:
        return body[:at] + one(chance, TOKENS) + body[at:]
    if kind < 7:
        return body[:at] + bytes([chance.below(256)]) + body[at + 1 :]
    if kind < 8:  # a piece of it, or of another one
        other = one(chance, [body, one(chance, seeds())])
        start = chance.below(len(other) + 1)
        return body[:at] + other[start : start + one(chance, [10, 100, 400])] + body[at:]
    if kind < 9:
        return with_other_values(chance, body)
    return body.replace(b"\n", one(chance, [b"\r", b"\r\n", b"\n"]))


def _begun(chance: Chance) -> bytes:
    """Return a piece of a seed, of whole events as a rule, or payloads of one kind, which stencils learn."""
    if chance.below(3) == 0:
        first = with_other_values(chance, one(chance, CHUNKS.payloads))
        payloads = [first, *(with_other_values(chance, first) for _ in range(chance.below(6)))]
        return b"".join(b"data: " + payload + b"\n\n" for payload in payloads)
    body = one(chance, seeds())
    start = body.rfind(b"\n\n", 0, chance.below(len(body)) + 1)
    # Short ones are quick: most of them are.
    return body[(start + 2 if start >= 0 else 0) :][: one(chance, [100, 200, 400, 400, 800, 800, 1500, LONGEST])]


def fresh(chance: Chance) -> bytes:
    """Return an input, by chance."""
    head = bytes(chance.below(256) for _ in range(HEAD))
    body = _begun(chance)
    for _ in range(one(chance, [0, 1, 1, 2, 3, 6])):
        body = _changed(chance, body)
    return head + body[:LONGEST]
