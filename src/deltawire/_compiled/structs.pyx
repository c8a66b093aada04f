"""Where the members of msgspec Structs lie."""

from types import MemberDescriptorType

cdef extern from *:
    """
    #include "structmember.h"
    static Py_ssize_t deltawire_offset(PyObject *descriptor) {
        return ((PyMemberDescrObject *)descriptor)->d_member->offset;
    }
    """
    Py_ssize_t deltawire_offset(object descriptor) noexcept


cdef Py_ssize_t offset_of(object struct, str member) except -1:
    """Return the offset of a Struct's member in its instances, in bytes.

    Raises:
        TypeError: the type has no such member, or has covered it with something else.
    """
    descriptor = getattr(struct, member, None)
    if type(descriptor) is not MemberDescriptorType:
        raise TypeError(f"{struct.__name__}.{member} is no member of a Struct")
    return deltawire_offset(descriptor)
