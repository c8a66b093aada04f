from cpython.object cimport PyObject

from .events cimport EventReader, Found
from .stencil cimport Stencil, Stencils


cdef class Window:
    cdef const char *start      # whoever set it keeps the memory for the call
    cdef Py_ssize_t length
    cdef Py_ssize_t exports     # buffers handed out and not released


cdef class StreamDecoder:
    cdef object __weakref__
    cdef EventReader _reader
    cdef Window _window
    cdef object _decoder        # msgspec's
    cdef object _json           # its decode()
    cdef bint _borrows          # nothing decoded can refer to the window
    cdef object _limits
    cdef bytes _sentinel
    cdef bint _braced           # the sentinel begins as an object does
    cdef bint _tolerates
    cdef unsigned char _busy

    cdef Stencils _stencils     # None where there are none
    cdef const char *_missed    # data that no stencil has matched

    cdef object _held           # reads that a fault has stopped, the rest of the first, then whole ones
    cdef Py_ssize_t _waiting    # bytes of those that are still to begin
    cdef object _error
    cdef object _overflow       # raised behind `_error`
    cdef object _end
    cdef bint _done
    cdef long long _bytes
    cdef long long _events
    cdef long long _chunks
    cdef long long _coerced
    cdef dict _finish_reasons

    cdef int _raise_error(self) except -1
    cdef int _read(self, const char *data, Py_ssize_t length, object owner, list chunks) except -1
    cdef int _drain(self, list chunks) except -1
    cdef int _drain_held(self, list chunks) except -1
    cdef int _wait(self, Py_ssize_t size) except -1
    cdef int _keep_rest(self) except -1
    cdef int _take(self, Found found, list chunks) except -1
    cdef int _take_ahead(self, list chunks) except -1
    cdef bint _matches(self, list chunks) except -1
    cdef int _take_match(self, Stencil stencil, const char *data, Py_ssize_t length, list chunks) except -1
    cdef int _decode(self, list chunks) except -1
    cdef int _take_refused(self, refusal, list chunks) except -1
    cdef int _take_value(self, value, const char *data, Py_ssize_t length, list chunks) except -1
    cdef PyObject *_typed(self) noexcept
    cdef object _no_chunk(self, bytes data, reason)
    cdef object _read_rest(self, list chunks)


cdef inline bint is_space(char byte) noexcept:
    return byte == c" " or byte == c"\t" or byte == c"\r" or byte == c"\n"
