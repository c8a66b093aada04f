"""Where the members of msgspec Structs lie."""

from types import MemberDescriptorType

cdef extern from *:
    """
    #include "structmember.h"
    static Py_ssize_t deltawire_offset(PyObject *struct_type, PyObject *descriptor) {
        PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
        if (!PyType_IsSubtype((PyTypeObject *)struct_type, PyDescr_TYPE(descriptor)))
            return -1;
        return member->type == T_OBJECT_EX ? member->offset : -1;
    }
    """
    Py_ssize_t deltawire_offset(object struct, object descriptor) noexcept  # -1 where it is not its, or holds no object


cdef Py_ssize_t offset_of(object struct, str member) except -1:
    """Return the offset of a Struct's member in its instances, in bytes.

    Raises:
        TypeError: the type has no such member, or has covered it with something else.
    """
    descriptor = getattr(struct, member, None)
    cdef Py_ssize_t offset = -1
    if type(descriptor) is MemberDescriptorType:
        offset = deltawire_offset(struct, descriptor)
    if offset < 0:
        raise TypeError(f"{struct.__name__}.{member} is no member of a Struct")
    return offset
