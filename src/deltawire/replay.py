"""The replay server and the sample streams: one source for demo, tests, examples and benchmarks.

The samples are written for this project, in the shape that OpenAI's chat completions
have on the wire. They are deterministic: same name, same parameters, same bytes.
"""

import contextlib
import json
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

# --- sample streams -------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """A stream with what a right reader makes of it.

    Attributes:
        body: the bytes of the event stream.
        payloads: the JSON payloads in order, `[DONE]` apart.
        text: the content of choice 0, as `json.loads` reads it.
    """

    body: bytes
    payloads: list[bytes]
    text: str

    def reads(self, size: int) -> list[bytes]:
        """Return the body as reads of `size` bytes."""
        return [self.body[start : start + size] for start in range(0, len(self.body), size)]

    def events(self) -> list[bytes]:
        """Return the body as one read for each event."""
        return split_events(self.body)


def split_events(body: bytes) -> list[bytes]:
    """Cut `body` behind every blank line; joined, the pieces are `body` again."""
    ends = [blank.end() for blank in re.finditer(rb"(?:\r\n|\n|\r(?!\n)){2}", body)]
    return [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True) if start < end]


def _sample(payloads: Iterable[bytes], *, done: bool = True) -> Sample:
    payloads = list(payloads)
    body = b"".join(b"data: %b\n\n" % payload for payload in payloads) + (b"data: [DONE]\n\n" if done else b"")
    choices = [choice for payload in payloads for choice in json.loads(payload)["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices if choice["index"] == 0)
    return Sample(body, payloads, text)


# All four members in each chunk, null where they say nothing, as many servers send it.
_NOTHING: dict[str, Any] = {"role": None, "content": None, "refusal": None, "tool_calls": None}


def _encode(chunk: dict[str, Any], ascii_only: bool = False) -> bytes:
    return json.dumps(chunk, separators=(",", ":"), ensure_ascii=ascii_only).encode()


def _head() -> dict[str, Any]:
    return {
        "id": "chatcmpl-D3ltaW1reR3playS4mpl3000",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "deltawire-mini",
        "service_tier": "default",
        "system_fingerprint": "fp_0d31a7a71e",
    }


def _chunk(
    delta: dict[str, Any],
    *,
    index: int = 0,
    finish: str | None = None,
    logprobs: Any = None,
    ascii_only: bool = False,
    **members: Any,
) -> bytes:
    """Return the payload of one choice's delta; further `members` go to the chunk."""
    choice = {"index": index, "delta": _NOTHING | delta, "logprobs": logprobs, "finish_reason": finish}
    return _encode(_head() | {"choices": [choice], "usage": None} | members, ascii_only)


def _usage(prompt: int, completion: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _first(index: int = 0, **members: Any) -> bytes:
    return _chunk({"role": "assistant", "content": ""}, index=index, **members)


def _last(completion: int, finish: str = "stop", prompt: int = 24, **members: Any) -> list[bytes]:
    """Return the two payloads that end a stream: the finish reason, then the usage."""
    usage = _head() | {"choices": [], "usage": _usage(prompt, completion)} | members
    return [_chunk({}, finish=finish, **members), _encode(usage)]


_WORDS = "a river of small words runs down the wire each one read in place and handed on before next arrives"
_ODD = ["\n", ' "so"', " café", " 水", " 🚀", "\t", " naïve", "\\"]


def _pieces(count: int, seed: int) -> Iterator[str]:
    """Yield `count` pieces of text; every eighth needs an escape or more than ASCII."""
    chance = random.Random(seed)
    words = _WORDS.split()
    for number in range(count):
        yield chance.choice(_ODD) if number % 8 == 7 else " " + chance.choice(words)


def _between(chunks: int, ends: int = 3) -> int:
    """Return how many of `chunks` chunks are left beside the first and the last ones, `ends` in all."""
    if chunks < ends:
        raise ValueError(f"{chunks} chunks, at least {ends} expected")
    return chunks - ends


def text(chunks: int = 256, seed: int = 0) -> Sample:
    """`chunks` chunks of about 330 bytes, one in eight with an escape or non-ASCII text."""
    pieces = enumerate(_pieces(_between(chunks), seed))
    middle = [_chunk({"content": piece}, ascii_only=number % 16 > 7) for number, piece in pieces]
    return _sample([_first(), *middle, *_last(len(middle))])


def escapes(chunks: int = 256, seed: int = 0) -> Sample:
    """Text in which every chunk has escapes: quotes, backslashes, controls, surrogate pairs."""
    chance = random.Random(seed)
    alphabet = ['"', "\\", "\n", "\r", "\t", "\b", "\f", "/", "\x00", "\x1f", "\x7f", "é", "\u2028", "水", "🚀", "x"]
    middle = [
        _chunk({"content": "".join(chance.choices(alphabet, k=6))}, ascii_only=chance.random() < 0.5)
        for _ in range(_between(chunks))
    ]
    return _sample([_first(), *middle, *_last(len(middle))])


def _tool_call(index: int, call_id: str, name: str, arguments: Iterable[str]) -> Iterator[bytes]:
    """Yield the chunks of one tool call: its head, then its arguments in fragments."""
    function = {"name": name, "arguments": ""}
    yield _chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
    for fragment in arguments:
        yield _chunk({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]})


