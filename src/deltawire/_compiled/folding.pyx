"""Deltas folded into a completion. Forms and rules: see the pure twin and `rules`."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from cpython.object cimport PyObject, Py_TYPE, PyTypeObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8, PyUnicode_FromObject, PyUnicode_GET_LENGTH
from libc.math cimport isfinite

from .scan cimport NO_LIMIT, append as append_to, free, reserve
from .tokens cimport ESCAPED, Span, unescaped
from .structs cimport index_of, member as member_at, offset_of

import re

import msgspec

from .. import rules
from ..errors import LimitExceededError
from ..rules import MEMBER, NESTED, NOTHING, OUTPUT, PIECES

# Bytes that a text or a list first takes.
cdef Py_ssize_t _smallest = 128

_encode = msgspec.json.encode
_SURROGATE = re.compile("[\ud800-\udfff]")

_KINDS = (
    rules.Rule.FIRST, rules.Rule.LAST, rules.Rule.JOIN, rules.Rule.EXTEND, rules.Rule.PARTS, rules.Rule.CONTENT,
    rules.Rule.NEST, rules.Rule.CALLS, rules.Rule.LOGPROBS, rules.Rule.CHOICES,
)


@cython.final
cdef class Held:
    """What is held, against the limits."""

    def __cinit__(self, limits):
        self.max_bytes = min(limits.max_message, NO_LIMIT)
        self.max_items = min(limits.max_items, NO_LIMIT)

    cdef int grow(self, Py_ssize_t size) except -1:
        """Count `size` bytes, before they are kept."""
        size += self.bytes_held
        if 0 < self.max_bytes < size:
            raise LimitExceededError(
                f"message of {size} bytes, at most {self.max_bytes} allowed", measured=size, allowed=self.max_bytes
            )
        self.bytes_held = size
        return 0

    cdef int add_item(self) except -1:
        """Count a choice, a tool call or a part."""
        cdef Py_ssize_t items = self.items + 1
        if 0 < self.max_items < items:
            raise LimitExceededError(
                f"{items} choices, tool calls and parts, at most {self.max_items} allowed",
                measured=items, allowed=self.max_items,
            )
        self.items = items
        return 0


cdef class Member:
    """What has become of a member."""

    def __cinit__(self, Held held):
        self.held = held

    cdef bytes json(self):
        """Return it as JSON."""
        raise NotImplementedError


@cython.final
cdef class Scalar(Member):
    """A value that is replaced as a whole."""

    cdef int set(self, value) except -1:
        """Keep `value` instead of the one before."""
        cdef Py_ssize_t size
        if isinstance(value, str):
            value = whole(value)
            PyUnicode_AsUTF8AndSize(value, &size)
        else:
            value = _encode(value)
            size = PyBytes_GET_SIZE(value)
        return self.keep(value, size)

    cdef int keep(self, value, Py_ssize_t size) except -1:
        """Keep a str, or the JSON of anything else, that counts for `size` bytes."""
        self.held.grow(size - self.size)
        self.size = size
        self.value = value
        return 0

    cdef bytes json(self):
        if self.value is None:
            return b"null"  # the first value was too large to be kept
        return _encode(self.value) if isinstance(self.value, str) else self.value


@cython.final
cdef class Text(Member):
    """A text that comes in pieces."""

    def __dealloc__(self):
        free(&self.utf8)

    cdef int add(self, piece) except -1:
        """Append `piece`, a str."""
        cdef Py_ssize_t length
        piece = whole(piece)
        cdef const char *start = PyUnicode_AsUTF8AndSize(piece, &length)
        return self.add_utf8(start, length)

    cdef int add_utf8(self, const char *start, Py_ssize_t length) except -1:
        """Append a piece that is UTF-8 already."""
        self.held.grow(length)
        return append_to(&self.utf8, start, length, _smallest)

    cdef int add_span(self, const Span *span) except -1:
        """Append the text of a string in a payload."""
        cdef Py_ssize_t length
        if not span.holds & ESCAPED:
            return self.add_utf8(span.start, span.length)
        reserve(&self.utf8, span.length, _smallest)
        length = unescaped(span, self.utf8.memory + self.utf8.length)
        self.held.grow(length)
        self.utf8.length += length
        return 0

    cdef str text(self):
        """Return the pieces as one."""
        return PyUnicode_DecodeUTF8(self.utf8.memory, self.utf8.length, NULL) if self.utf8.length else ""

    cdef bytes json(self):
        return _encode(self.text())


@cython.final
cdef class Items(Member):
    """A list that comes in pieces."""

    def __dealloc__(self):
        free(&self.items)

    cdef int extend(self, items) except -1:
        """Append `items`."""
        cdef bytes json = _encode(items)
        cdef const char *start = PyBytes_AS_STRING(json)
        cdef Py_ssize_t length = PyBytes_GET_SIZE(json) - 2
        if length < 0 or start[0] != c"[" or start[length + 1] != c"]":  # a chunk that was added may hold anything
            raise TypeError(f"a list is required, not {type(items).__name__!r}")
        if length == 0:
            return 0
        self.held.grow(length)
        if self.items.length:
            append_to(&self.items, b",", 1, _smallest)
        return append_to(&self.items, start + 1, length, _smallest)

    cdef bytes json(self):
        return b"[" + self.items.memory[:self.items.length] + b"]" if self.items.length else b"[]"


@cython.final
cdef class Places:
    """Entries by their index; where several have the same one, by their name."""

    def __cinit__(self):
        self._latest = {}
        self._named = {}
        self._names = {}

    cdef Member find(self, index, name):
        """Return the entry at `index`: the last one there, unless its name is another."""
        cdef Member entry = self._latest.get(index)
        if entry is None or name is None:
            return entry
        if self._names.get(entry, name) != name:
            entry = self._named.get((index, name))
            if entry is None:
                return None
        self.put(index, name, entry)
        return entry

    cdef int put(self, index, name, Member entry) except -1:
        """Make `entry` the last one at `index`; it keeps its name where there is no new one."""
        self._latest[index] = entry
        if name is not None:
            self._names[entry] = name
            self._named[index, name] = entry
        return 0


@cython.final
cdef class Part(Member):
    """An object whose members are replaced, or grow."""

    def __cinit__(self, Held held):
        self._members = {}

    cdef int fold(self, dict part) except -1:
        """Take in what came for it; null says nothing."""
        for name, value in part.items():
            if not is_null(value):
                self._fold(name, value)
        return 0

    cdef int _fold(self, name, value) except -1:
        kind = Scalar
        if name in PIECES:
            kind = Text if isinstance(value, str) else Items if isinstance(value, list) else Scalar
        known = self._members.get(name)
        if type(known) is not kind:
            self.held.grow(len(name.encode("utf-8", "surrogatepass")) + <Py_ssize_t>MEMBER)
            known = kind(self.held)
        if kind is Text:
            (<Text>known).add(value)
        elif kind is Items:
            (<Items>known).extend(value)
        else:
            (<Scalar>known).set(value)
        self._members[name] = known  # only now: what it replaces is not lost to a limit
        return 0

    cdef bytes json(self):
        cdef list members = []
        for name, known in self._members.items():
            members.append(_encode(name) + b":" + (<Member>known).json())
        return b"{" + b",".join(members) + b"}"


@cython.final
cdef class Parts(Member):
    """A list of parts, of which those of the same index and type are one."""

    def __cinit__(self, Held held):
        self._parts = []
        self._places = Places()

    cdef int extend(self, parts) except -1:
        """Append `parts`, or fold them into those of their index and type."""
        for part in parts:
            index = index_of(part.get("index"), None) if isinstance(part, dict) else None
            if type(index) is int:
                self._fold(index, part)
            else:
                self.append(part)
        return 0

    cdef int append(self, part) except -1:
        """Append `part`, which nothing is folded into."""
        cdef Scalar kept = Scalar(self.held)
        self.held.add_item()
        kept.set(part)
        self._parts.append(kept)
        return 0

    cdef int _fold(self, index, dict value) except -1:
        kind = value.get("type")
        name = kind if kind and isinstance(kind, str) else None
        cdef Part part = self._places.find(index, name)
        if part is None:
            self.held.add_item()
            part = Part(self.held)
            self._parts.append(part)
            self._places.put(index, name, part)
        return part.fold(value)

    cdef bytes json(self):
        return array(jsons(self._parts))


@cython.final
cdef class Content(Member):
    """Text, or parts: once parts have come, text is a part among them."""

    def __cinit__(self, Held held):
        self.text = Text(held)

    cdef int add(self, piece) except -1:
        """Take in a piece of either kind."""
        if isinstance(piece, str):
            return self.text.add(piece)
        if self.parts is None:
            self.parts = Parts(self.held)
        cdef Text before = self.text
        if before.utf8.length:
            self.held.grow(-before.utf8.length)
            try:
                self.parts.append({"type": "text", "text": before.text()})
            except LimitExceededError:
                self.held.grow(before.utf8.length)
                raise
            self.text = Text(self.held)
        return self.parts.extend(piece)

    cdef bytes json(self):
        if self.parts is None:
            return self.text.json()
        parts = jsons(self.parts._parts)
        if self.text.utf8.length:
            parts.append(_encode({"type": "text", "text": self.text.text()}))
        return array(parts)


def label(name):
    """Return the JSON before a member's value."""
    return _encode(OUTPUT.get(name, name)) + b":"


