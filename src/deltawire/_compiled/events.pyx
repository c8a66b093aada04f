"""The event stream format, in place. Rules and contract: see the pure twin.

A line is searched for with memchr and read where it lies. Only what a read leaves
unfinished is copied: the line in progress to `_line`, the data of finished lines to
`_joined`. So a byte is copied once at most, and a second time only in a later data line
of a block that straddles two reads.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.limits cimport LLONG_MAX
from libc.string cimport memchr, memcmp

from .scan cimport NO_LIMIT, append, empty, find, free
from .structs cimport blank, offset_of, put

from ..errors import ConcurrentFeedError, LimitExceededError
from ..limits import DEFAULT_LIMITS, checked_limits
from ..records import ServerSentEvent

# Bytes a block first takes, and those it may keep between events. Small, for a server
# holds a decoder for each of its streams.
cdef Py_ssize_t _smallest = 256
cdef Py_ssize_t _kept = 512


def set_block_sizes(Py_ssize_t smallest=256, Py_ssize_t kept=512):
    """Set the sizes above, for tests: small inputs then reach growth and release."""
    global _smallest, _kept
    _smallest, _kept = smallest, kept


cdef inline bint is_name(const char *line, Py_ssize_t name, const char *field, Py_ssize_t length) noexcept:
    return name == length and memcmp(line, field, length) == 0


@cython.final
@cython.no_gc  # it holds nothing but str and int
cdef class EventReader:
    """Turns bytes into blocks, cut anywhere. What `EventParser` and the decoders share."""

    def __cinit__(self, limits, str last_event_id="", *, bint whole=False, bint error_lines=False):
        self._max_event = min(limits.max_event, NO_LIMIT) or NO_LIMIT
        self._whole = whole
        self._error_lines = error_lines
        self._id = self.last_event_id = last_event_id
        self.reconnection_time = None
        self.clear()

    def __dealloc__(self):
        free(&self._line)
        free(&self._joined)

    cdef void clear(self) noexcept:
        """Forget the stream; the last event ID and the reconnection time stay."""
        self._pos = self._end = NULL
        self._at_start = True
        self._after_cr = False
        self._id = self.last_event_id
        empty(&self._line, _kept)
        self._end_block()

    cdef int begin(self, const char *data, Py_ssize_t length) except -1:
        """Take a read in hand. The one before is used up."""
        cdef const char *bom = b"\xef\xbb\xbf"
        self._pos = data
        self._end = data + length
        self._lf = self._cr = NULL
        if self._at_start:
            while self._pos < self._end and self._line.length < 3:
                if self._pos[0] != bom[self._line.length]:
                    break
                append(&self._line, self._pos, 1, _smallest)
                self._pos += 1
            if self._line.length == 3:
                self._line.length = 0
            elif self._pos == self._end:
                return 0
            # What looked like a BOM stays, as the beginning of the first line.
            self._at_start = False
        if self._after_cr and self._pos < self._end:
            self._after_cr = False
            if self._pos[0] == c"\n":
                self._pos += 1
                if self._unfinished:
                    self._unfinished += 1
        return 0

    cdef Found next(self) except? NOTHING:
        """Read on to the next block that has data."""
        cdef const char *pos = self._pos
        cdef const char *end = self._end
        cdef const char *stop
        cdef Py_ssize_t terminator
        cdef Found found
        while pos < end:
            if pos[0] == c"\n" and self._line.length == 0:
                # A blank line ends every event: not worth a search.
                self._pos = pos = pos + 1
                if self._blank_line() == EVENT:
                    return EVENT
                continue
            # Search again only past a hit: each byte is looked at once for each kind,
            # and for CR only up to the next LF, while it is still near.
            if self._lf < pos:
                self._lf = find(pos, end, c"\n")
            if self._cr < pos:
                self._cr = find(pos, self._lf, c"\r")
            stop = self._cr
            if stop == end:
                append(&self._line, pos, end - pos, _smallest)
                self._pos = end
                self._check(self._line.length)
                break
            if self._alone(pos, stop, end):
                return EVENT
            terminator = 1
            if stop[0] == c"\r":
                if stop + 1 == end:
                    self._after_cr = True
                elif stop[1] == c"\n":
                    terminator = 2
            self._pos = stop + terminator
            if self._line.length == 0:
                if stop == pos:
                    found = self._blank_line()
                else:
                    found = self._line_ended(pos, stop - pos, terminator, False)
            else:
                append(&self._line, pos, stop - pos, _smallest)
                found = self._line_ended(self._line.memory, self._line.length, terminator, True)
                # The memory stays: what was found may lie in it.
                self._line.length = 0
            if found != NOTHING:
                return found
            pos = self._pos
        # The caller takes the read away.
        self._keep_data()
        if self._line.length == 0:
            empty(&self._line, _kept)
        return NOTHING

    cdef bint _alone(self, const char *pos, const char *stop, const char *end) noexcept:
        """Read an event of one data line and LFs, which nearly all are, in one step."""
        cdef Py_ssize_t length = stop - pos
        if (
            end - stop < 2 or stop[0] != c"\n" or stop[1] != c"\n"
            or self._unfinished or self._line.length
            or length < 6 or length > self._max_event or memcmp(pos, b"data:", 5) != 0
        ):
            return False
        self.data = pos + 6 if pos[5] == c" " else pos + 5
        self.length = stop - self.data
        self.is_error = False
        if self._whole:
            self.type = self.retry = None
            self.last_event_id = self._id
        self._pos = stop + 2
        return True

    cdef const char *data_ahead(self) noexcept:
        """Return where the data of the next event begins, if that is in sight, else NULL."""
        cdef const char *pos = self._pos
        if self._unfinished or self._line.length or self._at_start:
            return NULL
        if self._end - pos < 8 or memcmp(pos, b"data:", 5) != 0:
            return NULL
        return pos + 6 if pos[5] == c" " else pos + 5

    cdef bint take_ahead(self, const char *stop) noexcept:
        """Pass the event ahead if its data, in which there is no line end, and the event end at `stop`."""
        cdef const char *end = self._end
        if stop - self._pos > self._max_event:
            return False
        if end - stop >= 2 and stop[0] == c"\n" and stop[1] == c"\n":
            self._pos = stop + 2
        elif end - stop >= 4 and memcmp(stop, b"\r\n\r\n", 4) == 0:
            self._pos = stop + 4
        else:
            return False
        return True

    cdef Found _blank_line(self) noexcept:
        self.last_event_id = self._id
        if self._lines == 0:
            if self._unfinished:
                self._end_block()
            return NOTHING
        if self._value is NULL:
            self.data = self._joined.memory + self._offset
            self.length = self._joined.length - self._offset
        else:
            self.data = self._value
            self.length = self._value_length
        self.is_error = self._is_error
        self.type = self._type
        self.retry = self._retry
        # The memory that `data` may lie in stays until the next block's first line.
        self._lines = 0
        self._value = NULL
        self._is_error = False
        self._type = None
        self._retry = None
        self._size = self._unfinished = 0
        return EVENT

    cdef void _end_block(self) noexcept:
        self._lines = 0
        self._value = NULL
        self._is_error = False
        self._type = None
        self._retry = None
        self._size = self._unfinished = 0
        empty(&self._joined, _kept)

    cdef int _check(self, Py_ssize_t line) except -1:
        cdef Py_ssize_t size = self._size + line
        if size > self._max_event:
            raise LimitExceededError(
                f"event of {size} bytes, at most {self._max_event} allowed", measured=size, allowed=self._max_event
            )
        return 0

    cdef Found _line_ended(self, const char *line, Py_ssize_t length, Py_ssize_t terminator, bint kept) except? NOTHING:
        """Take in a line that is not blank; `kept` tells that it lies in `_line`."""
        cdef const char *value
        cdef const char *end = line + length
        cdef Py_ssize_t name
        if length > self._max_event - self._size:
            self._check(length)
        if line[0] == c":":
            # A comment before the first field is no part of an event.
            if self._unfinished:
                self._unfinished += length + terminator
            return NOTHING
        self._unfinished += length + terminator
        if length > 4 and memcmp(line, b"data:", 5) == 0:
            name = 4
        else:
            name = find(line, end, c":") - line
        value = line + name
        if value < end:
            value += 1
            if value < end and value[0] == c" ":
                value += 1
        if is_name(line, name, b"data", 4):
            self._add_data(value, end - value, kept)
        elif is_name(line, name, b"event", 5):
            self._is_error = is_name(value, end - value, b"error", 5)
            if self._whole:
                self._type = text(value, end - value, self.type)
        elif is_name(line, name, b"id", 2):
            if self._whole:
                self._set_id(value, end - value)
        else:
            self._size += 1
            if is_name(line, name, b"retry", 5):
                self._set_retry(value, end - value)
            elif self._error_lines and is_name(line, name, b"error", 5) and value < end and value[0] == c"{":
                self.data = value
                self.length = end - value
                return ERROR_LINE
            return NOTHING
        self._size += max(1, end - value)
        return NOTHING

    cdef int _add_data(self, const char *value, Py_ssize_t length, bint kept) except -1:
        self._lines += 1
        if self._lines > 1:
            self._keep_data()
            append(&self._joined, b"\n", 1, _smallest)
            append(&self._joined, value, length, _smallest)
            return 0
        if kept:
            # The line was put together in `_line`: let that memory hold the data.
            self._offset = value - self._line.memory
            self._joined, self._line = self._line, self._joined
            self._line.length = 0
            return 0
        self._joined.length = 0
        self._offset = 0
        self._value = value
        self._value_length = length
        return 0

    cdef int _keep_data(self) except -1:
        """Copy the block's data out of the read, if it is there."""
        if self._value is not NULL:
            append(&self._joined, self._value, self._value_length, _smallest)
            self._value = NULL
        elif self._lines == 0:
            empty(&self._joined, _kept)
        return 0

    cdef int _set_id(self, const char *value, Py_ssize_t length) except -1:
        if length == 0 or memchr(value, 0, length) is NULL:
            self._id = text(value, length, self._id)
        return 0

    cdef int _set_retry(self, const char *value, Py_ssize_t length) except -1:
        cdef long long milliseconds = 0
        cdef Py_ssize_t place
        cdef int digit
        if length == 0:
            return 0
        for place in range(length):
            digit = value[place] - c"0"
            if digit < 0 or digit > 9:
                return 0
            if milliseconds > (LLONG_MAX - digit) // 10:
                return 0
            milliseconds = milliseconds * 10 + digit
        self._retry = self.reconnection_time = milliseconds
        return 0

    cdef bint at_boundary(self) noexcept:
        """Tell whether no line is under way, and no field has come since the last blank line."""
        return self._line.length == 0 and self._unfinished == 0

    cdef void release(self) noexcept:
        """At a boundary: give back what memory is kept for the next event."""
        if self._line.memory is not NULL or self._joined.memory is not NULL:
            free(&self._line)
            free(&self._joined)

    cdef bytes hold(self):
        """Copy the rest of the read in hand, and go on in the copy; the caller keeps it until `next` gave NOTHING."""
        cdef bytes rest = PyBytes_FromStringAndSize(self._pos, self._end - self._pos)
        cdef Py_ssize_t moved = PyBytes_AS_STRING(rest) - self._pos
        self._keep_data()
        # Hits before _pos stay before it; they are searched again either way.
        self._lf = self._lf + moved if self._lf >= self._pos else NULL
        self._cr = self._cr + moved if self._cr >= self._pos else NULL
        self._pos += moved
        self._end += moved
        return rest

    cdef void drop(self) noexcept:
        """Let go of the read in hand, and of the block that has begun in it: there was no memory to keep them."""
        self._pos = self._end = self._lf = self._cr = NULL
        self._end_block()

    cdef Found finish_line(self) except? NOTHING:
        """The stream is over: read the line in progress as if it had ended."""
        cdef Found found
        if self._line.length == 0 or self._at_start:
            return NOTHING
        found = self._line_ended(self._line.memory, self._line.length, 0, True)
        self._line.length = 0
        return found

    cdef Found finish_block(self) except? NOTHING:
        """Then read the block as if a blank line had come."""
        if self._lines == 0:
            return NOTHING
        cdef Py_ssize_t unfinished = self._unfinished
        cdef str last_event_id = self.last_event_id
        self._keep_data()
        self._blank_line()
        self._unfinished = unfinished
        self.last_event_id = last_event_id
        return EVENT

    cdef Py_ssize_t finish(self) noexcept:
        """Forget the stream, as `clear` does, and return the bytes of its unfinished block."""
        cdef Py_ssize_t unfinished = self._unfinished
        if self._line.length and (unfinished or self._line.memory[0] != c":"):
            unfinished += self._line.length
        self.clear()
        return unfinished


