"""How a match is folded into a completion, without its chunk."""

from cpython.object cimport PyObject

from .building cimport Node, StructNode
from .folding cimport MOST, Record, Table
from .tokens cimport Span


cdef enum Action:
    BEGIN                       # the first value stays: nothing to do once there is one
    KEEP                        # a constant that is replaced by the next
    JOINED                      # the text of a slot
    CONTENTS                    # the same, where parts may come too
    NESTED                      # an object
    CALLED                      # tool calls
    WRITTEN                     # an object that is replaced by the next, with integers in its slots
    TAKE                        # anything else: the member is built, and folded as if it had come so


cdef struct Step:
    Action action
    int place                   # in the record's table
    int slot
    Py_ssize_t size             # bytes that count for a constant
    PyObject *thing             # kept by `_things`: a constant as `Scalar` keeps it, or what is to do


cdef class Call:
    """A fragment of a tool call."""
    cdef object index
    cdef object id
    cdef Steps steps


cdef class Writing:
    """The JSON of a value, as msgspec writes it: literal bytes, and integers between them."""
    cdef list _literals
    cdef list _slots

    cdef bytes write(self, const Span *spans)
    cdef bint _add(self, Node node) except -1
    cdef int _add_literal(self, bytes literal) except -1


cdef class Steps:
    """Of one object, in the order of its table."""
    cdef Step _steps[MOST]
    cdef bint constant          # a second fold, right after the first, changes nothing
    cdef int _length
    cdef Table _table
    cdef list _things

    cdef int fold(self, Record record, const Span *spans) except -1
    cdef int _draw(self, int place, Node node) except -1
    cdef int _draw_other(self, int rule, int place, Node node) except -1
    cdef int _add(self, Action action, int place, thing) except -1


cdef Steps draw(Table table, StructNode struct)
