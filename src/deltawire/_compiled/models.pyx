"""Events to a client library's own models. Rules and contract: see the pure twin."""

cimport cython
from cpython.dict cimport PyDict_Copy, PyDict_SetItem
from cpython.object cimport PyObject
from cpython.set cimport PySet_Add

from .building cimport Constant, DictNode, IntegerSlot, ListNode, Node, StringSlot
from .decoder cimport StreamDecoder
from .events cimport EventReader
from .stencil cimport Stencil, verifying
from .structs cimport blank, offset_of, put
from .tokens cimport Span

cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(dict data, object key) except? NULL  # borrowed
    int PyObject_GenericSetDict(object instance, object values, void *context) except -1
    PyObject *PyList_GET_ITEM(list items, Py_ssize_t place) noexcept  # borrowed
    set PySet_New(object items)
    void PyObject_GC_UnTrack(object container) noexcept

import json
from functools import lru_cache

from ..errors import UpstreamError
from ..limits import DEFAULT_LIMITS
from ..models import NotCovered
from .stencil import check_same

# As in `deltawire.models`.
cdef enum:
    ANY, STR, INT, BOOL, FLOAT, LITERAL, MODEL, LIST, OTHER

cdef enum:
    VALID, UNSURE, INVALID

# Beyond it a float does not have every integer.
_EXACT = 2**53


@cython.final
cdef class Type:
    def __cinit__(self, value):
        self.kind = value.kind
        self.optional = value.optional
        if self.kind == LITERAL:
            self.strings = value.of
        elif self.kind == LIST:
            self.items = Type(value.of)
        elif self.kind == MODEL:
            self.table = Table(value.of)


@cython.final
cdef class Member:
    def __cinit__(self, field):
        self.name = field.name
        self.type = Type(field.value)
        self.required = field.required


@cython.final
cdef class Table:
    def __cinit__(self, model):
        self.type = model.type
        self.members = list(map(Member, model.fields))
        self.defaults = {field.name: field.default for field in model.fields}
        self._sent = offset_of(model.type, "__pydantic_fields_set__")
        self._extra = offset_of(model.type, "__pydantic_extra__")
        self._private = offset_of(model.type, "__pydantic_private__")

    cdef object build(self, dict data, int *fit, bint validated):
        """Return the model that the library would make of `data`; raise `fit` to how valid `data` is.

        What the library validates counts extras among the fields set; what it constructs does not.

        Raises:
            NotCovered: the table does not say.
        """
        cdef dict values = PyDict_Copy(self.defaults)
        cdef set sent = set()
        cdef dict extra = {}
        cdef PyObject *item
        cdef Member member
        cdef Py_ssize_t at
        for at in range(len(self.members)):
            member = <Member>PyList_GET_ITEM(self.members, at)
            item = PyDict_GetItemWithError(data, member.name)
            if item is not NULL:
                PySet_Add(sent, member.name)
                made = built(member.type, <object>item, fit, validated)
                if item is not <PyObject *>None:
                    PyDict_SetItem(values, member.name, made)
            elif member.required:
                fit[0] = INVALID
        if len(sent) < len(data):
            for name, value in data.items():
                if name not in values:
                    if (<str>name).startswith("_"):
                        raise NotCovered  # it may be named like an argument of the library's own
                    extra[name] = value
            if validated:
                sent.update(extra)
        return self.made(values, sent, extra)

    cdef object made(self, dict values, set sent, dict extra):
        """Return the model of what is then its own."""
        cdef object made = blank(self.type)
        # It holds names alone: nothing for the collector, half of whose time it would take.
        PyObject_GC_UnTrack(sent)
        PyObject_GenericSetDict(made, values, NULL)
        put(made, self._sent, sent)
        put(made, self._extra, extra)
        put(made, self._private, None)
        return made


@lru_cache(maxsize=64)  # a table is larger than all else that a stream's decoder holds
def table_of(model):
    return Table(model)


cdef object built(Type type, item, int *fit, bint validated):
    """Return what becomes of an item; raise `fit` to how valid it is."""
    cdef int fits = VALID
    if not type.optional:
        made = plain(type, item, &fits, validated)
    elif item is None:
        return None
    else:
        made = plain(type, item, &fits, True)
        if not validated and fits == UNSURE:
            raise NotCovered  # validation may convert it
        if not validated and fits == INVALID:
            made = plain(type, item, &fits, False)
    if fits > fit[0]:
        fit[0] = fits
    return made


