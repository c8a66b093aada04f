"""Watch the event streams that pass mitmproxy: `mitmdump -s examples/mitmproxy_tap.py`.

They are streamed, not held until their end, and for each one line says what it was. It needs
mitmproxy, with deltawire in the same environment.
"""

import time
from typing import Any

from deltawire import Tap


class Watch:
    """An addon with a tap for each event stream, in its flow's metadata."""

    def requestheaders(self, flow: Any) -> None:
        flow.request.headers["accept-encoding"] = "identity"
        flow.metadata["deltawire.started"] = time.monotonic_ns()

    def responseheaders(self, flow: Any) -> None:
        kind = flow.response.headers.get("content-type", "")
        if flow.response.status_code // 100 != 2 or not kind.lower().startswith("text/event-stream"):
            return
        tap = flow.metadata["deltawire"] = Tap(started_at=flow.metadata["deltawire.started"])

        def stream(data: bytes) -> bytes:
            tap.feed(data)  # each read as it came; b"" at the end
            return data

        flow.response.stream = stream

    def response(self, flow: Any) -> None:
        self.note(flow)

    def error(self, flow: Any) -> None:
        """One of the two sides has left."""
        self.note(flow)

    def note(self, flow: Any) -> None:
        tap = flow.metadata.pop("deltawire", None)
        if tap is None:
            return
        report = tap.close()
        first = "-" if report.time_to_first_token is None else f"{report.time_to_first_token / 1e6:.0f} ms"
        # Chunks are not tokens, so it says which of the two were counted.
        counted = "tokens" if report.output_tokens_source == "usage" else "chunks"
        print(f"{report.model}: {report.status}, {report.output_tokens} {counted}, the first after {first}")


addons = [Watch()]
