"""How a stencil's value is built anew from its slots."""

from .tokens cimport Span, Token


cdef class Node:
    """A part of the value."""
    cdef object build(self, const Span *spans)


cdef class Constant(Node):
    """A value that cannot change, shared by all that are built."""
    cdef object value


cdef class StringSlot(Node):
    cdef int slot


cdef class IntegerSlot(Node):
    cdef int slot


cdef class Shape:
    """What a Struct is made of, looked up once for each type."""
    cdef object type
    cdef tuple names            # of the members
    cdef tuple defaults         # shared; NODEFAULT where there is none
    cdef tuple factories        # NODEFAULT where there is none
    cdef tuple infos            # the members' types
    cdef dict places            # by the name that is sent
    cdef dict members           # places by the member's own name
    cdef object tag_field
    cdef bint forbids_unknown
    cdef Py_ssize_t length
    cdef Py_ssize_t *offsets    # owned


cdef class StructNode(Node):
    """A Struct; members that vary are built, the others shared."""
    cdef Shape shape
    cdef list members           # in the Struct's order: Nodes, and values to be shared
    cdef Py_ssize_t *_offsets   # owned; of all members, sorted by what is done with them
    cdef Py_ssize_t _nones      # the first so many are None,
    cdef Py_ssize_t _shared     # then come so many others to be shared,
    cdef Py_ssize_t _built      # then so many that Nodes build
    cdef list _values           # of the latter two

    cdef Node member(self, str name)


cdef class ListNode(Node):
    cdef list items             # Nodes


cdef class DictNode(Node):
    cdef list keys
    cdef list values            # Nodes


cdef class Types:
    """A type that is decoded, and the shapes of the Structs in it."""
    cdef object info            # of msgspec.inspect
    cdef dict _shapes           # by the id of their info, which `info` keeps

    cdef Shape shape(self, info)


cdef class Plan:
    """Draws up the Node of a value that msgspec has made of a payload, and knows where slots may stand."""
    cdef const char *data
    cdef const Token *tokens
    cdef const int *slots       # by token: its slot, or -1
    cdef int placed             # slots that a Node was found for, or that nothing is built for
    cdef Types types

    cdef Node node(self, value, int at, info)
    cdef Node _slot(self, value, int at, info)
    cdef Node _struct(self, value, int at, info)
    cdef Node _list(self, list value, int at, info)
    cdef Node _dict(self, dict value, int at, info)
    cdef int _skip(self, int at) except -1
    cdef str _key(self, int at)


cdef Types types_of(kind)
cdef Node plan(Types types, value, const char *data, const Token *tokens, const int *slots, int count)