def tools(chunks: int = 256, seed: int = 0) -> Sample:
    """Three tool calls, one after the other, their arguments in small fragments."""
    words = _between(chunks, 12)  # each call has three chunks beside its words
    payloads = [_first()]
    for index in range(3):
        count = words * (index + 1) // 3 - words * index // 3
        middle = [json.dumps(piece)[1:-1] for piece in _pieces(count, seed + index)]
        payloads += _tool_call(index, f"call_{seed}{index}", "search_notes", ['{"query":"', *middle, '"}'])
    return _sample([*payloads, *_last(chunks, "tool_calls")])


def reasoning(chunks: int = 256, seed: int = 0) -> Sample:
    """Reasoning text first (`reasoning_content`), then the answer."""
    pieces = list(_pieces(_between(chunks), seed))
    turn = len(pieces) // 2
    thought = [_chunk({"reasoning_content": piece}) for piece in pieces[:turn]]
    answer = [_chunk({"content": piece, "reasoning_content": None}) for piece in pieces[turn:]]
    return _sample([_first(), *thought, *answer, *_last(len(pieces))])


def logprobs(chunks: int = 256, seed: int = 0) -> Sample:
    """Text with the log probability of each token and of three candidates."""
    chance = random.Random(seed)

    def candidate(token: str) -> dict[str, Any]:
        return {"token": token, "logprob": -round(chance.expovariate(1), 8), "bytes": list(token.encode())}

    def token(piece: str) -> dict[str, Any]:
        others = [candidate(chance.choice(_ODD)) for _ in range(2)]
        return candidate(piece) | {"top_logprobs": [candidate(piece), *others]}

    middle = [
        _chunk({"content": piece}, logprobs={"content": [token(piece)], "refusal": None})
        for piece in _pieces(_between(chunks), seed)
    ]
    return _sample([_first(), *middle, *_last(len(middle))])


def n4(chunks: int = 256, seed: int = 0) -> Sample:
    """Four choices, their chunks interleaved by chance."""
    chance = random.Random(seed)
    middle = [_chunk({"content": piece}, index=chance.randrange(4)) for piece in _pieces(_between(chunks, 9), seed)]
    finished = [_chunk({}, index=index, finish=("stop", "length")[index % 2]) for index in range(1, 4)]
    return _sample([*map(_first, range(4)), *middle, *finished, *_last(len(middle))])


def vllm(chunks: int = 256, seed: int = 0) -> Sample:
    """Text with the running usage on each chunk, as vLLM's `continuous_usage_stats` gives it."""
    pieces = enumerate(_pieces(_between(chunks), seed), 1)
    middle = [_chunk({"content": piece}, usage=_usage(24, number)) for number, piece in pieces]
    finish = _chunk({}, finish="stop", usage=_usage(24, len(middle)))
    return _sample([_first(usage=_usage(24, 0)), *middle, finish, _last(len(middle))[1]])


def obfuscation(chunks: int = 256, seed: int = 0) -> Sample:
    """Text with OpenAI's `obfuscation` member: padding of a length that varies."""
    chance = random.Random(seed)

    def padding() -> str:
        return "".join(
            chance.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=chance.randint(1, 16))
        )

    middle = [_chunk({"content": piece}, obfuscation=padding()) for piece in _pieces(_between(chunks), seed)]
    return _sample([_first(obfuscation=padding()), *middle, *_last(len(middle), obfuscation=padding())])


