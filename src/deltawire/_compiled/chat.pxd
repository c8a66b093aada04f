from .decoder cimport StreamDecoder
from .stencil cimport Stencil


cdef class ChatReader(StreamDecoder):
    cdef object _type
    cdef Py_ssize_t _choices_offset
    cdef Py_ssize_t _error_offset
    cdef object _choice_type    # of the offsets below; None before the first choice
    cdef Py_ssize_t _index_offset
    cdef Py_ssize_t _reason_offset
    cdef object _open_index     # a choice seen that has not finished

    cdef int _give(self, chunk, list items) except -1
    cdef int _note_choices(self, chunk) except -1
    cdef int _learn_choice(self, choice) except -1
    cdef int _note_shortcuts(self, list choices, Stencil stencil) except -1
    cdef int _note(self, index, reason) except -1
