"""How a stencil's value is built anew from its slots.

What two values share cannot be changed: str, int, float, bool, None, by exact type.
Structs, lists and dicts are made anew each time. Any other type has no place here.
"""

cimport cython
from cpython.list cimport PyList_New
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from .structs cimport blank, offset_of, put
from .tokens cimport ARRAY, INTEGER, OBJECT, Span, Token, integer, read_integer, read_string, text

cdef extern from *:
    """
    static inline void deltawire_add_nones(Py_ssize_t count) {
    #if PY_VERSION_HEX < 0x030C0000  /* else None is immortal */
        Py_SET_REFCNT(Py_None, Py_REFCNT(Py_None) + count);
    #else
        (void)count;
    #endif
    }
    """
    void add_nones "deltawire_add_nones"(Py_ssize_t count) noexcept
    PyObject *PyList_GET_ITEM(list items, Py_ssize_t place) noexcept  # borrowed
    void PyList_SET_ITEM(list items, Py_ssize_t place, item) noexcept  # steals a reference

from functools import lru_cache
from typing import get_origin

from msgspec import NODEFAULT, Struct
from msgspec.inspect import AnyType, DictType, IntType, ListType, StrType, StructType, UnionType, type_info
from msgspec.structs import astuple

# Types whose values may be shared.
_FIXED = frozenset({str, int, float, bool, type(None)})


class Unfit(Exception):
    """The value cannot be built from slots."""


cdef class Node:
    cdef object build(self, const Span *spans):
        """Return the value; `spans` has what the slots hold."""
        raise NotImplementedError


@cython.final
cdef class Constant(Node):
    def __cinit__(self, value):
        self.value = value

    cdef object build(self, const Span *spans):
        return self.value


@cython.final
cdef class StringSlot(Node):
    def __cinit__(self, int slot):
        self.slot = slot

    cdef object build(self, const Span *spans):
        return text(&spans[self.slot])


@cython.final
cdef class IntegerSlot(Node):
    def __cinit__(self, int slot):
        self.slot = slot

    cdef object build(self, const Span *spans):
        return integer(&spans[self.slot])


cdef tuple of_each(items, str name):
    cdef list values = []
    for item in items:
        values.append(getattr(item, name))
    return tuple(values)


@cython.final
cdef class Shape:
    def __cinit__(self, info):
        cdef Py_ssize_t place
        fields = info.fields
        self.type = get_origin(info.cls) or info.cls
        if info.array_like or hasattr(self.type, "__post_init__"):
            raise Unfit(f"{self.type.__name__} is not built")
        self.names = of_each(fields, "name")
        self.defaults = of_each(fields, "default")
        self.factories = of_each(fields, "default_factory")
        self.infos = of_each(fields, "type")
        self.places = {field.encode_name: place for place, field in enumerate(fields)}
        self.members = {field.name: place for place, field in enumerate(fields)}
        self.tag_field = info.tag_field
        self.forbids_unknown = info.forbid_unknown_fields
        self.length = len(fields)
        self.offsets = <Py_ssize_t *>PyMem_Malloc(max(1, self.length) * sizeof(Py_ssize_t))
        if self.offsets is NULL:
            raise MemoryError
        for place in range(self.length):
            self.offsets[place] = offset_of(self.type, self.names[place])

    def __dealloc__(self):
        PyMem_Free(self.offsets)


