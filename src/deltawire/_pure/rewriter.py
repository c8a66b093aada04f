"""Changing a stream on its way, in plain Python: whole blocks, and not a byte more than was asked for."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, final

from ..closing import encode_end
from ..errors import LimitExceededError
from ..families import family_of, is_end, object_of
from ..limits import DEFAULT_LIMITS, Limits, checked_limits
from ..report import Family
from ..splicing import Lines, RawEvent, edits_of, encoded_model, joined
from .events import BOM, Exclusive, contiguous
from .tap import Tap

if TYPE_CHECKING:
    from typing_extensions import Buffer


class BlockReader:
    """Cuts a stream into the blocks that its blank lines end; every byte is in one of them.

    A BOM is a block of its own, and so is an LF whose CR has ended the read before.
    """

    def __init__(self, limits: Limits) -> None:
        self._max_event = limits.max_event or sys.maxsize
        self.rest = bytearray()  # of the block under way
        self._line = 0  # bytes of the line in progress
        self._at_start = True
        self._after_cr = False  # an LF that comes next belongs to that CR

    def read(self, data: bytes) -> Iterator[bytes]:
        """Yield the blocks that `data` completes.

        Raises:
            LimitExceededError: a block is larger than `Limits.max_event`, each byte counted.
        """
        if self._at_start:
            data = bytes(self.rest) + data
            self.rest.clear()
            if len(data) < len(BOM) and BOM.startswith(data):
                self.rest += data
                return
            self._at_start = False
            if data.startswith(BOM):
                yield BOM
                data = data.removeprefix(BOM)
        if not data:
            return
        if self._after_cr and data.startswith(b"\n"):
            if self.rest:
                self.rest += b"\n"
            else:
                yield b"\n"
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        for line in data.splitlines(keepends=True):
            content = len(line.rstrip(b"\r\n"))
            self._line += content
            if content == len(line) or self._line:
                self.rest += line
                if content < len(line):
                    self._line = 0
            else:
                self._check()
                block = bytes(self.rest) + line
                self.rest.clear()
                yield block
        self._check()

    def _check(self) -> None:
        size = len(self.rest)
        if size > self._max_event:
            self.rest.clear()
            raise LimitExceededError(
                f"event of {size} bytes, at most {self._max_event} allowed", measured=size, allowed=self._max_event
            )


@final
class Rewriter(Exclusive):
    """Rewrites a stream on its way to a client, event by event.

    Sans-I/O: a read goes in, and what may go on comes out: whole events, those that are
    not changed as the very bytes that came, comments, ids and unknown fields included.

    Args:
        model: what clients are to see as `model`: each top-level one that is a string,
            and not empty, is replaced, and not a byte beside it.
        usage: "drop" takes from streams of chat completions what a client did not ask
            for: a chunk that brings only usage, with its whole block, and the member
            `usage` of others. Errors and content stay. "keep" leaves it.
        each: called with each event that has data, after `model` and `usage`; what it
            returns goes on: the event, other bytes, several of both, or None for nothing.
        tap: a `Tap` that is to see what comes in. Who made it closes it.
        limits: `max_event` bounds an event that is not complete yet, and what waits
            behind an exception of `each`.

    Raises:
        ValueError: `model` is empty, or `usage` neither "keep" nor "drop".
        TypeError: `model` is no str.

    Source: OpenAI API reference, "The chat completion chunk object".
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        usage: Literal["keep", "drop"] = "keep",
        each: Callable[[RawEvent], RawEvent | bytes | Iterable[RawEvent | bytes] | None] | None = None,
        tap: Tap | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if usage not in ("keep", "drop"):
            raise ValueError(f"usage {usage!r}, 'keep' or 'drop' expected")
        seen_model = encoded_model(model)
        checked_limits(limits)
        self._check_idle("__init__")
        self._model = seen_model
        self._drops_usage = usage == "drop"
        self._each = each
        self._tap = tap
        self._limits = limits
        self.reset()

    def reset(self) -> None:
        """Forget the stream, as if newly made; the tap is left alone.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        self._check_idle("reset")
        self._reader = BlockReader(self._limits)
        self._blocks: deque[bytes] = deque()  # to be rewritten; empty between calls but behind an exception
        self._waiting = 0  # bytes of them
        self._ready = bytearray()  # rewritten; the same
        self._overflow: LimitExceededError | None = None
        self._family: Family | None = None
        self._done = False
        self._owes_lf = True  # an LF that comes alone goes on

    def feed(self, data: Buffer) -> bytes:
        """Take a read in, and return what goes on of the events that it completes.

        `data` may end anywhere; the unfinished event is held. After an exception of
        `each` that event is left out; what came before it, and the rest of the read,
        come with the next call.

        Raises:
            LimitExceededError: see `limits`; every call but `finish(error)` raises it until `reset()`.
            TypeError, BufferError: `data` is not bytes-like, or not contiguous; or
                `each` returned something else than it may.
            Exception: what `each` raised.
            ConcurrentFeedError: another call is under way.
        """
        self._enter("feed")
        try:
            read = contiguous(data)
            if self._tap is not None:
                self._tap.feed(read)
            self._take(read)
            return self._drained()
        finally:
            self._busy = False

    def finish(self, error: Any = None) -> bytes:
        """End the stream, and return what is held of it, as it came; a later `feed` begins a new one.

        With an `error` (an exception, a message, or the error's body) return what had
        been rewritten when `feed` raised, no unfinished event, and then an event that
        tells of the error in the form of the stream's family, with `[DONE]` where the
        family has that; nothing of these where the stream is over already.

        Raises:
            LimitExceededError: as `feed` does, where no error is given.
            Exception: the same.
            ConcurrentFeedError: another call is under way.
        """
        self._enter("finish")
        try:
            if error is None:
                rest = self._drained() + self._reader.rest
            else:
                family = self._family
                if family is None and self._tap is not None:
                    family = self._tap.report.family
                rest = bytes(self._ready) + (b"" if self._done else encode_end(error, family))
        finally:
            self._busy = False
        self.reset()
        return rest

    def _take(self, read: bytes) -> None:
        """Queue the blocks that a read completes."""
        if self._overflow is not None:
            return
        waiting = self._waiting + len(read) if self._blocks else 0
        try:
            if 0 < self._limits.max_event < waiting:
                allowed = self._limits.max_event
                raise LimitExceededError(
                    f"{waiting} bytes waiting behind an exception, at most {allowed} allowed",
                    measured=waiting,
                    allowed=allowed,
                )
            for block in self._reader.read(read):
                self._blocks.append(block)
                self._waiting += len(block)
        except LimitExceededError as error:
            self._overflow = error

    def _drained(self) -> bytes:
        """Rewrite the blocks queued, and return what goes on."""
        while self._blocks:
            block = self._blocks.popleft()
            self._waiting -= len(block)
            if block == b"\n" and not self._owes_lf:
                block = b""
            rewritten = self._rewritten(block)
            # An LF alone follows a CR that went on, or no CR at all.
            self._owes_lf = not block.endswith(b"\r") or rewritten.endswith(b"\r")
            self._ready += rewritten
        if self._overflow is not None:
            raise self._overflow.with_traceback(None)
        ready = bytes(self._ready)
        self._ready.clear()
        return ready

    def _rewritten(self, block: bytes) -> bytes:
        """Return what goes on of one block."""
        lines = Lines(block)
        if lines.data is None:
            return block
        payload = object_of(lines.data)
        if self._family is None and payload is not None:
            self._family = family_of(payload)
        self._done = self._done or is_end(lines.data, payload, self._family)
        if payload is not None and (self._model is not None or self._drops_usage):
            edits = edits_of(lines.data, payload, self._model, self._drops_usage, is_error=lines.is_error)
            if edits is None:
                return b""
            if edits:
                block = lines.edited(edits)
                lines = Lines(block)
        return block if self._each is None else joined(self._each(lines.event()))
