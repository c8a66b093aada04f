"""Watching a stream in plain Python: what a proxy wants to know, and nothing altered."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import index
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Literal, final

from ..chunks import MOST_OF_REASON, Usage
from ..coerce import NotAChunk, error_body
from ..errors import LimitExceededError
from ..families import WHITE_SPACE, Said, checked, family_of, merged, payload_of, said_by
from ..limits import DEFAULT_LIMITS, Limits, checked_limits
from ..report import Status, StreamReport
from ..sniffing import HEAD, is_begun, is_binary
from .events import EventReader, Exclusive, contiguous
from .folding import Held, Text

if TYPE_CHECKING:
    from typing_extensions import Buffer


def _instant(value: int) -> int:
    """Return an instant in ns, of any type that is an integer; the difference of two has 64 bits."""
    instant = index(value)
    if not -(2**62) <= instant < 2**62:
        raise OverflowError(f"{instant} ns, from -2**62 to 2**62 - 1 expected")
    return instant


@final
class Tap(Exclusive):
    """Observes a stream that is sent on as it comes.

    Sans-I/O: one call for each read, and one report at the end. It never alters a byte,
    and never raises for what the stream holds: over a limit, or where there is no event
    stream, it stops to observe, and says so.

    Args:
        family: whose events these are: "chat", "completions", "responses" or "messages"
            (see `StreamReport.family`); "auto" lets the first events tell.
        started_at: when the request was sent, in ns of the monotonic clock; now if absent.
        text: keep the content of choice 0 for the report.
        gap_bounds: upper bounds, in ns and ascending, of a histogram of the times between reads
            that bore output; none is kept without them.
        limits: `max_event` bounds an event that is not complete yet, `max_message` the
            text, `max_items` the choices.

    Raises:
        ValueError: `family` is none of these, or `gap_bounds` do not ascend.

    Source: OpenAI API reference, "Streaming"; Anthropic API reference, "Streaming Messages".
    """

    def __init__(
        self,
        *,
        family: Literal["auto", "chat", "completions", "responses", "messages"] = "auto",
        started_at: int | None = None,
        text: bool = False,
        gap_bounds: Sequence[int] = (),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        asked_family = checked(family)
        wants_text = bool(text)
        bounds = tuple(map(_instant, gap_bounds))
        if list(bounds) != sorted(bounds):
            raise ValueError(f"gap_bounds {bounds}, in ascending order expected")
        start = None if started_at is None else _instant(started_at)
        checked_limits(limits)
        self._check_idle("__init__")
        self._asked_family = asked_family
        self._wants_text = wants_text
        self._gap_bounds = bounds
        self._limits = limits
        self.reset(start)

    def reset(self, started_at: int | None = None) -> None:
        """Forget everything seen, as if newly made.

        Args:
            started_at: as for the class.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        self._check_idle("reset")
        self._started_at = monotonic_ns() if started_at is None else _instant(started_at)
        self._reader = EventReader(self._limits, error_lines=True)
        self._head = b""  # the first bytes, until they have told
        self._status: Status = "open"
        self._lost = False  # nothing but bytes is counted any more
        self._errored = False
        self._done = False
        self._family = self._asked_family
        self._usage: Usage | None = None
        self._finish_reasons: dict[int, str | None] = {}
        self._model: str | None = None
        self._id: str | None = None
        self._error: Any = None
        self._bytes = self._events = self._chunks = self._faults = self._output = 0
        self._held = Held(self._limits)  # text, and choices whose reasons are known
        self._text = Text(self._held)
        self._speaks = False  # this read bears output
        self._noted = False  # and its time is kept: what `close` reads of it comes at no other
        self._read_at = 0
        self._first_byte_at: int | None = None
        self._first_token_at: int | None = None
        self._last_token_at: int | None = None
        self._max_gap: int | None = None
        self._gaps = [0] * (len(self._gap_bounds) + 1)
        self._closed_at: int | None = None

    @property
    def at_boundary(self) -> bool:
        """Whether no event and no line is under way, so that a comment may be inserted here."""
        return not self._lost and self._reader.at_boundary

    @property
    def last_token_at(self) -> int | None:
        """When the last read came that bore output, as in the report, which costs more to ask for at each read."""
        return self._last_token_at

    @property
    def report(self) -> StreamReport:
        """What was seen so far, as a new object; its `usage` and `error` are not to be changed."""
        usage = self._usage
        counted = None if usage is None else usage.completion_tokens
        started = self._started_at
        return StreamReport(
            status="errored" if self._errored else "done" if self._done else self._status,
            family=self._family,
            usage=usage,
            finish_reasons=dict(sorted(self._finish_reasons.items())),
            model=self._model,
            id=self._id,
            error=self._error,
            events=self._events,
            chunks=self._chunks,
            faults=self._faults,
            bytes=self._bytes,
            output_tokens=self._output if counted is None else counted,
            output_tokens_source="chunks" if counted is None else "usage",
            started_at=started,
            time_to_first_byte=None if self._first_byte_at is None else self._first_byte_at - started,
            time_to_first_token=None if self._first_token_at is None else self._first_token_at - started,
            last_token_at=self._last_token_at,
            max_gap=self._max_gap,
            gaps=list(self._gaps) if self._gap_bounds else None,
            duration=None if self._closed_at is None else self._closed_at - started,
            text=self._text.text() if self._wants_text else None,
        )

    def feed(self, data: Buffer, at: int | None = None) -> int:
        """Take a read in, and return how many events it completes: those with data, `[DONE]` the last.

        `data` may end anywhere. After `close()` nothing is counted any more.

        Args:
            data: a read, as it came.
            at: when it came, in ns of the monotonic clock; now if absent.

        Raises:
            TypeError, BufferError: `data` is not bytes-like, or not contiguous; `at` is no integer.
            OverflowError: `at` is not from -2**62 to 2**62 - 1.
            ConcurrentFeedError: another call is under way.
        """
        self._enter("feed")
        try:
            read = contiguous(data)
            if self._closed_at is not None or not read:
                return 0
            self._read_at = monotonic_ns() if at is None else _instant(at)
            self._noted = False
            if self._first_byte_at is None:
                self._first_byte_at = self._read_at
            self._bytes += len(read)
            before = self._events
            self._observe(read)
            return self._events - before
        finally:
            self._busy = False

    def close(self, at: int | None = None) -> StreamReport:
        """End the stream and return the report; again, the same. For a `finally`.

        A last event that only lacks its blank line is counted if its data is whole.

        Args:
            at: when it ended, in ns of the monotonic clock; now if absent.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        self._enter("close")
        try:
            if self._closed_at is None:
                self._closed_at = monotonic_ns() if at is None else _instant(at)
                if not self._lost:
                    self._end()
            return self.report
        finally:
            self._busy = False

    # --- what follows raises LimitExceededError only inside `_observe` and `_end` -------

    def _observe(self, read: bytes) -> None:
        if self._lost or not self._is_readable(read):
            return
        try:
            for name, data, _ in self._reader.read(read):
                self._take(name, data)
        except LimitExceededError:
            self._lose("overflow")
        self._note_time()

    def _is_readable(self, read: bytes) -> bool:
        """Look at the first line, once it, or enough of it, has come."""
        if self._bytes - len(read) < HEAD and not self._events:
            self._head += read[: HEAD - len(self._head)]
            if is_binary(self._head):
                self._lose("unreadable")
                return False
        return True

    def _end(self) -> None:
        try:
            for name, data, _ in self._reader.rest():
                if name is None or self._is_whole(name, data):
                    self._take(name, data)
        except LimitExceededError:
            self._lose("overflow")
            return
        self._note_time()
        if self._bytes and not self._events and not is_begun(self._head):
            self._lose("unreadable")
            return
        reasons = self._finish_reasons
        finished = len(reasons) > 0 and None not in reasons.values()
        self._status = "finished_without_done" if finished else "truncated"

    def _is_whole(self, name: bytes, data: bytes) -> bool:
        data = data.strip(WHITE_SPACE)
        if name == b"error" or data in (b"", b"[DONE]"):
            return True
        try:
            return isinstance(payload_of(data), (dict, type(None)))
        except NotAChunk:
            return False

    def _lose(self, status: Status) -> None:
        self._status = status
        self._lost = True
        self._reader.finish()

    def _note_time(self) -> None:
        """Keep the time of a read that bore output."""
        if self._speaks:
            self._speaks = False
            at = self._read_at
            if self._last_token_at is None:
                self._first_token_at = at
            elif not self._noted:
                gap = at - self._last_token_at
                self._max_gap = max(self._max_gap or 0, gap)
                self._gaps[bisect_left(self._gap_bounds, gap)] += 1
            self._last_token_at = at
            self._noted = True

    def _take(self, name: bytes | None, data: bytes) -> None:
        """Count one event, or an `error:` line, which is none."""
        if self._done:
            return
        if name is None:
            self._note_error(error_body(data))
            return
        self._events += 1
        bare = data.strip(WHITE_SPACE)
        if bare == b"[DONE]":
            self._done = True
            return
        if name == b"error":
            self._note_error(error_body(data))
        if bare:
            try:
                payload = payload_of(data)
            except NotAChunk:
                self._faults += 1
                return
            if isinstance(payload, dict):
                self._take_payload(payload)
            elif payload is not None:
                self._faults += 1

    def _take_payload(self, payload: dict[str, Any]) -> None:
        if self._family is None:
            self._family = family_of(payload)
        try:
            said = said_by(payload, self._family)
        except RecursionError:  # a value nested almost too deep to be decoded
            self._faults += 1
            return
        self._chunks += 1
        if said.error is not None:
            self._note_error(said.error)
        self._model = self._model or said.model
        self._id = self._id or said.id
        if said.usage is not None:
            self._usage = merged(self._usage, said.usage, self._family)
        self._note_reasons(said)
        if said.bears_output:
            self._output += 1
            self._speaks = True
        if self._wants_text and said.text:
            self._text.add(said.text)
        self._done = said.ended

    def _note_error(self, error: Any) -> None:
        if not self._errored:
            self._errored = True
            self._error = error

    def _note_reasons(self, said: Said) -> None:
        known = self._finish_reasons
        for number, reason in said.reasons:
            if number not in known:
                self._held.add_item()
                known[number] = None
            if reason is not None:
                known[number] = reason[:MOST_OF_REASON]