cdef object plain(Type type, item, int *fit, bint validated):
    cdef int kind = type.kind
    cdef bint number = isinstance(item, (int, float))
    if kind == STR:
        fit[0] = VALID if isinstance(item, str) else INVALID
    elif kind == INT:
        if not (isinstance(item, int) and not isinstance(item, bool)):
            fit[0] = UNSURE if number or isinstance(item, str) else INVALID
    elif kind == BOOL:
        if not isinstance(item, bool):
            fit[0] = UNSURE if number or isinstance(item, str) else INVALID
    elif kind == FLOAT:
        if isinstance(item, bool) or (isinstance(item, int) and not -_EXACT <= item <= _EXACT):
            raise NotCovered  # a float that is none
        if number:
            return float(item)
        fit[0] = UNSURE if isinstance(item, str) else INVALID
    elif kind == LITERAL:
        fit[0] = VALID if isinstance(item, str) and item in type.strings else INVALID
    elif kind == MODEL and isinstance(item, dict):
        return type.table.build(item, fit, validated)
    elif kind == LIST and isinstance(item, list):
        items = []
        for each in <list>item:
            items.append(built(type.items, each, fit, validated))
        return items
    elif kind == OTHER or (kind == MODEL and isinstance(item, list)):
        raise NotCovered  # no type of the table
    elif kind != ANY:
        fit[0] = INVALID
    return item


@cython.final
cdef class ModelNode(Node):
    def __cinit__(self, Table table):
        self.table = table
        self.values = dict(table.defaults)
        self.sent = set()
        self.extra = {}
        self._names = []
        self._nodes = []
        self._extra_names = []
        self._extra_nodes = []

    cdef object build(self, const Span *spans):
        cdef dict values = PyDict_Copy(self.values)
        cdef dict extra = {}
        cdef Py_ssize_t at
        for at in range(len(self._names)):
            made = (<Node>PyList_GET_ITEM(self._nodes, at)).build(spans)
            PyDict_SetItem(values, <object>PyList_GET_ITEM(self._names, at), made)
        if self.extra:
            extra = PyDict_Copy(self.extra)
            for at in range(len(self._extra_names)):
                made = (<Node>PyList_GET_ITEM(self._extra_nodes, at)).build(spans)
                PyDict_SetItem(extra, <object>PyList_GET_ITEM(self._extra_names, at), made)
        return self.table.made(values, PySet_New(self.sent), extra)


cdef Node drawn_model(Table table, DictNode node, int *fit, bint validated):
    """Return the Node of the model that is made of what `node` builds; raise `fit` to how valid that is.

    Raises:
        NotCovered: the table does not say, or not for all that may stand in a slot.
    """
    cdef ModelNode made = ModelNode(table)
    cdef dict nodes = dict(zip(node.keys, node.values))
    cdef Member member
    cdef Node each
    for member in table.members:
        each = nodes.pop(member.name, None)
        if each is not None:
            made.sent.add(member.name)
            each = drawn(member.type, each, fit, validated)
            if not isinstance(each, Constant):
                made._names.append(member.name)
                made._nodes.append(each)
            elif (<Constant>each).value is not None:
                made.values[member.name] = (<Constant>each).value
        elif member.required:
            fit[0] = INVALID
    for name, each in nodes.items():
        if name.startswith("_"):
            raise NotCovered  # it may be named like an argument of the library's own
        made.extra[name] = (<Constant>each).value if isinstance(each, Constant) else None
        if not isinstance(each, Constant):
            made._extra_names.append(name)
            made._extra_nodes.append(each)
    if validated:
        made.sent.update(made.extra)
    return made


cdef Node drawn(Type type, Node node, int *fit, bint validated):
    """Return the Node of what becomes of what `node` builds; raise `fit` to how valid that is."""
    cdef int fits = VALID
    cdef Node made
    if isinstance(node, Constant):
        return Constant(built(type, (<Constant>node).value, fit, validated))
    made = drawn_plain(type, node, &fits, validated or type.optional)
    if type.optional and not validated and fits == UNSURE:
        raise NotCovered  # validation may convert it
    if type.optional and not validated and fits == INVALID:
        made = drawn_plain(type, node, &fits, False)
    if fits > fit[0]:
        fit[0] = fits
    return made


