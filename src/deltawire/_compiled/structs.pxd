"""msgspec Structs by the offsets of their members: a fraction of the time of a call or an attribute."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

cdef extern from "Python.h":
    ctypedef struct PyTypeObject
    object PyType_GenericAlloc(PyTypeObject *type, Py_ssize_t items)
    bint PyLong_CheckExact(object value) noexcept
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1

cdef Py_ssize_t offset_of(object struct, str member) except -1


cdef inline PyObject *member(object struct, Py_ssize_t offset) noexcept:
    """Return the member at `offset`, borrowed; None where it was deleted."""
    cdef PyObject *value = (<PyObject **>(<char *><PyObject *>struct + offset))[0]
    return <PyObject *>None if value is NULL else value


cdef inline object index_of(object index, object place):
    """Return the index that was sent; `place` where none was, or one that 64 bits do not hold."""
    cdef int overflow = 0
    if index is None:
        return place
    if PyLong_CheckExact(index):
        PyLong_AsLongLongAndOverflow(index, &overflow)
    return place if overflow else index


cdef inline object blank(object struct):
    """Return a new instance whose members are all to be `put`: no `__init__` and no default is run."""
    return PyType_GenericAlloc(<PyTypeObject *><PyObject *>struct, 0)


cdef inline void put(object struct, Py_ssize_t offset, object value) noexcept:
    """Set a member of a `blank` instance, once."""
    Py_INCREF(value)
    (<PyObject **>(<char *><PyObject *>struct + offset))[0] = <PyObject *>value
