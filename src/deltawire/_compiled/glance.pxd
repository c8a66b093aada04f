"""What a tap sees of a match, without its value."""

from .building cimport DictNode, Node
from .tokens cimport Span

cdef enum:
    MOST_OUTPUTS = 6
    MOST_INDEXES = 8


cdef class Glance:
    cdef str family             # of the stream
    cdef bint tells             # else the payload must be decoded, and asked
    cdef bint has_model         # and an id
    cdef bint has_id
    cdef bint has_usage
    cdef int fixed[MOST_INDEXES]  # indexes of choices, below 64
    cdef int fixed_length
    cdef int indexes[MOST_INDEXES]  # the slots of others
    cdef int indexes_length
    cdef list texts             # of the content of choice 0: (slot of the choice's index or -1, Node)

    cdef bint _bears            # output, whatever the slots hold
    cdef int _outputs[MOST_OUTPUTS]  # the slots that bear output where they are not empty
    cdef int _outputs_length

    cdef bint bears_output(self, const Span *spans) noexcept
    cdef int _take_chat(self, DictNode root) except -1
    cdef int _take_choice(self, Node node) except -1
    cdef int _take_delta(self, DictNode delta) except -1
    cdef int _take_response(self, DictNode root, str kind) except -1
    cdef int _take_message(self, DictNode root, str kind) except -1
    cdef int _add_text(self, int slot, Node node) except -1
    cdef int _speaks(self, Node node) except -1


cdef Glance glance_of(Node root, str family)
