"""Events to a client library's own models."""

from .building cimport Node
from .decoder cimport StreamDecoder
from .tokens cimport Span


cdef class Type:
    """A `Value` of the table."""
    cdef int kind
    cdef bint optional
    cdef object strings         # of a LITERAL
    cdef Type items             # of a LIST
    cdef Table table            # of a MODEL


cdef class Member:
    """A `Field` of the table."""
    cdef str name
    cdef Type type
    cdef bint required


cdef class Table:
    """A `Model` of the table."""
    cdef object type
    cdef list members           # Members
    cdef dict defaults          # all fields, in their order
    cdef Py_ssize_t _sent       # offsets of a model's slots
    cdef Py_ssize_t _extra
    cdef Py_ssize_t _private

    cdef object build(self, dict data, int *fit, bint validated)
    cdef object made(self, dict values, set sent, dict extra)


cdef class ModelNode(Node):
    """A model; what varies is built, the rest copied."""
    cdef Table table
    cdef dict values
    cdef set sent
    cdef dict extra
    cdef list _names            # of values that Nodes build
    cdef list _nodes
    cdef list _extra_names
    cdef list _extra_nodes


cdef class ModelDecoder(StreamDecoder):
    cdef Table _table
    cdef object _construct      # the library's own way

    cdef int _raise_upstream(self, value) except -1
    cdef object _built(self, dict value, const char *data, Py_ssize_t length)
    cdef object _constructed(self, value, bytes data)
