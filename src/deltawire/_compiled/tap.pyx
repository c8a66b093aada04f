"""Watching a stream: matches are looked at in their slots. Rules and contract: see the pure twin."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.time cimport monotonic_ns
from libc.string cimport memcmp, memcpy

from .building cimport Constant, Node, StringSlot
from .decoder cimport is_space
from .events cimport ERROR_LINE, EVENT, NOTHING, EventReader, Found, check_idle, enter, not_pickled
from .folding cimport Held, Text
from .glance cimport Glance, glance_of
from .stencil cimport MOST_SLOTS, Stencil, payload_of, pool_for, verifying
from .tokens cimport Span, integer

from operator import index as as_index

from ..chunks import MOST_OF_REASON
from ..coerce import error_body
from ..errors import LimitExceededError
from ..families import checked, family_of, merged, said_by
from ..limits import DEFAULT_LIMITS, checked_limits
from ..report import StreamReport
from ..sniffing import HEAD, is_begun, is_binary
from .stencil import check_same, plain

cdef extern from *:
    long long NEVER "LLONG_MIN"

cdef enum:  # the places of what a stream that is not done may be
    OPEN
    FINISHED
    TRUNCATED
    OVERFLOW
    UNREADABLE

_STATUS = ("open", "finished_without_done", "truncated", "overflow", "unreadable")

cdef Py_ssize_t _head_length = HEAD

_decode = plain.decode

# Instead of what builds values that nobody will ask for: a server has many taps.
cdef Node _never_built = Constant(None)


cdef long long instant(value) except? -1:
    """Return an instant in ns, of any type that is an integer; the difference of two has 64 bits."""
    cdef object number = as_index(value)
    if not -(2**62) <= number < 2**62:
        raise OverflowError(f"{number} ns, from -2**62 to 2**62 - 1 expected")
    return number


cdef object since(long long instant, long long start):
    return None if instant == NEVER else instant - start


@cython.final
@cython.no_gc  # it holds nothing but int
cdef class Histogram:
    def __cinit__(self, tuple bounds):
        cdef Py_ssize_t at
        if list(bounds) != sorted(bounds):
            raise ValueError(f"gap_bounds {bounds}, in ascending order expected")
        self.bounds = bounds
        self._length = len(bounds)
        self._limits = <long long *>PyMem_Calloc(2 * self._length + 1, sizeof(long long))
        if self._limits is NULL:
            raise MemoryError
        self._counts = self._limits + self._length
        for at in range(self._length):
            self._limits[at] = bounds[at]

    def __dealloc__(self):
        PyMem_Free(self._limits)

    cdef void add(self, long long value) noexcept:
        """Count a value."""
        cdef Py_ssize_t at = 0
        while at < self._length and self._limits[at] < value:
            at += 1
        self._counts[at] += 1

    cdef list all(self):
        """Return the counts by bucket."""
        cdef list counts = []
        cdef Py_ssize_t at
        for at in range(self._length + 1):
            counts.append(self._counts[at])
        return counts


@cython.final
@cython.no_gc  # nothing that it holds knows it
cdef class Tap:
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

    def __cinit__(self):
        self._reader = EventReader(DEFAULT_LIMITS)
        self._limits = DEFAULT_LIMITS

    def __init__(self, *, family="auto", started_at=None, text=False, gap_bounds=(), limits=DEFAULT_LIMITS):
        cdef bint wants_text
        asked_family = checked(family)
        wants_text = text
        bounds = []
        for bound in gap_bounds:
            bounds.append(instant(bound))
        gaps = Histogram(tuple(bounds)) if bounds else None
        start = None if started_at is None else instant(started_at)
        checked_limits(limits)
        check_idle(self._busy, "__init__")
        self._family = asked_family
        self._knows_family = asked_family is not None
        self._wants_text = wants_text
        self._gaps = gaps
        self._limits = limits
        self.reset(start)

    def __reduce__(self):
        raise not_pickled(self)

    def reset(self, started_at=None):
        """Forget everything seen, as if newly made.

        Args:
            started_at: as for the class.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        check_idle(self._busy, "reset")
        self._started_at = monotonic_ns() if started_at is None else instant(started_at)
        self._reader = EventReader(self._limits, error_lines=True)
        self._stencils = pool_for(plain)
        self._head = b""
        self._lost = self._errored = self._done = self._speaks = self._noted = False
        self._status = OPEN
        self._family = self._family if self._knows_family else None
        self._model = self._id = self._error = self._usage = self._reasons = None
        self._text = Text(Held(self._limits)) if self._wants_text else None
        self._bytes = self._events = self._chunks = self._faults = self._output = 0
        self._counted_at = NULL
        self._choices = self._choice_count = 0
        self._read_at = self._first_byte_at = self._first_token_at = self._last_token_at = NEVER
        self._max_gap = self._closed_at = NEVER
        if self._gaps is not None:
            self._gaps = Histogram(self._gaps.bounds)

    @property
    def at_boundary(self):
        """Whether no event and no line is under way, so that a comment may be inserted here."""
        return not self._lost and self._reader.at_boundary()

    @property
    def last_token_at(self):
        """When the last read came that bore output, as in the report, which costs more to ask for at each read."""
        return since(self._last_token_at, 0)

    @property
    def report(self):
        """What was seen so far, as a new object; its `usage` and `error` are not to be changed."""
        return self._report()

    def feed(self, data, at=None):
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
        cdef Py_buffer view
        cdef Py_ssize_t events
        enter(&self._busy, "feed")
        try:
            if PyBytes_CheckExact(data):
                events = self._take_read(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), at)
            else:
                PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
                try:
                    events = self._take_read(<const char *>view.buf, view.len, at)
                finally:
                    PyBuffer_Release(&view)
        finally:
            self._busy = False
        return events

    def close(self, at=None):
        """End the stream and return the report; again, the same. For a `finally`.

        A last event that only lacks its blank line is counted if its data is whole.

        Args:
            at: when it ended, in ns of the monotonic clock; now if absent.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        enter(&self._busy, "close")
        try:
            if self._closed_at == NEVER:
                self._closed_at = monotonic_ns() if at is None else instant(at)
                if not self._lost:
                    self._end()
            return self._report()
        finally:
            self._busy = False

    cdef object _report(self):
        usage = self._usage_so_far()
        counted = None if usage is None else usage.completion_tokens
        return StreamReport(
            status="errored" if self._errored else "done" if self._done else _STATUS[self._status],
            family=self._family,
            usage=usage,
            finish_reasons=self._finish_reasons(),
            model=self._model,
            id=self._id,
            error=self._error,
            events=self._events,
            chunks=self._chunks,
            faults=self._faults,
            bytes=self._bytes,
            output_tokens=self._output if counted is None else counted,
            output_tokens_source="chunks" if counted is None else "usage",
            started_at=self._started_at,
            time_to_first_byte=since(self._first_byte_at, self._started_at),
            time_to_first_token=since(self._first_token_at, self._started_at),
            last_token_at=since(self._last_token_at, 0),
            max_gap=since(self._max_gap, 0),
            gaps=None if self._gaps is None else self._gaps.all(),
            duration=since(self._closed_at, self._started_at),
            text=None if self._text is None else self._text.text(),
        )

    cdef dict _finish_reasons(self):
        cdef int index
        reasons = {index: None for index in range(64) if self._choices >> index & 1}
        if self._reasons is not None:
            reasons.update(self._reasons)
        return dict(sorted(reasons.items()))

    cdef Py_ssize_t _take_read(self, const char *data, Py_ssize_t length, at) except -1:
        cdef long long before = self._events
        cdef long long now
        if self._closed_at != NEVER or length == 0:
            return 0
        self._read_at = now = monotonic_ns() if at is None else instant(at)
        self._noted = False
        if self._bytes == 0:
            self._first_byte_at = now
        self._bytes += length
        if not self._lost and (self._bytes - length >= _head_length or self._is_readable(data, length)):
            self._observe(data, length)
        return self._events - before

    cdef bint _is_readable(self, const char *data, Py_ssize_t length) except -1:
        """Look at the first line, once it, or enough of it, has come."""
        if self._events:
            return True
        self._head += data[:min(length, _head_length - PyBytes_GET_SIZE(self._head))]
        if is_binary(self._head):
            self._lose(UNREADABLE)
            return False
        return True

    cdef int _observe(self, const char *data, Py_ssize_t length) except -1:
        try:
            self._reader.begin(data, length)
            self._drain()
        except LimitExceededError:
            self._lose(OVERFLOW)
        except BaseException:  # the caller takes the read away
            self._reader.drop()
            self._counted_at = NULL
            raise
        return self._end_read()

    cdef int _end(self) except -1:
        cdef EventReader reader = self._reader
        cdef Found found
        cdef bint over_limit = False
        try:
            if not self._done:
                found = reader.finish_line()
                if found != NOTHING:
                    self._take(found)
                if reader.finish_block() != NOTHING and self._is_whole():
                    self._take(EVENT)
        except LimitExceededError:
            over_limit = True
        if over_limit:
            return self._lose(OVERFLOW)
        self._end_read()
        if self._bytes and not self._events and not is_begun(self._head):
            return self._lose(UNREADABLE)
        reasons = self._finish_reasons()
        self._status = FINISHED if reasons and None not in reasons.values() else TRUNCATED
        return 0

    cdef bint _is_whole(self) except -1:
        cdef bytes data = self._reader.data[:self._reader.length].strip(b" \t\r\n")
        if self._reader.is_error or data in (b"", b"[DONE]"):
            return True
        payload = payload_of(data, None)
        return payload is None or type(payload) is dict

    cdef int _lose(self, unsigned char status) except -1:
        self._status = status
        self._lost = True
        try:
            self._keep_usage()  # the reader may be what holds it
        finally:
            self._reader.clear()
        return 0

    cdef int _end_read(self) except -1:
        """Keep what a read leaves, which the caller takes away: the last usage, and the time if it bore output."""
        cdef long long gap
        self._keep_usage()
        if self._speaks:
            self._speaks = False
            if self._last_token_at == NEVER:
                self._first_token_at = self._read_at
            elif not self._noted:
                gap = self._read_at - self._last_token_at
                self._max_gap = max(self._max_gap, gap, 0)
                if self._gaps is not None:
                    self._gaps.add(gap)
            self._last_token_at = self._read_at
            self._noted = True
        if self._reader.at_boundary():
            self._reader.release()
        if self._events:
            self._head = b""
        return 0

    cdef int _drain(self) except -1:
        """Count what the reader has in hand."""
        cdef Found found
        while True:
            if self._stencils is not None and not self._done:
                self._take_ahead()
            found = self._reader.next()
            if found == NOTHING:
                return 0
            if not self._done:
                self._take(found)

    cdef int _take_ahead(self) except -1:
        """Count the events that a stencil matches in the read, whose lines are then not searched for."""
        cdef EventReader reader = self._reader
        cdef Stencil stencil
        cdef const char *start
        cdef const char *stop
        while not self._done:
            start = reader.data_ahead()
            if start is NULL:
                return 0
            stencil = self._stencils.match(start, reader._end, &stop)
            if stencil is None or not self._tells(stencil) or not reader.take_ahead(stop):
                return 0
            self._events += 1
            self._take_match(stencil, start, stop)
        return 0

    cdef int _take(self, Found found) except -1:
        """Count one event, or an `error:` line, which is none."""
        cdef EventReader reader = self._reader
        cdef const char *start = reader.data
        cdef const char *end = start + reader.length
        cdef const char *stop
        cdef Stencil stencil
        cdef bint matches = False
        if found == ERROR_LINE:
            return self._note_error(error_body(start[:reader.length]))
        self._events += 1
        if self._stencils is not None and not reader.is_error:
            stencil = self._stencils.match(start, end, &stop)
            matches = stencil is not None and stop == end
            if matches and self._tells(stencil):
                self._take_match(stencil, start, end)
                return self._keep_usage()  # where the reader has put it together it does not last
        while start < end and is_space(start[0]):
            start += 1
        while start < end and is_space((end - 1)[0]):
            end -= 1
        if end - start == 6 and memcmp(start, b"[DONE]", 6) == 0:
            self._done = True
            return 0
        if reader.is_error:
            self._note_error(error_body(reader.data[:reader.length]))
        return self._take_object(not matches) if start < end else 0

    cdef int _take_object(self, bint learns) except -1:
        """Count the event that was found, by what it says if it is an object."""
        cdef EventReader reader = self._reader
        payload = payload_of(reader.data[:reader.length], self._stencils if learns else None)
        if type(payload) is dict:
            return self._take_payload(payload)
        if payload is not None:
            self._faults += 1
        return 0

    cdef bint _tells(self, Stencil stencil) except -1:
        """Tell whether a match says all in its slots; as it does not where this runs Python code."""
        cdef Glance glance = stencil.glance
        if self._family is None:
            return False
        if glance is None:
            stencil.glance = glance_of(stencil.root, self._family)
            if not verifying:
                stencil.root = _never_built
            return False
        if not glance.tells or glance.family != self._family:
            return False
        return not (self._model is None and glance.has_model or self._id is None and glance.has_id)

    cdef int _take_match(self, Stencil stencil, const char *data, const char *end) except -1:
        """Count a payload that a stencil has matched, by its slots."""
        cdef Glance glance = stencil.glance
        cdef Span spans[MOST_SLOTS]
        cdef int at
        cdef long long index
        memcpy(spans, stencil.spans, stencil._slots * sizeof(Span))  # before Python code runs
        self._stencils.earn()
        self._chunks += 1
        if glance.has_usage:
            self._counted_at = data
            self._counted_end = end
        for at in range(glance.indexes_length):
            index = integer(&spans[glance.indexes[at]])
            if index < 0 or index > 63 or not self._choices >> index & 1:
                self._note_choice(index, None)
        for at in range(glance.fixed_length):
            if not self._choices >> glance.fixed[at] & 1:
                self._note_choice(glance.fixed[at], None)
        if glance.bears_output(spans):
            self._output += 1
            self._speaks = True
        if self._text is not None:
            self._add_texts(glance, spans)
        return self._verify(glance, spans, data, end) if verifying else 0

    cdef int _add_texts(self, Glance glance, const Span *spans) except -1:
        for slot, node in glance.texts:
            if <int>slot < 0 or integer(&spans[<int>slot]) == 0:
                if isinstance(node, StringSlot):
                    self._text.add_span(&spans[(<StringSlot>node).slot])
                else:
                    self._text.add((<Constant>node).value)
        return 0

    cdef int _verify(self, Glance glance, const Span *spans, const char *data, const char *end) except -1:
        """Ask the value of a match what was seen in its slots."""
        payload = _decode(data[:end - data])
        said = said_by(payload, self._family)
        texts = [
            (<Node>node).build(spans) for slot, node in glance.texts if <int>slot < 0 or integer(&spans[<int>slot]) == 0
        ]
        known = self._finish_reasons()
        check_same(
            [glance.bears_output(spans), "".join(texts), glance.has_usage],
            [said.bears_output, said.text, said.usage is not None],
        )
        check_same(
            [said.error, said.ended, self._model or said.model, self._id or said.id],
            [None, False, self._model, self._id],
        )
        for index, reason in said.reasons:
            check_same(index in known and reason is None, True)
        return 0

    cdef int _take_payload(self, dict payload) except -1:
        if self._family is None:
            self._family = family_of(payload)
        said = None
        try:
            said = said_by(payload, self._family)
        except RecursionError:  # a value nested almost too deep to be decoded
            pass
        if said is None:
            self._faults += 1
            return 0
        self._chunks += 1
        if said.error is not None:
            self._note_error(said.error)
        self._model = self._model or said.model
        self._id = self._id or said.id
        if said.usage is not None:
            self._counted_at = NULL
            self._usage = merged(self._usage, said.usage, self._family)
        for index, reason in said.reasons:
            self._note_choice(index, reason)
        if said.bears_output:
            self._output += 1
            self._speaks = True
        if self._text is not None and said.text:
            self._text.add(said.text)
        self._done = said.ended
        return 0

    cdef int _note_error(self, error) except -1:
        if not self._errored:
            self._errored = True
            self._error = error
        return 0

    cdef int _note_choice(self, index, reason) except -1:
        cdef bint is_small = 0 <= index < 64
        known = self._choices >> <int>index & 1 if is_small else self._reasons is not None and index in self._reasons
        if not known:
            self._choice_count += 1
            count, allowed = self._choice_count, self._limits.max_items
            if 0 < allowed < count:
                raise LimitExceededError(f"{count} choices, at most {allowed} allowed", measured=count, allowed=allowed)
            if is_small:
                self._choices |= 1ULL << <int>index
        if reason is not None or not (is_small or known):
            if self._reasons is None:
                self._reasons = {}
            self._reasons[index] = None if reason is None else reason[:MOST_OF_REASON]
        return 0

    cdef int _keep_usage(self) except -1:
        """Copy the payload of the last match that had a usage out of the read."""
        cdef const char *start = self._counted_at
        if start is not NULL:
            self._counted_at = NULL  # without memory for a copy, too
            self._usage = start[:self._counted_end - start]
        return 0

    cdef object _usage_so_far(self):
        """Return the usage that came last, read now where it is still in a payload."""
        if isinstance(self._usage, bytes):
            self._usage = said_by(_decode(self._usage), self._family).usage
        return self._usage
