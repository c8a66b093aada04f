"""Read an event stream across broken connections: `python examples/reconnect.py [URL]`.

Without a URL it reads from a server in this process, which hangs up in the middle of
every third event. It needs httpx.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

import deltawire
from deltawire.integrations.httpx_sse import ServerSentEvent, connect_sse


def read(client: httpx.Client, url: str) -> Iterator[ServerSentEvent]:
    """Yield the events of `url` until the server has no more: none twice, none left out."""
    last_event_id, delay = "", 1.0
    while True:
        headers = {"Last-Event-ID": last_event_id.encode()} if last_event_id else {}
        # Only what a new connection may cure: another status or content type is an error.
        with (
            suppress(httpx.NetworkError, httpx.RemoteProtocolError),
            connect_sse(client, "GET", url, headers=headers) as source,
        ):
            if source.response.status_code == httpx.codes.NO_CONTENT:
                return
            source.response.raise_for_status()
            try:
                yield from source.iter_sse()
            finally:  # the event source knows these from blocks without data too
                last_event_id = source.last_event_id
                if source.reconnection_time is not None:
                    delay = source.reconnection_time / 1000
        print(f"(connecting again in {delay} s)")
        time.sleep(delay)


class Unreliable(BaseHTTPRequestHandler):
    words = ("Nothing", "is", "lost", "on", "the", "way.")

    def do_GET(self) -> None:
        first = int(self.headers.get("Last-Event-ID", "-1")) + 1
        if first == len(self.words):
            self.send_response(204)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", "1000000")  # more than ever comes
        self.end_headers()
        self.wfile.write(b"retry: 50\n\n")
        for number in (first, first + 1):
            self.wfile.write(deltawire.encode_event(self.words[number], id=str(number)))
        self.wfile.write(b"data: cut o")

    def log_message(self, *_: object) -> None:
        """Leave standard error to errors."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Unreliable)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = sys.argv[1] if len(sys.argv) > 1 else f"http://127.0.0.1:{server.server_port}"
    try:
        with httpx.Client(timeout=httpx.Timeout(10, read=None)) as client:
            for event in read(client, url):
                print(event.data)
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
