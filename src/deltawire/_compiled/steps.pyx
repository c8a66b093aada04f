"""How a match is folded into a completion, without its chunk.

A step for each member that is not None does what `Record.take` would do with it. Only
the common ones are written out; the others build their member and leave it to `take`.
"""

cimport cython
from cpython.object cimport PyObject

from .building cimport Constant, IntegerSlot, ListNode, Node, StringSlot, StructNode
from .folding cimport (
    CALLS, CHOICES, CONTENT, FIRST, JOIN, LAST, NEST,
    Calls, Content, Record, Scalar, Table, Text, call_table, is_nothing,
)
from .structs cimport index_of
from .tokens cimport Span

cdef extern from "Python.h":
    PyObject *PyList_GET_ITEM(list items, Py_ssize_t place) noexcept  # borrowed

import msgspec


@cython.final
cdef class Steps:
    cdef int fold(self, Record record, const Span *spans) except -1:
        """Take in what the match has for `record`."""
        cdef const Step *step
        cdef PyObject *known
        cdef int at
        for at in range(self._length):
            step = &self._steps[at]
            known = PyList_GET_ITEM(record.members, step.place)
            if known is <PyObject *>None:
                if step.action == BEGIN or step.action == TAKE:
                    record.take(step.place, (<Node>step.thing).build(spans))
                    continue
                record.member(step.place, self._table.rules[step.place])
                known = PyList_GET_ITEM(record.members, step.place)
            if step.action == KEEP:
                if (<PyObject *>(<Scalar>known).value) is not step.thing:
                    (<Scalar>known).keep(<object>step.thing, step.size)
            elif step.action == JOINED:
                (<Text>known).add_span(&spans[step.slot])
            elif step.action == CONTENTS:
                (<Content>known).text.add_span(&spans[step.slot])
            elif step.action == NESTED:
                (<Steps>step.thing).fold(<Record>known, spans)
            elif step.action == CALLED:
                for call in <list>step.thing:
                    (<Call>call).steps.fold((<Calls>known).call((<Call>call).index, (<Call>call).id), spans)
            elif step.action == WRITTEN:
                json = (<Writing>step.thing).write(spans)
                (<Scalar>known).keep(json, len(json))
            elif step.action == TAKE:
                record.take(step.place, (<Node>step.thing).build(spans))
        return 0

    cdef int _draw(self, int place, Node node) except -1:
        """Draw up the step of one member."""
        cdef int rule = self._table.rules[place]
        cdef object value = (<Constant>node).value if isinstance(node, Constant) else None
        if rule == FIRST:
            if not isinstance(node, Constant) or (value and not is_nothing(value)):
                self._add(BEGIN, place, node)
        elif rule == LAST and isinstance(node, Constant):
            if not is_nothing(value):
                kept = value if isinstance(value, str) else msgspec.json.encode(value)
                self._add(KEEP, place, kept)
                self._steps[self._length - 1].size = len(kept.encode() if isinstance(kept, str) else kept)
        elif (rule == JOIN or rule == CONTENT) and isinstance(node, StringSlot):
            self._add(JOINED if rule == JOIN else CONTENTS, place, None)
            self._steps[self._length - 1].slot = (<StringSlot>node).slot
        elif rule == NEST and isinstance(node, StructNode):
            self._add(NESTED, place, draw(self._table.nested[place], node))
        else:
            self._draw_other(rule, place, node)
        return 0

    cdef int _draw_other(self, int rule, int place, Node node) except -1:
        cdef Writing writing
        if rule == CALLS and isinstance(node, ListNode):
            calls = []
            for item in (<ListNode>node).items:
                calls.append(drawn_call(item))
            if None not in calls:
                return self._add(CALLED, place, calls)
        elif rule == LAST and isinstance(node, StructNode):
            writing = Writing()
            if writing._add(node):
                return self._add(WRITTEN, place, writing)
        return self._add(TAKE, place, node)

    cdef int _add(self, Action action, int place, thing) except -1:
        cdef Step *step = &self._steps[self._length]
        step.action = action
        step.place = place
        step.thing = <PyObject *>thing
        if action != BEGIN and action != KEEP:
            self.constant = False
        self._things.append(thing)
        self._length += 1
        return 0


cdef Call drawn_call(Node node):
    """Return the fragment of a call; None where a slot says which call it is."""
    cdef Call made = Call()
    if not isinstance(node, StructNode):
        return None
    index = (<StructNode>node).member("index")
    name = (<StructNode>node).member("id")
    for known in (index, name):
        if known is not None and not isinstance(known, Constant):
            return None
    made.index = None if index is None else index_of((<Constant>index).value, None)
    made.id = None if name is None else (<Constant>name).value
    made.steps = draw(call_table(), node)
    return made


@cython.final
cdef class Writing:
    def __cinit__(self):
        self._literals = [b""]
        self._slots = []

    cdef bytes write(self, const Span *spans):
        """Return the JSON."""
        cdef list pieces = [self._literals[0]]
        cdef const Span *span
        cdef Py_ssize_t at
        for at in range(len(self._slots)):
            span = &spans[<int>self._slots[at]]
            pieces.append(span.start[:span.length])
            pieces.append(self._literals[at + 1])
        return b"".join(pieces)

    cdef bint _add(self, Node node) except -1:
        """Add a value; False where a slot in it is no integer, or not just what is None is left out."""
        cdef StructNode struct
        cdef bint empty = True
        if isinstance(node, Constant):
            self._add_literal(msgspec.json.encode((<Constant>node).value))
        elif isinstance(node, IntegerSlot):
            self._slots.append((<IntegerSlot>node).slot)
            self._literals.append(b"")
        elif isinstance(node, StructNode):
            struct = <StructNode>node
            if struct.shape.defaults.count(None) != struct.shape.length:
                return False
            if not struct.shape.type.__struct_config__.omit_defaults:
                return False
            for name, sent in zip(struct.shape.names, struct.shape.places):
                member = struct.member(name)
                if member is not None:
                    self._add_literal((b"{" if empty else b",") + msgspec.json.encode(sent) + b":")
                    empty = False
                    if not self._add(member):
                        return False
            self._add_literal(b"{}" if empty else b"}")
        else:
            return False
        return True

    cdef int _add_literal(self, bytes literal) except -1:
        self._literals[len(self._literals) - 1] += literal
        return 0


cdef Steps draw(Table table, StructNode struct):
    """Return the steps of an object; its choices have steps of their own."""
    cdef Steps made = Steps()
    cdef int place
    cdef Node node
    made.constant = True
    made._table = table
    made._things = []
    for place in range(table.length):
        node = struct.member(table.names[place])
        if node is not None and table.rules[place] != CHOICES:
            made._draw(place, node)
    return made
