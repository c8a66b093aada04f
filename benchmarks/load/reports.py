"""What a relay says of the streams that it has seen: none may be lost."""

import json
import re
import time
import urllib.request
from collections import Counter

# Relays that count their reports by status: where, and what a metric of it looks like.
_REPORTING = {"raw+tap": "/reports", "relay": "/reports", "proxy": "/metrics"}
_METRIC = re.compile(r'^deltawire_streams_total\{[^}]*ending="(\w+)"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)
SECONDS = 5.0  # a report follows the last byte


def reports_of(name: str | None, port: int, streams: int) -> dict[str, int] | None:
    """Return how often the relay `name` has reported which ending, once it has `streams` that are done."""
    if name not in _REPORTING:
        return None
    until = time.monotonic() + SECONDS
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{_REPORTING[name]}", timeout=SECONDS) as answer:
            text = answer.read().decode()
        counts = counted(text)
        if counts.get("done", 0) >= streams or time.monotonic() > until:
            return counts
        time.sleep(0.05)


def counted(text: str) -> dict[str, int]:
    """Return the counts by status, of a JSON object or of Prometheus' text."""
    if text.startswith("{"):
        return dict(json.loads(text))
    counts: Counter[str] = Counter()
    for status, value in _METRIC.findall(text):
        counts[status] += int(float(value))
    return dict(counts)