@cython.final
cdef class Table:
    """A table of `rules`, as arrays; each member is known by its place."""

    def __cinit__(self, dict table):
        self.names = tuple(table)
        self.labels = tuple(map(label, table))
        self.length = len(table)
        assert self.length <= MOST
        self.nested = [None] * self.length
        self._layouts = {}
        for place, (name, rule) in enumerate(table.items()):
            self.rules[place] = _KINDS.index(rule)
            if rule is rules.Rule.NEST:
                self.nested[place] = Table(NESTED[name])

    cdef Layout layout(self, struct):
        """Return where the members lie in `struct`."""
        if self._latest is not None and Py_TYPE(struct) is <PyTypeObject *><PyObject *>self._latest.type:
            return self._latest
        return self._learn(type(struct))

    cdef Layout _learn(self, kind):
        cdef Layout layout = self._layouts.get(kind)
        cdef Py_ssize_t place
        if layout is None:
            layout = Layout()
            layout.type = kind
            for place in range(self.length):
                layout.offsets[place] = offset_of(kind, self.names[place])
            if len(self._layouts) >= 64:  # types made on the fly shall not pile up
                self._layouts.clear()
            self._layouts[kind] = layout
        self._latest = layout
        return layout


@cython.final
cdef class Layout:
    pass


