from .events cimport EventReader, Found
from .folding cimport Text
from .stencil cimport Stencil, Stencils


cdef class Tap:
    cdef object __weakref__
    cdef str _asked_family
    cdef object _limits
    cdef bint _wants_text
    cdef bint _feeding

    cdef EventReader _reader
    cdef Stencils _stencils     # None where there are none
    cdef const char *_missed    # data that no stencil has matched
    cdef bytes _head            # the first bytes, until they have told

    cdef bint _lost             # nothing but bytes is counted any more
    cdef bint _errored
    cdef bint _done
    cdef bint _speaks           # this read bears output
    cdef str _status
    cdef str _family
    cdef object _model
    cdef object _id
    cdef object _error
    cdef Text _text             # None where it is not wanted
    cdef long long _bytes
    cdef long long _events
    cdef long long _chunks
    cdef long long _faults
    cdef long long _output

    cdef object _usage          # a Usage; a dict that is to become one; None
    # Of this read's last match that had one.
    cdef Stencil _counted
    cdef const char *_counted_at
    cdef const char *_counted_end

    cdef unsigned long long _choices  # those below 64, as bits
    cdef long long _choice_count
    cdef dict _reasons          # of the choices that have finished, and of all others; None until there are some

    # In ns.
    cdef long long _started_at
    cdef long long _read_at
    cdef long long _first_byte_at
    cdef long long _first_token_at
    cdef long long _last_token_at
    cdef long long _max_gap
    cdef long long _closed_at

    cdef int _enter(self, str name) except -1
    cdef object _report(self)
    cdef dict _finish_reasons(self)
    cdef Py_ssize_t _take_read(self, const char *data, Py_ssize_t length, at) except -1
    cdef bint _is_readable(self, const char *data, Py_ssize_t length) except -1
    cdef int _observe(self, const char *data, Py_ssize_t length) except -1
    cdef int _end(self) except -1
    cdef bint _is_whole(self) except -1
    cdef int _lose(self, str status) except -1
    cdef int _end_read(self) except -1
    cdef int _drain(self) except -1
    cdef int _take_ahead(self) except -1
    cdef int _take(self, Found found) except -1
    cdef int _take_object(self) except -1
    cdef int _take_match(self, Stencil stencil, const char *data, const char *end) except -1
    cdef int _verify(self, Stencil stencil, const char *data, const char *end) except -1
    cdef int _take_payload(self, dict payload) except -1
    cdef int _note_error(self, error) except -1
    cdef int _note_choice(self, index, reason) except -1
    cdef int _note_usage(self) except -1
