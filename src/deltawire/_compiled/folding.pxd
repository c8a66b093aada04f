"""What a completion is folded into: by chunks, or by the steps of a stencil's match."""

from .scan cimport Block
from .tokens cimport Span


cdef enum:  # the rules, as `rules` has them
    FIRST
    LAST
    JOIN
    EXTEND
    PARTS
    CONTENT
    NEST
    CALLS
    LOGPROBS
    CHOICES


cdef class Held:
    cdef Py_ssize_t bytes_held
    cdef Py_ssize_t items
    cdef Py_ssize_t max_bytes   # 0 for no bound
    cdef Py_ssize_t max_items

    cdef int grow(self, Py_ssize_t size) except -1
    cdef int add_item(self) except -1


cdef class Member:
    """What has become of a member."""
    cdef Held held

    cdef bytes json(self)


cdef class Scalar(Member):
    cdef object value           # a str, or the JSON of anything else
    cdef Py_ssize_t size        # bytes counted for it

    cdef int set(self, value) except -1
    cdef int keep(self, value, Py_ssize_t size) except -1


cdef class Text(Member):
    cdef Block utf8

    cdef int add(self, piece) except -1
    cdef int add_utf8(self, const char *start, Py_ssize_t length) except -1
    cdef int add_span(self, const Span *span) except -1
    cdef str text(self)


cdef class Items(Member):
    cdef Block items            # JSON, a comma between two

    cdef int extend(self, items) except -1


cdef class Places:
    cdef dict _latest           # entries by index
    cdef dict _named            # entries by (index, name)
    cdef dict _names            # by entry

    cdef Member find(self, index, name)
    cdef int put(self, index, name, Member entry) except -1


cdef class Part(Member):
    cdef dict _members

    cdef int fold(self, dict part) except -1
    cdef int _fold(self, name, value) except -1


cdef class Parts(Member):
    cdef list _parts
    cdef Places _places

    cdef int extend(self, parts) except -1
    cdef int append(self, part) except -1
    cdef int _fold(self, index, dict value) except -1


cdef class Content(Member):
    cdef Text text              # what came behind the last part
    cdef Parts parts            # None until some come

    cdef int add(self, piece) except -1


cdef enum:
    MOST = 24                   # members of a table


cdef class Layout:
    """Where the members of a table lie in one Struct."""
    cdef object type
    cdef Py_ssize_t offsets[MOST]


cdef class Table:
    """A table of `rules`, as arrays; each member is known by its place."""
    cdef tuple names
    cdef tuple labels           # the names as JSON in the completion, with the colon
    cdef int rules[MOST]
    cdef Py_ssize_t length
    cdef list nested            # Tables by place, else None
    cdef dict _layouts
    cdef Layout _latest

    cdef Layout layout(self, struct)
    cdef Layout _learn(self, kind)


cdef class Record(Member):
    cdef Table table
    cdef list members           # by place; None where nothing came

    cdef int fold(self, struct) except -1
    cdef int take(self, Py_ssize_t place, value) except -1
    cdef Member member(self, Py_ssize_t place, int rule)


cdef class Probabilities(Member):
    cdef Record _tokens         # None until some come
    cdef Items _numbers

    cdef int add(self, value) except -1


cdef class Calls(Member):
    cdef list _calls            # (index, Record)
    cdef Places _places
    cdef dict _index_of         # by id
    cdef object _next           # the index of a call that comes without one

    cdef int fold(self, fragments) except -1
    cdef Record call(self, index, id)
    cdef Record _new(self, index, name)


cdef class Choices(Member):
    cdef dict _choices          # Records by index
    cdef object _index          # of the choice that came last
    cdef Record _choice

    cdef int fold(self, choices) except -1
    cdef Record choice(self, index)


cdef class Folding:
    cdef Record record
    cdef Choices choices

    cdef int fold(self, chunk) except -1
    cdef bytes json(self)


cdef bint is_nothing(value)
cdef Table chunk_table()
cdef Table choice_table()
cdef Table call_table()