@cython.final
cdef class Record(Member):
    """An object whose members are folded by the rules of a table."""

    cdef int fold(self, struct) except -1:
        """Take in the members of `struct` that are not None."""
        cdef Layout layout = self.table.layout(struct)
        cdef PyObject *member
        cdef Py_ssize_t place
        for place in range(self.table.length):
            member = member_at(struct, layout.offsets[place])
            if member is not <PyObject *>None:
                value = <object>member  # owned: a caller's own may run code that lets go of it
                self.take(place, value)
        return 0

    cdef int take(self, Py_ssize_t place, value) except -1:
        """Take in what came for the member at `place`."""
        cdef int rule = self.table.rules[place]
        cdef PyObject *known = PyList_GET_ITEM(self.members, place)
        if rule == FIRST:
            if known is not <PyObject *>None or not value or is_nothing(value):
                return 0
        elif rule == LAST:
            if is_nothing(value) or is_null(value):
                return 0
        cdef Member grown = self.member(place, rule) if known is <PyObject *>None else <Member>known
        if rule == FIRST or rule == LAST:
            return (<Scalar>grown).set(value)
        if rule == JOIN:
            return (<Text>grown).add(value)
        if rule == EXTEND:
            return (<Items>grown).extend(value)
        if rule == PARTS:
            return (<Parts>grown).extend(value)
        if rule == CONTENT:
            return (<Content>grown).add(value)
        if rule == NEST:
            return (<Record>grown).fold(value)
        if rule == CALLS:
            return (<Calls>grown).fold(value)
        if rule == LOGPROBS:
            return (<Probabilities>grown).add(value)
        return (<Choices>grown).fold(value)

    cdef Member member(self, Py_ssize_t place, int rule):
        """Begin the member at `place`."""
        cdef Member begun
        if rule == NEST:
            begun = record(self.table.nested[place], self.held)
        else:
            begun = _MEMBERS[rule](self.held)
        self.members[place] = begun
        return begun

    cdef bytes json(self):
        cdef list members = []
        for label, known in zip(self.table.labels, self.members):
            if known is not None:
                members.append(label + (<Member>known).json())
        return b"{" + b",".join(members) + b"}"


cdef Record record(Table table, Held held):
    cdef Record made = Record.__new__(Record, held)
    made.table = table
    made.members = [None] * table.length
    return made


@cython.final
cdef class Probabilities(Member):
    """Log probabilities: lists of tokens; or numbers alone."""

    cdef int add(self, value) except -1:
        """Take in those of a chunk."""
        if isinstance(value, msgspec.Struct):
            if self._tokens is None:
                self._tokens = record(_LOGPROBS, self.held)
            return self._tokens.fold(value)
        if self._numbers is None:
            self._numbers = Items(self.held)
        return self._numbers.extend([value])

    cdef bytes json(self):
        return self._numbers.json() if self._tokens is None else self._tokens.json()


