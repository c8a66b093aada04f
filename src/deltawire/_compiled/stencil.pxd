"""What consecutive payloads of a stream have in common, compared instead of decoded."""

from libc.stdint cimport uint64_t

from .building cimport Node, Types
from .glance cimport Glance
from .shortcut cimport Shortcut
from .tokens cimport MOST_TOKENS, Kind, Span, Token

# Learning from a payload costs about as much as decoding it twice. A match earns a
# little credit; where none comes, learning pauses for ever longer.
cdef enum:
    COST = 4
    FIRST_CREDIT = 32
    TRIAL_CREDIT = 12
    SHORTEST_PAUSE = 32
    LONGEST_PAUSE = 2048

cdef enum:
    MOST_SLOTS = 12
    MOST_BYTES = 2048           # of a payload that is learned from
    MOST_SHARED = 16            # stencils that streams share


cdef struct Payload:
    # One to learn from.
    const char *data
    int length
    int count                   # of its tokens
    Token tokens[MOST_TOKENS]
    uint64_t outline


cdef class Stencil:
    """The literal bytes of a payload, and the slots between them."""
    cdef Span spans[MOST_SLOTS]  # what the slots held at the last match
    cdef Node root              # builds the value; None until a second payload has shown what varies
    cdef Shortcut shortcut      # what readers take that want no value; None until one asks
    cdef Glance glance          # the same for a tap
    cdef object splice          # a rewriter's
    cdef Node model             # builds a client library's model; None until one asks

    cdef bytes _payload
    cdef const char *_data
    cdef int _length
    cdef int _least             # bytes of all literals
    cdef uint64_t _outline
    cdef int _slots
    cdef int _tokens[MOST_SLOTS]  # which tokens of the payload the slots are
    cdef Kind _kinds[MOST_SLOTS]
    cdef int _starts[MOST_SLOTS + 1]  # of the literals: the first, and those behind each slot
    cdef int _ends[MOST_SLOTS + 1]

    cdef const char *match(self, const char *pos, const char *end) noexcept


cdef class Learner:
    """Learns from what no stencil matches, as far as that pays."""
    cdef long long hits
    cdef int _credit            # what learning may still cost
    cdef int _pause             # payloads to let pass when it is used up
    cdef int _skipped           # of these, those to come

    cdef int learn(self, const char *data, Py_ssize_t length, value) except -1
    cdef int _learn(self, const Payload *payload, value) except -1

    cdef inline void earn(self) noexcept:
        """Count a match."""
        self.hits += 1
        if self._credit < FIRST_CREDIT:
            self._credit += 1
            if self._credit == FIRST_CREDIT:
                self._pause = SHORTEST_PAUSE


cdef class Stencils(Learner):
    """Those of one stream. The last one to match is tried first."""
    cdef long long misses
    cdef long long learned

    cdef object _decode         # of msgspec's decoder, to verify matches
    cdef Types _types
    cdef Stencil _first
    cdef Stencil _second

    cdef Stencil match(self, const char *pos, const char *end, const char **stop)
    cdef object build(self, Stencil stencil, const char *data, Py_ssize_t length)
    cdef object verified(self, Stencil stencil, const char *data, Py_ssize_t length)
    cdef list choices(self, Stencil stencil)
    cdef object add_to(self, stats)


cdef class Pool(Learner):
    """Those of many streams, shared by readers that only look at the slots; the latest to match first.

    A reader must have done with the spans before any Python code runs: another reader may match there.
    """
    cdef Types _types
    cdef list _stencils

    cdef Stencil match(self, const char *pos, const char *end, const char **stop)


cdef Stencils stencils_for(decoder)
cdef Pool pool_for(decoder)
cdef object payload_of(bytes data, Learner learner)
cdef bint verifying             # msgspec decodes each match too
