"""Searching bytes, and a block of memory that grows. Ranges are half open, `[pos, end)`."""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memchr, memcpy

cdef extern from "Python.h":
    Py_ssize_t NO_LIMIT "PY_SSIZE_T_MAX"


cdef inline const char *find(const char *pos, const char *end, char byte) noexcept nogil:
    """Return the first `byte` in `[pos, end)`, or `end` if there is none."""
    cdef const char *hit = <const char *>memchr(pos, byte, end - pos)
    return end if hit is NULL else hit


cdef struct Block:
    char *memory         # owned; NULL until the first append
    Py_ssize_t length    # bytes in use
    Py_ssize_t capacity  # bytes owned


cdef inline int reserve(Block *block, Py_ssize_t length, Py_ssize_t smallest) except -1:
    """Make room for `length` bytes more; a block that must grow grows at least by half, and to `smallest` bytes."""
    cdef Py_ssize_t needed = block.length + length
    cdef Py_ssize_t capacity
    cdef char *memory
    if needed > block.capacity:
        capacity = max(needed, smallest, block.capacity + block.capacity // 2)
        memory = <char *>PyMem_Realloc(block.memory, capacity)
        if memory is NULL:
            raise MemoryError
        block.memory = memory
        block.capacity = capacity
    return 0


cdef inline int append(Block *block, const char *start, Py_ssize_t length, Py_ssize_t smallest) except -1:
    """Append `length` bytes."""
    if length == 0:
        return 0
    reserve(block, length, smallest)
    memcpy(block.memory + block.length, start, length)
    block.length += length
    return 0


cdef inline void free(Block *block) noexcept:
    """Give the memory back."""
    PyMem_Free(block.memory)
    block.memory = NULL
    block.length = block.capacity = 0


cdef inline void empty(Block *block, Py_ssize_t kept) noexcept:
    """Forget the bytes, and the memory too where it is larger than `kept` bytes."""
    block.length = 0
    if block.capacity > kept:
        free(block)
