"""The stream that goes through the relays, and what tells whether it came through whole.

Each event has room for the instant at which upstream sent it, in a member that every relay
hands on. The stamp has a fixed width: but for it, the bytes are known in advance.
"""

import json
import resource
from time import monotonic_ns

from deltawire.replay import sample

STAMP = 16  # decimal digits of monotonic ns: 115 days
BLANK = b"0" * STAMP  # of an event that does not tell
_MARK = b'"system_fingerprint":"'
_FINGERPRINT = b"fp_0d31a7a71e"

Event = tuple[bytes, bytes]  # what stands before the stamp, and behind it; [DONE] has all before, and no stamp


def allow_open_files() -> None:
    """Raise the limit of open files as far as may be: a relay has two sockets for each stream."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def events(count: int, *, done: bool) -> list[Event]:
    """Return a sample of `count` events, [DONE] apart."""
    halves = [
        event.split(_MARK + _FINGERPRINT + b'"')
        for event in sample("text", chunks=count).events()
        if b"[DONE]" not in event
    ]
    stamped = [(before + _MARK, b'"' + behind) for before, behind in halves]
    return [*stamped, (b"data: [DONE]\n\n", b"")] if done else stamped


def text_of(payload: bytes) -> tuple[str | None, str | None, bytes]:
    """Return the content, the finish reason and the stamp of a payload."""
    chunk = json.loads(payload)
    choice = chunk["choices"][0] if chunk["choices"] else {"delta": {}, "finish_reason": None}
    return choice["delta"].get("content"), choice["finish_reason"], chunk["system_fingerprint"].encode()


class WrongBytes(Exception):
    """What came is not what upstream sent."""


class Exact:
    """Takes a stream that must be upstream's to the byte.

    Args:
        stream: the events; where `endless`, over and over again.
        latencies: takes the ns from upstream's write to the read, for each event that tells.
    """

    def __init__(self, stream: list[Event], latencies: list[int], *, endless: bool = False) -> None:
        self.seen = 0
        self._stream = stream
        self._latencies = latencies
        self._endless = endless
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        now = monotonic_ns()
        held, stream, seen, at = self._held, self._stream, self.seen, 0
        held += data
        while True:
            if seen == len(stream) and not self._endless:
                if at < len(held):
                    raise WrongBytes(f"{held[at : at + 60]!r} behind the end")
                break
            before, behind = stream[seen % len(stream)]
            stamp_at = at + len(before)
            end = stamp_at + STAMP + len(behind) if behind else stamp_at
            if end > len(held):
                break
            if not held.startswith(before, at) or not (held.startswith(behind, end - len(behind))):
                raise WrongBytes(f"event {seen}: {bytes(held[at:end])!r}")
            if behind and (sent := held[stamp_at : stamp_at + STAMP]) != BLANK:
                self._latencies.append(now - int(sent))
            at = end
            seen += 1
        del held[:at]
        self.seen = seen

    @property
    def whole(self) -> bool:
        return self.seen == len(self._stream) and not self._held


class SameText:
    """Takes a stream that a relay wrote anew: each event must have upstream's content, in its place.

    The arguments are those of `Exact`.
    """

    def __init__(self, stream: list[Event], latencies: list[int], *, endless: bool = False) -> None:
        self.seen = 0
        self._stream = [text_of((b + BLANK + e).removeprefix(b"data:"))[:2] if e else None for b, e in stream]
        self._latencies = latencies
        self._endless = endless
        self._held = b""

    def feed(self, data: bytes) -> None:
        now = monotonic_ns()
        held = self._held + data
        *blocks, self._held = held.split(b"\r\n\r\n" if b"\r\n\r\n" in held else b"\n\n")
        for block in blocks:
            payload = block.removeprefix(b"data:").strip()
            if self.seen == len(self._stream) and not self._endless:
                raise WrongBytes(f"{block!r} behind the end")
            wanted = self._stream[self.seen % len(self._stream)]
            if payload == b"[DONE]":
                right = wanted is None
            else:
                content, finish, sent = text_of(payload)
                right = (content, finish) == wanted
                if sent != BLANK:
                    self._latencies.append(now - int(sent))
            if not right:
                raise WrongBytes(f"event {self.seen}: {block!r}")
            self.seen += 1

    @property
    def whole(self) -> bool:
        return self.seen == len(self._stream) and not self._held