cdef Node drawn_plain(Type type, Node node, int *fit, bint validated):
    if type.kind == MODEL and isinstance(node, DictNode):
        return drawn_model(type.table, node, fit, validated)
    if type.kind == LIST and isinstance(node, ListNode):
        items = []
        for each in (<ListNode>node).items:
            items.append(drawn(type.items, each, fit, validated))
        return ListNode(items)
    if type.kind == STR and isinstance(node, StringSlot) or type.kind == INT and isinstance(node, IntegerSlot):
        return node
    if type.kind != ANY:
        raise NotCovered  # not every value may stand here
    return node


cdef Node model_of(Table table, Node root):
    """Return the Node that builds models where `root` builds dicts; `root` where that is not known, or is an error."""
    cdef int fit = VALID
    if not isinstance(root, DictNode):
        return root
    for name, node in zip((<DictNode>root).keys, (<DictNode>root).values):
        if name == "error" and not (isinstance(node, Constant) and not (<Constant>node).value):
            return root
    try:
        root = drawn_model(table, root, &fit, False)
    except NotCovered:
        pass
    return root


@cython.final
cdef class ModelDecoder(StreamDecoder):
    """Decodes a stream of JSON objects to a client library's own models.

    Payloads are read as `json.loads` reads them: what msgspec refuses and it takes is taken
    (NaN, lone surrogates). Empty data and `null` are skipped. An error in the stream is an
    `UpstreamError`, in each of its shapes: an event of type "error", an object with a
    truthy `error`, a line `error: {…}`.

    Args:
        model: the table of the models.
        construct: the library's own way, for what the table does not cover; takes any
            decoded JSON.
        limits: as for `StreamDecoder`.
    """

    _tolerant = True

    def __init__(self, model, construct, *, limits=DEFAULT_LIMITS):
        table = table_of(model)
        super().__init__(dict, limits=limits)
        self._table = table
        self._construct = construct

    cdef int _take_match(self, Stencil stencil, const char *data, Py_ssize_t length, list chunks) except -1:
        if stencil.model is None:
            stencil.model = model_of(self._table, stencil.root)
        if stencil.model is stencil.root:
            return self._take_value(self._stencils.build(stencil, data, length), data, length, chunks)
        self._stencils.earn()
        chunk = stencil.model.build(stencil.spans)
        if verifying:
            value = self._stencils.verified(stencil, data, length)
            check_same(parts(chunk), parts(self._built(value, data, length)))
        return StreamDecoder._take_value(self, chunk, data, length, chunks)

    cdef int _take_value(self, value, const char *data, Py_ssize_t length, list chunks) except -1:
        self._raise_upstream(value)
        return StreamDecoder._take_value(self, self._built(value, data, length), data, length, chunks)

    cdef int _take_refused(self, refusal, list chunks) except -1:
        """Take what `json.loads` reads, as the library constructs it; nothing of `null`, nor behind `[DONE]`."""
        cdef EventReader reader = self._reader
        cdef bytes data = reader.data[:reader.length]
        text = data.decode(errors="replace")
        if text.startswith("[DONE]"):
            self._done = True
            return 0
        reason = None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            reason = error
        if reason is not None:
            raise self._no_chunk(data, reason) from reason
        self._raise_upstream(value)
        if value is None:
            return 0
        return StreamDecoder._take_value(self, self._constructed(value, data), NULL, 0, chunks)

    cdef int _raise_upstream(self, value) except -1:
        if isinstance(value, dict):
            error = (<dict>value).get("error")
            if error:
                raise UpstreamError(error, event_index=self._events - 1)
        return 0

    cdef object _built(self, dict value, const char *data, Py_ssize_t length):
        cdef int fit = VALID
        built = None
        try:
            built = self._table.build(value, &fit, False)
        except NotCovered:
            pass
        return self._constructed(value, data[:length]) if built is None else built

    cdef object _constructed(self, value, bytes data):
        reason = None
        try:
            chunk = self._construct(value)
        except MemoryError:
            raise
        except Exception as error:
            reason = error
        if reason is not None:
            raise self._no_chunk(data, reason) from reason
        self._coerced += 1
        return chunk


def parts(value):
    """Return what a model is made of, for comparing."""
    if isinstance(value, list):
        return list(map(parts, value))
    if not hasattr(value, "__pydantic_fields_set__"):
        return value
    values = {name: parts(each) for name, each in vars(value).items()}
    return [type(value).__name__, values, value.__pydantic_extra__, value.__pydantic_fields_set__]