cdef str text(const char *value, Py_ssize_t length, str known):
    """Decode UTF-8, invalid sequences replaced; give `known` again where it is the same."""
    cdef Py_ssize_t known_length
    cdef const char *utf8 = NULL
    if known is not None:
        try:
            utf8 = PyUnicode_AsUTF8AndSize(known, &known_length)
        except UnicodeEncodeError:  # a caller's own ID, with a lone surrogate
            pass
        if utf8 is not NULL and known_length == length and memcmp(utf8, value, length) == 0:
            return known
    return PyUnicode_DecodeUTF8(value, length, b"replace")


cdef int refuse(str call) except -1:
    raise ConcurrentFeedError(f"{call}() while another call is under way")


cdef object not_pickled(reader):
    return TypeError(f"cannot pickle {type(reader).__name__!r} object: it may be in the middle of a stream")


cdef Py_ssize_t _type_offset = offset_of(ServerSentEvent, "event")
cdef Py_ssize_t _data_offset = offset_of(ServerSentEvent, "data")
cdef Py_ssize_t _id_offset = offset_of(ServerSentEvent, "id")
cdef Py_ssize_t _retry_offset = offset_of(ServerSentEvent, "retry")


@cython.final
cdef class EventParser:
    """Reads an event stream, cut into reads anywhere.

    Sans-I/O: bytes go in, events come out. Parsers share no state.

    Args:
        last_event_id: where a reconnection begins: the id of the events until one is sent.
        limits: `max_event` bounds an event that is not dispatched yet.

    Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
    """

    cdef object __weakref__
    cdef EventReader _reader
    cdef object _first_event_id
    cdef object _limits
    cdef object _error
    cdef unsigned char _busy

    def __cinit__(self):
        self._reader = EventReader(DEFAULT_LIMITS, "", whole=True)

    def __init__(self, *, last_event_id="", limits=DEFAULT_LIMITS):
        if not isinstance(last_event_id, str):
            raise TypeError(f"last_event_id must be a str, not {type(last_event_id).__name__}")
        first_event_id = str.__str__(last_event_id)  # plain, whatever a subclass says of itself
        checked_limits(limits)
        check_idle(self._busy, "__init__")
        self._first_event_id = first_event_id
        self._limits = limits
        self.reset()

    def __reduce__(self):
        raise not_pickled(self)

    def reset(self):
        """Forget everything read, as if newly made.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        check_idle(self._busy, "reset")
        self._reader = EventReader(self._limits, self._first_event_id, whole=True)
        self._error = None

    @property
    def error(self):
        """The fault at which `feed` stopped, and which every later call raises until `reset()`."""
        return self._error

    @property
    def last_event_id(self):
        """The last event ID, as the last blank line left it."""
        return self._reader.last_event_id

    @property
    def reconnection_time(self):
        """The reconnection time in ms that the stream asked for last, None if it did not."""
        return self._reader.reconnection_time

    def feed(self, data):
        """Return the events that `data` completes, in order.

        `data` may end anywhere, inside a UTF-8 character too; the unfinished event is
        kept for the next call. An event comes with the read that holds the first byte
        of its blank line's terminator. Nothing returned refers to `data`.

        Raises:
            LimitExceededError: an earlier call met an event larger than `limits.max_event` bytes.
            TypeError, BufferError: `data` is not bytes-like, or not contiguous.
            ConcurrentFeedError: another call is under way.
        """
        cdef Py_buffer view
        cdef list events
        check_idle(self._busy, "feed")
        if self._error is not None:
            raise self._error.with_traceback(None)
        self._busy = True
        events = []
        try:
            if PyBytes_CheckExact(data):
                self._read(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), events)
            else:
                PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
                try:
                    self._read(<const char *>view.buf, view.len, events)
                finally:
                    PyBuffer_Release(&view)
        except LimitExceededError as error:
            self._error = error
        finally:
            self._busy = False
        return events

    cdef int _read(self, const char *data, Py_ssize_t length, list events) except -1:
        cdef EventReader reader = self._reader
        cdef object event
        try:
            reader.begin(data, length)
            while reader.next() == EVENT:
                event = blank(ServerSentEvent)
                put(event, _type_offset, reader.type or "message")
                put(event, _data_offset, PyUnicode_DecodeUTF8(reader.data, reader.length, b"replace"))
                put(event, _id_offset, reader.last_event_id)
                put(event, _retry_offset, reader.retry)
                events.append(event)
        except BaseException:  # the caller takes the read away
            reader.drop()
            raise
        return 0

    def finish(self):
        """End the stream and return the bytes of the unfinished event that the standard discards.

        Comments before its first field do not count. A later `feed` begins a new
        stream, as a reconnection does: the last event ID and the reconnection time stay.

        Raises:
            LimitExceededError: as `feed` does.
            ConcurrentFeedError: another call is under way.
        """
        check_idle(self._busy, "finish")
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._reader.finish()
