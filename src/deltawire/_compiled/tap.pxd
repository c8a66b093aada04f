from .events cimport EventReader, Found
from .folding cimport Text
from .glance cimport Glance
from .stencil cimport Pool, Stencil
from .tokens cimport Span


cdef class Histogram:
    cdef tuple bounds
    cdef Py_ssize_t _length
    cdef long long *_limits     # owned; behind them
    cdef long long *_counts     # the counts

    cdef void add(self, long long value) noexcept
    cdef list all(self)


cdef class Tap:
    cdef object __weakref__
    cdef object _limits

    cdef EventReader _reader
    cdef Pool _stencils         # None where there are none
    cdef bytes _head            # the first bytes, until they have told

    # Flags, a byte each: a server has many taps.
    cdef unsigned char _wants_text
    cdef unsigned char _knows_family  # it was asked for
    cdef unsigned char _busy
    cdef unsigned char _lost    # nothing but bytes is counted any more
    cdef unsigned char _errored
    cdef unsigned char _done
    cdef unsigned char _status  # where it is not done
    cdef unsigned char _speaks  # this read bears output
    cdef unsigned char _noted   # and its time is kept: what `close` reads of it comes at no other
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

    cdef object _usage          # a Usage; the payload that has it; None
    cdef const char *_counted_at  # this read's last match that had one
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
    cdef Histogram _gaps        # None where it is not wanted

    cdef object _report(self)
    cdef dict _finish_reasons(self)
    cdef Py_ssize_t _take_read(self, const char *data, Py_ssize_t length, at) except -1
    cdef bint _is_readable(self, const char *data, Py_ssize_t length) except -1
    cdef int _observe(self, const char *data, Py_ssize_t length) except -1
    cdef int _end(self) except -1
    cdef bint _is_whole(self) except -1
    cdef int _lose(self, unsigned char status) except -1
    cdef int _end_read(self) except -1
    cdef int _drain(self) except -1
    cdef int _take_ahead(self) except -1
    cdef int _take(self, Found found) except -1
    cdef int _take_object(self, bint learns) except -1
    cdef bint _tells(self, Stencil stencil) except -1
    cdef int _take_match(self, Stencil stencil, const char *data, const char *end) except -1
    cdef int _add_texts(self, Glance glance, const Span *spans) except -1
    cdef int _verify(self, Glance glance, const Span *spans, const char *data, const char *end) except -1
    cdef int _take_payload(self, dict payload) except -1
    cdef int _note_error(self, error) except -1
    cdef int _note_choice(self, index, reason) except -1
    cdef int _keep_usage(self) except -1
    cdef object _usage_so_far(self)
