from .scan cimport Block
from .stencil cimport Stencil, Stencils
from .tokens cimport Span

cdef enum:
    MOST_CUTS = 8


cdef struct Cut:
    # From and to, each as a place in one of the stencil's literals.
    int literal
    int offset
    int end_literal
    int end_offset
    const char *instead         # kept by the Splice
    Py_ssize_t instead_length


cdef class Splice:
    """What is to be done with the matches of a stencil."""
    cdef bint asks              # an event must be looked at by itself
    cdef bint drops
    cdef int length
    cdef Cut cuts[MOST_CUTS]
    cdef list _kept

    cdef int _place(self, Stencil stencil, Py_ssize_t at, int *literal, int *offset) except -1


cdef class Rewriter:
    cdef object __weakref__
    cdef bytes _model
    cdef bint _drops_usage
    cdef object _each
    cdef object _tap
    cdef object _limits
    cdef Py_ssize_t _max_event
    cdef unsigned char _busy

    cdef Stencils _stencils     # None where there are none
    cdef Block _ready           # what goes on
    cdef Block _rest            # of the block under way
    cdef const char *_copied    # of the read, or the block, in hand: up to here it is in `_ready`, or is not to be
    cdef const char *_lf        # of the read in hand, the first LF behind those passed; its end if there is none
    cdef Py_ssize_t _line       # bytes of the line in progress
    cdef bint _at_start         # a BOM may come
    cdef bint _after_cr         # an LF that comes next belongs to that CR
    cdef bint _owes_lf          # and goes on
    cdef object _blocks         # to be rewritten; None where there is no `each`
    cdef Py_ssize_t _waiting    # bytes of them
    cdef object _overflow
    cdef str _family
    cdef bint _has_done         # streams of that family end with `[DONE]`
    cdef bint _done

    cdef bytes _begun(self, bytes data)
    cdef bytes _take_ready(self)
    cdef int _copy(self, const char *end) except -1
    cdef int _check(self, Py_ssize_t size) except -1
    cdef int _rewrite(self, const char *pos, const char *end) except -1
    cdef const char *_past_lf(self, const char *pos, const char *end) except? NULL
    cdef const char *_end_of_block(self, const char *pos, const char *end) noexcept
    cdef const char *_take_ahead(self, const char *pos, const char *end) except? NULL
    cdef int _take_block(self, const char *pos, const char *end) except -1
    cdef bint _is_idle(self) noexcept
    cdef bytes _rewritten(self, bytes block)
    cdef Splice _splice(self, Stencil stencil)
    cdef int _apply(self, Stencil stencil, const char *data, const char *pos, const char *end) except -1
    cdef int _verify(self, Stencil stencil, const char *data, const char *stop) except -1
    cdef int _queue(self, bytes read) except -1
    cdef int _cut(self, bytes read) except -1
    cdef int _drain(self) except -1
