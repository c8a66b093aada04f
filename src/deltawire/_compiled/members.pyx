"""The members of an object, found as `splicing` finds them, in a tenth of the time.

The payload is valid, for a decoder has read it: tokens are told apart by their first
bytes. All the same nothing is read past its end.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memchr

from ..splicing import plain


def members(bytes data):
    """Return name, start, start of the value, and end of each member of an object."""
    cdef const char *start = PyBytes_AS_STRING(data)
    cdef const char *end = start + PyBytes_GET_SIZE(data)
    cdef const char *pos = past_space(start, end)
    cdef const char *value
    cdef const char *name
    cdef const char *name_end
    cdef list found = []
    if pos < end:
        pos = past_space(pos + 1, end)  # the brace
    while pos < end and pos[0] == c'"':
        name = pos
        name_end = past_string(pos, end)
        value = past_space(name_end, end)
        if value < end:
            value = past_space(value + 1, end)  # the colon
        pos = past_value(value, end)
        found.append((text(name, name_end), name - start, value - start, pos - start))
        pos = past_space(pos, end)
        if pos < end and pos[0] == c",":
            pos = past_space(pos + 1, end)
    return found


cdef bytes text(const char *pos, const char *end):
    """Return what a string, with its quotes, says."""
    if memchr(pos, c"\\", end - pos) is NULL:
        return pos[1:end - pos - 1]
    return plain(pos[:end - pos])


cdef inline const char *past_space(const char *pos, const char *end) noexcept:
    while pos < end and (pos[0] == c" " or pos[0] == c"\t" or pos[0] == c"\r" or pos[0] == c"\n"):
        pos += 1
    return pos


cdef const char *past_string(const char *pos, const char *end) noexcept:
    pos += 1
    while pos < end:
        if pos[0] == c'"':
            return pos + 1
        pos += 2 if pos[0] == c"\\" else 1
    return end


cdef const char *past_value(const char *pos, const char *end) noexcept:
    cdef Py_ssize_t depth = 0
    while pos < end:
        if pos[0] == c'"':
            pos = past_string(pos, end)
        elif pos[0] == c"{" or pos[0] == c"[":
            depth += 1
            pos += 1
            continue
        elif pos[0] == c"}" or pos[0] == c"]":
            if depth == 0:
                return pos  # that of the object, behind a number
            depth -= 1
            pos += 1
        elif depth:
            pos += 1
            continue
        else:
            # A number, true, false or null: up to what cannot be part of it.
            while pos < end and pos[0] not in b",}] \t\r\n":
                pos += 1
        if depth == 0:
            return pos
    return end
