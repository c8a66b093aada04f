"""Changing a stream on its way: a match is spliced by its stencil. Rules and contract: see the pure twin.

What is not changed is copied in runs as long as the read.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp

from .building cimport Constant, DictNode, ListNode
from .events cimport check_idle, enter, not_pickled
from .scan cimport NO_LIMIT, append, empty, find, free
from .stencil cimport Stencil, payload_of, stencils_for, verifying
from .tokens cimport Span

from collections import deque

from ..closing import encode_end
from ..errors import LimitExceededError
from ..families import family_of, is_end
from ..limits import DEFAULT_LIMITS, checked_limits
from ..splicing import Lines, edits_of, encoded_model, joined
from .members import members
from .stencil import check_same, plain

# Bytes that the blocks first take; those that `_rest` may keep between events.
cdef Py_ssize_t _smallest = 512
cdef Py_ssize_t _kept = 512

_BOM = b"\xef\xbb\xbf"

_decode = plain.decode

# Members that what is to be done depends on.
_TELLING = ("choices", "error", "model", "object", "type")


@cython.final
cdef class Splice:
    def __cinit__(self, Stencil stencil, bytes model, bint drops_usage, str family):
        cdef DictNode root
        cdef Cut *cut
        cdef bytes payload = stencil._payload
        self.asks = True
        self._kept = []
        if not isinstance(stencil.root, DictNode):
            return
        root = stencil.root
        for name, node in zip(root.keys, root.values):
            # What is in a slot is not always the same.
            if name in _TELLING and not isinstance(node, (Constant, DictNode, ListNode)):
                return
        value = _decode(payload)
        if is_end(payload, value, family):
            return
        edits = edits_of(payload, value, model, drops_usage)
        if edits is None:
            self.drops = True
        elif len(edits) > MOST_CUTS:
            return
        else:
            for start, end, instead in edits:
                cut = &self.cuts[self.length]
                self._kept.append(instead)
                cut.instead = PyBytes_AS_STRING(instead)
                cut.instead_length = PyBytes_GET_SIZE(instead)
                self.length += 1
                if not (
                    self._place(stencil, start, &cut.literal, &cut.offset)
                    and self._place(stencil, end, &cut.end_literal, &cut.end_offset)
                ):
                    return
        self.asks = False

    cdef int _place(self, Stencil stencil, Py_ssize_t at, int *literal, int *offset) except -1:
        """Find the literal that a place of the payload is in, and where; return whether there is one."""
        cdef int each
        for each in range(stencil._slots + 1):
            if stencil._starts[each] <= at <= stencil._ends[each]:
                literal[0] = each
                offset[0] = <int>at - stencil._starts[each]
                return 1
        return 0


cdef inline const char *literal_at(const Span *spans, const char *data, int literal) noexcept:
    """Return where a literal begins in a match."""
    return data if literal == 0 else spans[literal - 1].start + spans[literal - 1].length


@cython.final
cdef class Rewriter:
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

    def __cinit__(self):
        self._limits = DEFAULT_LIMITS

    def __init__(self, *, model=None, usage="keep", each=None, tap=None, limits=DEFAULT_LIMITS):
        if usage not in ("keep", "drop"):
            raise ValueError(f"usage {usage!r}, 'keep' or 'drop' expected")
        seen_model = encoded_model(model)
        checked_limits(limits)
        check_idle(self._busy, "__init__")
        self._model = seen_model
        self._drops_usage = usage == "drop"
        self._each = each
        self._tap = tap
        self._limits = limits
        self._max_event = min(limits.max_event, NO_LIMIT) or NO_LIMIT
        self.reset()

    def __dealloc__(self):
        free(&self._ready)
        free(&self._rest)

    def __reduce__(self):
        raise not_pickled(self)

    def reset(self):
        """Forget the stream, as if newly made; the tap is left alone.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        check_idle(self._busy, "reset")
        self._stencils = stencils_for(plain)
        free(&self._ready)
        free(&self._rest)
        self._copied = NULL
        self._line = 0
        self._at_start = True
        self._after_cr = False
        self._owes_lf = True
        self._blocks = None if self._each is None else deque()
        self._waiting = 0
        self._overflow = None
        self._family = None
        self._has_done = self._done = False

    def feed(self, data):
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
        cdef Py_buffer view
        cdef bytes begun
        enter(&self._busy, "feed")
        try:
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            try:
                if self._tap is not None:
                    self._tap.feed(data)
                if self._each is not None:
                    self._queue((<const char *>view.buf)[:view.len])
                    self._drain()
                elif self._overflow is not None:
                    raise self._overflow.with_traceback(None)
                elif self._at_start:
                    begun = self._begun((<const char *>view.buf)[:view.len])
                    self._rewrite(PyBytes_AS_STRING(begun), PyBytes_AS_STRING(begun) + PyBytes_GET_SIZE(begun))
                else:
                    self._rewrite(<const char *>view.buf, <const char *>view.buf + view.len)
            finally:
                PyBuffer_Release(&view)
            return self._take_ready()
        finally:
            self._busy = False

    def finish(self, error=None):
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
        enter(&self._busy, "finish")
        try:
            if error is None:
                self._drain()
                rest = self._take_ready() + (<const char *>self._rest.memory)[:self._rest.length]
            else:
                family = self._family
                if family is None and self._tap is not None:
                    family = self._tap.report.family
                end = b"" if self._done else encode_end(error, family)
                rest = self._take_ready() + end
        finally:
            self._busy = False
        self.reset()
        return rest

    cdef bytes _begun(self, bytes data):
        """Return the stream's first bytes without a BOM, which goes on; nothing as long as one may come."""
        data = (<const char *>self._rest.memory)[:self._rest.length] + data
        self._rest.length = 0
        if len(data) < 3 and _BOM.startswith(data):
            append(&self._rest, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), _smallest)
            return b""
        self._at_start = False
        if not data.startswith(_BOM):
            return data
        append(&self._ready, PyBytes_AS_STRING(_BOM), 3, _smallest)
        return data[3:]

    cdef bytes _take_ready(self):
        cdef bytes ready = PyBytes_FromStringAndSize(self._ready.memory, self._ready.length)
        empty(&self._ready, _kept)
        return ready

    cdef int _copy(self, const char *end) except -1:
        """Let go on what is not copied yet, up to `end`."""
        append(&self._ready, self._copied, end - self._copied, _smallest)
        self._copied = end
        return 0

    cdef int _check(self, Py_ssize_t size) except -1:
        if size > self._max_event:
            self._rest.length = 0
            self._overflow = LimitExceededError(
                f"event of {size} bytes, at most {self._max_event} allowed", measured=size, allowed=self._max_event
            )
            raise self._overflow
        return 0

    cdef int _rewrite(self, const char *pos, const char *end) except -1:
        """Rewrite a read, from where the one before has ended."""
        cdef const char *stop
        cdef const char *held
        self._copied = pos
        self._lf = NULL
        if self._after_cr:
            pos = self._past_lf(pos, end)
            if self._rest.length or not self._owes_lf:
                self._copied = pos
        if self._rest.length and pos < end:
            stop = self._end_of_block(pos, end)
            append(&self._rest, pos, (end if stop is NULL else stop) - pos, _smallest)
            if stop is NULL:
                return self._check(self._rest.length)
            held = self._rest.memory + self._rest.length
            self._check(without_blank_line(self._rest.memory, held))
            self._copied = self._rest.memory
            if self._take_ahead(self._rest.memory, held) is NULL:
                self._take_block(self._rest.memory, held)
            self._copy(held)
            empty(&self._rest, _kept)
            self._copied = pos = stop
        while pos < end:
            stop = self._take_ahead(pos, end)
            if stop is NULL:
                stop = self._end_of_block(pos, end)
                if stop is NULL:
                    break
                if stop - pos > self._max_event:
                    self._copy(pos)
                    self._check(without_blank_line(pos, stop))
                self._take_block(pos, stop)
            pos = stop
        self._copy(pos)
        append(&self._rest, pos, end - pos, _smallest)
        return self._check(self._rest.length)

    cdef const char *_past_lf(self, const char *pos, const char *end) except? NULL:
        """Pass the LF of the CR before a read; it belongs to the block under way, if there is one."""
        if pos < end:
            self._after_cr = False
            if pos[0] == c"\n":
                pos += 1
                if self._rest.length:
                    append(&self._rest, b"\n", 1, _smallest)
        return pos

    cdef const char *_end_of_block(self, const char *pos, const char *end) noexcept:
        """Return where the block under way ends; NULL where its blank line has not come."""
        cdef const char *stop
        cdef Py_ssize_t line
        while pos < end:
            if self._lf < pos:  # each byte is looked at once, however many CR come before it
                self._lf = find(pos, end, c"\n")
            stop = find(pos, self._lf, c"\r")
            self._line += stop - pos
            if stop == end:
                break
            line = self._line
            self._line = 0
            pos = stop + 1
            if stop[0] == c"\r":
                if pos == end:
                    self._after_cr = True
                elif pos[0] == c"\n":
                    pos += 1
            if line == 0:
                return pos
        return NULL

    cdef const char *_take_ahead(self, const char *pos, const char *end) except? NULL:
        """Take an event of one data line that a stencil matches, and return its end; NULL where it is no such."""
        cdef const char *data
        cdef const char *stop
        cdef Stencil stencil
        if self._stencils is None or self._family is None or self._is_idle():
            return NULL
        if end - pos < 8 or memcmp(pos, b"data:", 5) != 0:
            return NULL
        data = pos + 6 if pos[5] == c" " else pos + 5
        stencil = self._stencils.match(data, end, &stop)
        if stencil is None:
            return NULL
        if end - stop >= 2 and stop[0] == c"\n" and stop[1] == c"\n":
            end = stop + 2
        elif end - stop >= 4 and memcmp(stop, b"\r\n\r\n", 4) == 0:
            end = stop + 4
        else:
            return NULL
        if end - pos > self._max_event:
            return NULL
        if self._splice(stencil).asks:
            return NULL
        if verifying:
            self._verify(stencil, data, stop)
        self._apply(stencil, data, pos, end)
        return end

    cdef int _take_block(self, const char *pos, const char *end) except -1:
        """Take any other block, which is all in memory."""
        cdef bytes block
        if self._is_idle() and find_done(pos, end) is NULL:
            self._owes_lf = True
            return 0
        block = pos[:end - pos]
        rewritten = self._rewritten(block)
        self._owes_lf = (end - 1)[0] != c"\r" or rewritten.endswith(b"\r")
        if rewritten is not block:
            self._copy(pos)
            append(&self._ready, PyBytes_AS_STRING(rewritten), PyBytes_GET_SIZE(rewritten), _smallest)
            self._copied = end
        return 0

    cdef bint _is_idle(self) noexcept:
        """Tell whether nothing is to be changed, nor to be learned but where the stream ends."""
        return self._model is None and not self._drops_usage and self._has_done

    cdef bytes _rewritten(self, bytes block):
        """Return what goes on of one block; itself, where it is not changed."""
        lines = Lines(block)
        cdef bytes data = lines.data
        if data is None:
            return block
        payload = payload_of(data, self._stencils)
        if type(payload) is not dict:
            payload = None
        if self._family is None and payload is not None:
            self._family = family_of(payload)
            self._has_done = self._family in ("chat", "completions")
        if not self._done and is_end(data, payload, self._family):
            self._done = True
        if payload is not None and (self._model is not None or self._drops_usage):
            edits = edits_of(data, payload, self._model, self._drops_usage, members, is_error=lines.is_error)
            if edits is None:
                return b""
            if edits:
                block = lines.edited(edits)
                lines = Lines(block)
        return block if self._each is None else joined(self._each(lines.event()))

    cdef Splice _splice(self, Stencil stencil):
        """Return what is to be done with a stencil's matches, found out once."""
        if stencil.splice is None:
            stencil.splice = Splice(stencil, self._model, self._drops_usage, self._family)
        return stencil.splice

    cdef int _apply(self, Stencil stencil, const char *data, const char *pos, const char *end) except -1:
        """Rewrite a match, whose event is at `pos`."""
        cdef Splice splice = stencil.splice
        cdef Cut *cut
        cdef int at
        self._stencils.earn()
        if splice.drops:
            self._copy(pos)
            self._copied = end
            return 0
        for at in range(splice.length):
            cut = &splice.cuts[at]
            self._copy(literal_at(stencil.spans, data, cut.literal) + cut.offset)
            append(&self._ready, cut.instead, cut.instead_length, _smallest)
            self._copied = literal_at(stencil.spans, data, cut.end_literal) + cut.end_offset
        return 0

    cdef int _verify(self, Stencil stencil, const char *data, const char *stop) except -1:
        """Look at a match by itself, too."""
        cdef Splice splice = stencil.splice
        cdef bytes payload = data[:stop - data]
        cdef Cut *cut
        cdef int at
        edits = [] if not splice.drops else None
        for at in range(splice.length):
            cut = &splice.cuts[at]
            start = literal_at(stencil.spans, data, cut.literal) + cut.offset - data
            end = literal_at(stencil.spans, data, cut.end_literal) + cut.end_offset - data
            edits.append((start, end, cut.instead[:cut.instead_length]))
        value = self._stencils.verified(stencil, data, stop - data)
        check_same(edits, edits_of(payload, value, self._model, self._drops_usage))
        return 0

    # --- with an `each`, which may raise: block by block --------------------------------

    cdef int _queue(self, bytes read) except -1:
        """Queue the blocks that a read completes."""
        if self._overflow is not None:
            return 0
        allowed = self._limits.max_event
        waiting = self._waiting + len(read) if self._blocks else 0
        if 0 < allowed < waiting:
            self._overflow = LimitExceededError(
                f"{waiting} bytes waiting behind an exception, at most {allowed} allowed",
                measured=waiting, allowed=allowed,
            )
            return 0
        try:
            self._cut(self._begun(read) if self._at_start else read)
        except LimitExceededError:
            pass  # behind the blocks before it
        return 0

    cdef int _cut(self, bytes read) except -1:
        cdef const char *pos = PyBytes_AS_STRING(read)
        cdef const char *end = pos + PyBytes_GET_SIZE(read)
        cdef const char *stop
        self._lf = NULL
        if self._after_cr:
            pos = self._past_lf(pos, end)
            if pos > PyBytes_AS_STRING(read) and self._rest.length == 0:
                self._blocks.append(b"\n")
                self._waiting += 1
        while pos < end:
            stop = self._end_of_block(pos, end)
            append(&self._rest, pos, (end if stop is NULL else stop) - pos, _smallest)
            if stop is NULL:
                break
            self._check(without_blank_line(self._rest.memory, self._rest.memory + self._rest.length))
            self._blocks.append((<const char *>self._rest.memory)[:self._rest.length])
            self._waiting += self._rest.length
            empty(&self._rest, _kept)
            pos = stop
        return self._check(self._rest.length)

    cdef int _drain(self) except -1:
        """Rewrite the blocks queued."""
        cdef bytes block
        cdef bytes rewritten
        while self._blocks:
            block = self._blocks.popleft()
            self._waiting -= PyBytes_GET_SIZE(block)
            if block == b"\n" and not self._owes_lf:
                block = b""
            rewritten = self._rewritten(block)
            # An LF alone follows a CR that went on, or no CR at all.
            self._owes_lf = not block.endswith(b"\r") or rewritten.endswith(b"\r")
            append(&self._ready, PyBytes_AS_STRING(rewritten), PyBytes_GET_SIZE(rewritten), _smallest)
        if self._overflow is not None:
            raise self._overflow.with_traceback(None)
        return 0


cdef Py_ssize_t without_blank_line(const char *pos, const char *end) noexcept:
    """Return the bytes of a block before its blank line."""
    return end - pos - (2 if end - pos > 1 and (end - 2)[0] == c"\r" and (end - 1)[0] == c"\n" else 1)


cdef const char *find_done(const char *pos, const char *end) noexcept:
    """Return where `[DONE]` may be; NULL where it is not."""
    while end - pos >= 6:
        pos = find(pos, end - 5, c"[")
        if pos == end - 5:
            return NULL
        if memcmp(pos, b"[DONE]", 6) == 0:
            return pos
        pos += 1
    return NULL