def big(mebibytes: int = 1, seed: int = 0) -> Sample:
    """One event whose content alone is `mebibytes` MiB, between a first and a last chunk."""
    line = "".join(_pieces(64, seed)).encode("ascii", "ignore").decode() + "\n"
    size = mebibytes << 20
    return _sample([_first(), _chunk({"content": (line * (size // len(line) + 1))[:size]}), *_last(size >> 2)])


# The pieces in which the demo's text comes.
_DEMO = (
    "Bonjour! This| completion| travels| over| real| HTTP|,| one| event| at| a| time|.\n|It| brings| an| été| in|"
    " Genève|,| tea|:| 静|かな|お茶|,| and| a| small| rocket|:| 🚀|🌍|\nEach| chunk| arrived| as| ~330| bytes| of|"
    ' JSON|,| "|escapes|"| and| all|,| and| became| a| typed| object|.|\nNow| let| me| look| up| the| weather|:'
)


def demo() -> Sample:
    """A short completion for the eye: accents, CJK, emoji, escapes, a tool call, usage."""
    # Some as \u escapes, some as UTF-8: both spellings are on the wire.
    middle = [_chunk({"content": piece}, ascii_only=piece in (" été", " 🚀")) for piece in _DEMO.split("|")]
    fragments = ['{"', "city", '":"', "Gen", "ève", '","', "days", '":', "3", "}"]
    call = list(_tool_call(0, "call_d3m0", "get_weather", fragments))
    return _sample([_first(), *middle, *call, *_last(len(middle) + len(call), "tool_calls")])


SAMPLES: dict[str, Callable[..., Sample]] = {
    maker.__name__: maker for maker in (demo, text, escapes, tools, reasoning, logprobs, n4, vllm, obfuscation, big)
}


def sample(name: str, **parameters: int) -> Sample:
    """Return the sample stream `name`, e.g. `sample("text", chunks=1024)`.

    Raises:
        KeyError: there is none of that name; `SAMPLES` has them all.
    """
    return SAMPLES[name](**parameters)


# --- the server -----------------------------------------------------------------------


class ReplayServer:
    """Serve one stream at `POST /v1/chat/completions`, on loopback unless told otherwise, as OpenAI's API does.

    Every request that asks for a stream gets the same bytes, whatever its prompt, over
    HTTP/1.1 with chunked encoding.

    Args:
        stream: a sample, its name, or the bytes of any event stream.
        delay: seconds to wait before each write but the first.
        events_per_write: how many events one HTTP chunk, and one write, holds.
        address: where it listens; port 0 is any.

    Attributes:
        url: the server's root.
        base_url: what a client of openai's takes: the root with `/v1`.
        requests: the JSON bodies that came, in order.
    """

    def __init__(
        self,
        stream: Sample | str | bytes = "demo",
        *,
        delay: float = 0.0,
        events_per_write: int = 1,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        if isinstance(stream, str):
            stream = sample(stream)
        events = split_events(stream if isinstance(stream, bytes) else stream.body)
        starts = range(0, len(events), events_per_write)
        self.writes = [b"".join(events[start : start + events_per_write]) for start in starts]
        self.delay = delay
        self.closing = threading.Event()
        self.requests: list[dict[str, Any]] = []
        self._http = _Server(address, _handler_of(self))
        self.url = f"http://{address[0]}:{self._http.server_port}"
        self.base_url = f"{self.url}/v1"
        # The poll interval bounds how long `close` waits.
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024  # five, as it would be, are few for who opens many streams at once


def _handler_of(replay: ReplayServer) -> type[BaseHTTPRequestHandler]:
    return type("ReplayHandler", (_Handler,), {"replay": replay})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    replay: ReplayServer

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client may leave at any time
            super().handle()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(int(length)) if length.isdecimal() else b""
        path = self.path.partition("?")[0]
        try:
            request = json.loads(body)
        except ValueError:
            request = None
        if path != "/v1/chat/completions":
            self._refuse(404, f"Invalid URL ({self.command} {path})")
        elif self.command != "POST":
            self._refuse(405, f"Not allowed to {self.command} on {path}.", "method_not_supported")
        elif not isinstance(request, dict):
            self._refuse(400, "We could not parse the JSON body of your request.")
        elif request.get("stream") is not True:
            self._refuse(400, "This server only replays streams: 'stream' must be true.", param="stream")
        else:
            self.replay.requests.append(request)
            self._stream()

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, data in enumerate(self.replay.writes):
            if number and self.replay.delay and self.replay.closing.wait(self.replay.delay):
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        body = json.dumps({"error": error}, indent=2).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        # The rest of a request that was not read whole must not be taken for the next one.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: standard error belongs to the program that runs the server."""
