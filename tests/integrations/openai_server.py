"""A server on loopback whose answers a test writes, one step after the other."""

import contextlib
import enum
import json
import select
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class End(enum.Enum):
    """What follows the last step."""

    WHOLE = "the end of the body; the connection may be used again"
    CUT = "the connection is closed within the body"
    SILENT = "nothing, until the client leaves"
    ENDLESS = "comments, until the client leaves"


@dataclass(frozen=True)
class Answer:
    """An answer of chunked encoding.

    Attributes:
        steps: bytes are written as one HTTP chunk; a number is a pause in seconds.
        kind: the media type.
    """

    steps: tuple[bytes | float, ...]
    end: End = End.WHOLE
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "text/event-stream"


def answer(*steps: bytes | float, end: End = End.WHOLE, status: int = 200, **headers: str) -> Answer:
    """Return an event stream; `x_request_id="7"` is the header `x-request-id`."""
    return Answer(steps, end, status, {name.replace("_", "-"): value for name, value in headers.items()})


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer((json.dumps(value).encode(),), End.WHOLE, status, named, "application/json")


class Request(NamedTuple):
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: Any


class ScriptedServer:
    """Give `answers` in turn, the last one to every further request.

    Attributes:
        base_url: for an OpenAI client.
        requests: what came, in order.
        connections: how many TCP connections were opened.
        left: set when a client has closed its connection before the answer was whole.
    """

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.left = threading.Event()
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self.answers(*answers)
        handler = type("ScriptedHandler", (_Handler,), {"script": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.base_url = f"{self.url}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def answers(self, *answers: Answer) -> None:
        """Give these from now on."""
        self._answers = list(answers)
        self.left.clear()

    def connected(self) -> None:
        """Count a connection."""
        with self._lock:
            self.connections += 1

    def take(self, request: Request) -> Answer:
        """Note a request and return its answer."""
        with self._lock:
            self.requests.append(request)
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: ScriptedServer

    def setup(self) -> None:
        super().setup()
        self.script.connected()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client may leave between two requests
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._give(self.script.take(Request(self.path, dict(self.headers), json.loads(body or b"null"))))

    do_GET = do_POST

    def _give(self, given: Answer) -> None:
        try:
            self.send_response(given.status)
            for name, value in {"Content-Type": given.kind, "Transfer-Encoding": "chunked", **given.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self._write(given.steps)
            self._end(given.end)
        except ConnectionError:
            self._leave()

    def _write(self, steps: Iterable[bytes | float]) -> None:
        for step in steps:
            if isinstance(step, bytes):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(step), step))
            else:
                self._pause(step)

    def _end(self, end: End) -> None:
        if end is End.WHOLE:
            self.wfile.write(b"0\r\n\r\n")
            return
        self.close_connection = True
        while end is End.ENDLESS and not self.script.closing.is_set():
            self._write([b": and so on\n\n" * 100])
        if end is End.SILENT:
            self._pause(60)

    def _pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            ConnectionError: the client has left.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.script.closing.is_set():
            ready, _, _ = select.select([self.connection], [], [], min(left, 0.02))
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionAbortedError

    def _leave(self) -> None:
        self.close_connection = True
        self.script.left.set()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""
