"""What a match says about its choices, without its chunk."""

from .building cimport Node, StructNode
from .tokens cimport Span


cdef class ChoiceShortcut:
    cdef StructNode node
    cdef object reason          # the finish reason
    cdef object steps           # how the choice is folded
    cdef object _index          # None where it is in a slot
    cdef int _slot
    cdef Node _content          # None where there is none

    cdef object index(self, const Span *spans)
    cdef object text(self, const Span *spans)


cdef class Shortcut:
    cdef StructNode root
    cdef list choices           # ChoiceShortcuts; None where the chunk must be built
    cdef object steps           # how the chunk is folded