@cython.final
cdef class StructNode(Node):
    def __cinit__(self, Shape shape, list members):
        cdef Py_ssize_t place
        cdef Py_ssize_t at = 0
        self.shape = shape
        self.members = members
        self._values = []
        self._offsets = <Py_ssize_t *>PyMem_Malloc(max(1, shape.length) * sizeof(Py_ssize_t))
        if self._offsets is NULL:
            raise MemoryError
        for place in range(shape.length):
            if members[place] is None:
                self._offsets[at] = shape.offsets[place]
                at += 1
        self._nones = at
        for place in range(shape.length):
            if members[place] is not None and not isinstance(members[place], Node):
                self._offsets[at] = shape.offsets[place]
                at += 1
                self._values.append(members[place])
        self._shared = at - self._nones
        for place in range(shape.length):
            if isinstance(members[place], Node):
                self._offsets[at] = shape.offsets[place]
                at += 1
                self._values.append(members[place])
        self._built = at - self._nones - self._shared

    def __dealloc__(self):
        PyMem_Free(self._offsets)

    cdef Node member(self, str name):
        """Return the Node of a member; None where it is None, or no member of the Struct."""
        place = self.shape.members.get(name)
        member = None if place is None else self.members[place]
        return member if member is None or isinstance(member, Node) else Constant(member)

    cdef object build(self, const Span *spans):
        cdef object made = blank(self.shape.type)
        cdef char *base = <char *><PyObject *>made
        cdef const Py_ssize_t *offset = self._offsets
        cdef PyObject *value
        cdef Py_ssize_t at
        # One by one, each None would wait for the count of the one before.
        add_nones(self._nones)
        for at in range(self._nones):
            (<PyObject **>(base + offset[at]))[0] = <PyObject *>None
        offset += self._nones
        for at in range(self._shared):
            value = PyList_GET_ITEM(self._values, at)
            Py_INCREF(<object>value)
            (<PyObject **>(base + offset[at]))[0] = value
        for at in range(self._shared, self._shared + self._built):
            put(made, offset[at], (<Node>PyList_GET_ITEM(self._values, at)).build(spans))
        return made


@cython.final
cdef class ListNode(Node):
    def __cinit__(self, list items):
        self.items = items

    cdef object build(self, const Span *spans):
        cdef Py_ssize_t length = len(self.items)
        cdef list made = PyList_New(length)
        cdef Py_ssize_t at
        for at in range(length):
            item = (<Node>PyList_GET_ITEM(self.items, at)).build(spans)
            Py_INCREF(item)
            PyList_SET_ITEM(made, at, item)
        return made


@cython.final
cdef class DictNode(Node):
    def __cinit__(self, list keys, list values):
        self.keys = keys
        self.values = values

    cdef object build(self, const Span *spans):
        cdef dict made = {}
        for key, node in zip(self.keys, self.values):
            made[key] = (<Node>node).build(spans)
        return made


@cython.final
cdef class Plan:
    """Draws up the Node of a value that msgspec has made of a payload, and knows the slots that may stand."""

    cdef Node node(self, value, int at, info):
        """Return the Node of `value`, which the token `at` became as the type `info`.

        Raises:
            Unfit: it is of a type that is not built, or a slot may not stand where it does.
        """
        kind = type(value)
        if self.slots[at] >= 0:
            return self._slot(value, at, info)
        if kind in _FIXED:
            if self.tokens[at].kind == OBJECT or self.tokens[at].kind == ARRAY:
                raise Unfit(f"{kind.__name__} from a container")
            return Constant(value)
        if kind is list:
            return self._list(value, at, info)
        if kind is dict:
            return self._dict(value, at, info)
        if isinstance(value, Struct):
            return self._struct(value, at, info)
        raise Unfit(f"a {kind.__name__} is not built")

    cdef Node _slot(self, value, int at, info):
        cdef Span span
        cdef const Token *token = &self.tokens[at]
        cdef const char *start = self.data + token.start
        cdef const char *end = self.data + token.end
        self.placed += 1
        if token.kind == INTEGER:
            if takes(info, IntType) and type(value) is int and read_integer(start, end, &span) == end:
                if value == integer(&span):
                    return IntegerSlot(self.slots[at])
        elif takes(info, StrType) and type(value) is str and read_string(start, end + 1, &span) == end:
            if value == text(&span):
                return StringSlot(self.slots[at])
        raise Unfit("not every value may stand here")

    cdef Node _struct(self, value, int at, info):
        cdef Shape shape = self.types.shape(struct_info(info, type(value)))
        cdef int child = at + 1
        cdef Py_ssize_t place
        cdef list members = list(shape.defaults)
        if self.tokens[at].kind != OBJECT:
            raise Unfit("a Struct from no object")
        cdef set sent = set()
        while child < self.tokens[at].after:
            name = self._key(child)
            known = shape.places.get(name)
            if known is not None:
                place = known
                sent.add(known)
                node = self.node(getattr(value, shape.names[place]), child, shape.infos[place])
                members[place] = (<Constant>node).value if isinstance(node, Constant) else node
            elif name == shape.tag_field:
                if self.slots[child] >= 0:
                    raise Unfit("a tag is no slot")
            elif shape.forbids_unknown:
                raise Unfit("an unknown member")
            else:
                self._skip(child)
            child = self.tokens[child].after
        for place in range(shape.length):
            if members[place] is NODEFAULT and place not in sent:
                members[place] = fresh(shape.factories[place])
        return StructNode(shape, members)

    cdef int _skip(self, int at) except -1:
        """Count the slots of an unknown member, which nothing is built for."""
        cdef int inner
        for inner in range(at, self.tokens[at].after):
            if self.slots[inner] >= 0:
                self.placed += 1
        return 0

    cdef Node _list(self, list value, int at, info):
        cdef list items = []
        cdef int child = at + 1
        item_info = container_info(info, ListType, "item_type")
        if self.tokens[at].kind != ARRAY:
            raise Unfit("a list from no array")
        for item in value:
            if child >= self.tokens[at].after:
                raise Unfit("more items than were sent")
            items.append(self.node(item, child, item_info))
            child = self.tokens[child].after
        if child != self.tokens[at].after:
            raise Unfit("fewer items than were sent")
        return ListNode(items)

    cdef Node _dict(self, dict value, int at, info):
        cdef list keys = []
        cdef list values = []
        cdef int child = at + 1
        value_info = container_info(info, DictType, "value_type")
        if self.tokens[at].kind != OBJECT:
            raise Unfit("a dict from no object")
        while child < self.tokens[at].after:
            key = self._key(child)
            if key not in value:
                raise Unfit("a key that was changed")
            keys.append(key)
            values.append(self.node(value[key], child, value_info))
            child = self.tokens[child].after
        if len(keys) != len(value):
            raise Unfit("more members than were sent")
        return DictNode(keys, values)

    cdef str _key(self, int at):
        cdef const Token *token = &self.tokens[at]
        return self.data[token.key:token.key_end].decode()