@cython.final
cdef class Calls(Member):
    """Tool calls by index, or else by id, or else the last one; a new id at a used index is a new call."""

    def __cinit__(self, Held held):
        self._calls = []
        self._places = Places()
        self._index_of = {}
        self._next = 0

    cdef int fold(self, fragments) except -1:
        """Take in fragments of calls."""
        for fragment in fragments:
            self.call(index_of(fragment.index, None), fragment.id).fold(fragment)
        return 0

    cdef Record call(self, index, id):
        """Return the call that a fragment belongs to."""
        cdef Record call
        name = None if is_nothing(id) else id
        if index is None and name is None and self._calls:
            index, call = self._calls[len(self._calls) - 1]
            self._places.put(index, None, call)
            return call
        if index is None:
            index = 0 if name is None else self._index_of.get(name, self._next)
        call = self._places.find(index, name)
        if name is not None:
            self._index_of[name] = index
        return self._new(index, name) if call is None else call

    cdef Record _new(self, index, name):
        self.held.add_item()
        cdef Record call = record(_TOOL_CALL, self.held)
        self._calls.append((index, call))
        self._places.put(index, name, call)
        self._next = max(self._next, index + 1)
        return call

    cdef bytes json(self):
        cdef list calls = []
        for _, call in sorted(self._calls, key=first):
            calls.append(call)
        return array(jsons(calls))


@cython.final
cdef class Choices(Member):
    """Choices by index."""

    def __cinit__(self, Held held):
        self._choices = {}

    cdef int fold(self, choices) except -1:
        """Take in what one chunk has of each; one without an index has that of its place."""
        for place, delta in enumerate(choices):
            self.choice(index_of(delta.index, place)).fold(delta)
        return 0

    cdef Record choice(self, index):
        """Return the choice of an index."""
        cdef Record choice
        if index is self._index:
            return self._choice
        choice = self._choices.get(index)
        if choice is None:
            self.held.add_item()
            choice = record(_CHOICE, self.held)
            choice.member(_DELTA, NEST)
            self._choices[index] = choice
        self._index = index
        self._choice = choice
        return choice

    cdef bytes json(self):
        cdef list choices = []
        for index, choice in sorted(self._choices.items(), key=first):
            choices.append(b'{"index":%d,%b' % (index, (<Member>choice).json()[1:]))
        return array(choices)


@cython.final
cdef class Folding:
    """A completion, as far as it has come."""

    def __cinit__(self, limits):
        self.record = record(_CHUNK, Held(limits))
        self.choices = self.record.member(_CHOICES, CHOICES)

    cdef int fold(self, chunk) except -1:
        """Take in one chunk."""
        return self.record.fold(chunk)

    cdef bytes json(self):
        """Return the completion as JSON, members that never came left out."""
        return b'{"object":"chat.completion",' + self.record.json()[1:]


cdef Table _CHUNK = Table(rules.CHUNK)
cdef Table _CHOICE = Table(rules.CHOICE)
cdef Table _TOOL_CALL = Table(rules.TOOL_CALL)
cdef Table _LOGPROBS = Table(rules.LOGPROBS)
cdef Py_ssize_t _CHOICES = _CHUNK.names.index("choices")
cdef Py_ssize_t _DELTA = _CHOICE.names.index("delta")

# By rule; Records are made otherwise.
_MEMBERS = (Scalar, Scalar, Text, Items, Parts, Content, None, Calls, Probabilities, Choices)


cdef Table chunk_table():
    return _CHUNK


cdef Table choice_table():
    return _CHOICE


cdef Table call_table():
    return _TOOL_CALL


cdef str whole(text):
    """Return the text as a str with its lone surrogates replaced: a caller's own chunk may have them, or a subclass."""
    cdef Py_ssize_t length
    cdef str whole = None
    try:
        PyUnicode_AsUTF8AndSize(text, &length)
        whole = text if type(text) is str else PyUnicode_FromObject(text)
    except UnicodeEncodeError:
        pass
    return _SURROGATE.sub("\ufffd", text) if whole is None else whole


cdef bint is_nothing(value):
    """Tell whether a value is what some send for nothing at all."""
    if not isinstance(value, str):
        return False
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(value)
    return length == 0 or (length == 4 and value in NOTHING)


cdef bint is_null(value):
    """Tell whether a value is null in JSON, as NaN and Infinity are."""
    return value is None or (isinstance(value, float) and not isfinite(value))


cdef list jsons(list members):
    cdef list texts = []
    for member in members:
        texts.append((<Member>member).json())
    return texts


cdef bytes array(list items):
    return b"[" + b",".join(items) + b"]"


def first(entry):
    return entry[0]
