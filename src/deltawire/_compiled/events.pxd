from .scan cimport Block


cdef enum Found:
    NOTHING     # the read is used up
    EVENT       # a blank line ended a block that has data
    ERROR_LINE  # a line `error: {…}`, for readers that ask for it


cdef class EventReader:
    # What was found last. `data` lives until the next call.
    cdef const char *data
    cdef Py_ssize_t length
    cdef str type               # only where `whole`
    cdef str last_event_id      # the same
    cdef object reconnection_time
    cdef object retry

    cdef Py_ssize_t _max_event

    # Flags, a byte each: a server has many readers.
    cdef unsigned char is_error  # the type of what was found last is "error"
    cdef unsigned char _is_error  # the same of the block under way
    cdef unsigned char _whole    # types and ids are wanted, not only data
    cdef unsigned char _error_lines
    cdef unsigned char _at_start  # a BOM may come
    cdef unsigned char _after_cr  # an LF that comes next belongs to that CR

    # The read in hand: owned by the caller, who keeps it until `next` gave NOTHING.
    cdef const char *_pos
    cdef const char *_end
    cdef const char *_lf        # the first LF behind those passed; _end if there is none
    cdef const char *_cr        # the first CR behind those passed; _lf if none is before it

    # The stream between reads.
    cdef Block _line            # the line in progress

    # The block of lines under way.
    cdef Py_ssize_t _lines      # data lines so far
    cdef const char *_value     # the data of one line, in the read; NULL where `_joined` holds it
    cdef Py_ssize_t _value_length
    cdef Block _joined          # data of lines that are no longer, or not all, in the read
    cdef Py_ssize_t _offset     # where in `_joined` the data begins
    cdef str _type
    cdef str _id
    cdef object _retry
    cdef Py_ssize_t _size       # of the finished lines, as Limits.max_event counts it
    cdef Py_ssize_t _unfinished  # bytes of the stream since the last blank line

    cdef int begin(self, const char *data, Py_ssize_t length) except -1
    cdef Found next(self) except? NOTHING
    cdef const char *data_ahead(self) noexcept
    cdef bint take_ahead(self, const char *stop) noexcept
    cdef bint at_boundary(self) noexcept
    cdef void release(self) noexcept
    cdef bytes hold(self)
    cdef void drop(self) noexcept
    cdef Found finish_line(self) except? NOTHING
    cdef Found finish_block(self) except? NOTHING
    cdef Py_ssize_t finish(self) noexcept
    cdef void clear(self) noexcept

    cdef Found _line_ended(self, const char *line, Py_ssize_t length, Py_ssize_t terminator, bint kept) except? NOTHING
    cdef int _add_data(self, const char *value, Py_ssize_t length, bint kept) except -1
    cdef int _keep_data(self) except -1
    cdef int _set_id(self, const char *value, Py_ssize_t length) except -1
    cdef int _set_retry(self, const char *value, Py_ssize_t length) except -1
    cdef bint _alone(self, const char *pos, const char *stop, const char *end) noexcept
    cdef Found _blank_line(self) noexcept
    cdef void _end_block(self) noexcept
    cdef int _check(self, Py_ssize_t line) except -1


# A reader serves one call at a time, and is not pickled: it may be in the middle of a
# stream. Not by a base class, as in the pure twin: a reader would take longer to make.

cdef int refuse(str call) except -1
cdef object not_pickled(reader)


cdef inline int check_idle(unsigned char busy, str call) except -1:
    """Refuse a call while another is under way."""
    return refuse(call) if busy else 0


cdef inline int enter(unsigned char *busy, str call) except -1:
    """The same, and note that this one is."""
    check_idle(busy[0], call)
    busy[0] = True
    return 0