cdef tuple options(info):
    return info.types if isinstance(info, UnionType) else (info,)


cdef bint takes(info, kind) except -1:
    """Tell whether a place takes any value of `kind`, StrType or IntType."""
    for option in options(info):
        if isinstance(option, AnyType):
            return True
        if isinstance(option, kind):
            # Constraints are the type's members; one that is set refuses some values.
            return astuple(option).count(None) == len(option.__struct_fields__)
    return False


cdef object struct_info(info, kind):
    for option in options(info):
        if isinstance(option, StructType) and (option.cls is kind or get_origin(option.cls) is kind):
            return option
    raise Unfit(f"{kind.__name__} of an unknown type")


cdef object container_info(info, kind, str inner):
    for option in options(info):
        if isinstance(option, AnyType):
            return option
        if isinstance(option, kind):
            if kind is DictType and not is_text(option.key_type):
                raise Unfit("keys that are not just text")
            return getattr(option, inner)
    raise Unfit("a container of an unknown type")


cdef bint is_text(info) except -1:
    # One by one: of several in a tuple Cython (3.3) does not see the exception.
    return isinstance(info, AnyType) or isinstance(info, StrType)


cdef Node fresh(factory):
    """Return the Node of a default that is made anew for each value."""
    if factory is list:
        return ListNode([])
    if factory is dict:
        return DictNode([], [])
    raise Unfit("a default that a function makes")


@cython.final
cdef class Types:
    def __cinit__(self, info):
        self.info = info
        self._shapes = {}

    cdef Shape shape(self, info):
        known = self._shapes.get(id(info))
        if known is None:
            known = self._shapes[id(info)] = Shape(info)
        return known


@lru_cache(maxsize=256)
def _types_of(kind):
    return Types(type_info(kind))


cdef Types types_of(kind):
    """Return what is known of a type; None for one that cannot be looked into."""
    cdef Types types = None
    try:
        types = _types_of(kind)
    except MemoryError:
        raise  # nothing about the type, and a pool would be without types for good
    except Exception:
        pass
    return types


cdef Node plan(Types types, value, const char *data, const Token *tokens, const int *slots, int count):
    """Return the Node of what msgspec has made of a payload, of which `count` tokens are slots.

    None where it cannot be built, or a slot may not stand where one is asked for.
    """
    cdef Plan drawn = Plan()
    drawn.data = data
    drawn.tokens = tokens
    drawn.slots = slots
    drawn.types = types
    cdef Node root = None
    try:
        root = drawn.node(value, 0, types.info)
    except (Unfit, TypeError, UnicodeError):
        pass
    return root if drawn.placed == count else None
