"""JSON text as tokens: what learning compares, and what a slot may hold."""

from libc.stdint cimport uint64_t

cdef enum:
    MOST_TOKENS = 192           # of a payload that is learned from
    MOST_DEPTH = 16


cdef enum Kind:
    OBJECT
    ARRAY
    STRING
    INTEGER                     # within 18 digits, hence within int64
    OTHER                       # true, false, null, and other numbers


cdef struct Token:
    Kind kind
    int start                   # the bytes that it spans; a string without its quotes
    int end
    int key                     # of its member's name, without quotes; -1 in an array
    int key_end
    int after                   # the first token behind it and all inside it


cdef int scan(const char *data, Py_ssize_t length, Token *tokens) noexcept
cdef uint64_t outline(Py_ssize_t length, const Token *tokens, int count) noexcept
cdef int differences(const char *old, Py_ssize_t old_length, const Token *old_tokens,
                     const char *new, Py_ssize_t new_length, const Token *new_tokens,
                     int count, int *differing) noexcept


cdef enum:
    ESCAPED = 1                 # what a string holds
    NON_ASCII = 2


cdef struct Span:
    const char *start
    Py_ssize_t length
    int holds


cdef const char *read_string(const char *pos, const char *end, Span *span) noexcept
cdef const char *read_integer(const char *pos, const char *end, Span *span) noexcept
cdef long long integer(const Span *span) noexcept
cdef Py_ssize_t unescaped(const Span *span, char *target) noexcept
cdef str text(const Span *span)
