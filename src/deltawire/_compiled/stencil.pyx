"""Stencils: do not decode what has not changed.

The payloads of a stream are the same JSON text but for a few values. A stencil is a
payload that msgspec has decoded, cut into literal bytes and slots: strings and integers
that differed between two payloads. Where a payload has the same literals, and in each
slot a value that msgspec would take for what it is, its value is the earlier one with
the slots' values in place. Everything else is msgspec's to decide.

What makes it exact: a slot stands only where its type takes any `str`, or any `int`
(`building`); a slot takes only what has one meaning (`tokens`); the rest is compared.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.string cimport memchr, memcmp

from .building cimport plan, types_of
from .shortcut cimport Shortcut
from .tokens cimport MOST_TOKENS, STRING, Token, differences, outline, read_integer, read_string, scan

import os

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from ..coerce import NotAChunk, loads
from ..errors import StencilMismatchError

# `DELTAWIRE_STENCILS=0` switches them off. With `DELTAWIRE_VERIFY=1` msgspec decodes each
# match too.
_on = os.environ.get("DELTAWIRE_STENCILS", "") != "0"
cdef bint verifying = os.environ.get("DELTAWIRE_VERIFY", "") not in ("", "0")

# Plain JSON: what a payload says depends on its stream's family.
plain = msgspec.json.Decoder()
_decode = plain.decode


@cython.final
cdef class Stencil:
    cdef const char *match(self, const char *pos, const char *end) noexcept:
        """Compare `[pos, end)`, fill `spans`, and return the payload's end; NULL where it does not match."""
        cdef int slot
        cdef int length = self._ends[0]
        if end - pos < self._least or memcmp(pos, self._data, length) != 0:
            return NULL
        pos += length
        for slot in range(self._slots):
            if self._kinds[slot] == STRING:
                pos = read_string(pos, end, &self.spans[slot])
            else:
                pos = read_integer(pos, end, &self.spans[slot])
            if pos is NULL:
                return NULL
            length = self._ends[slot + 1] - self._starts[slot + 1]
            if end - pos < length or memcmp(pos, self._data + self._starts[slot + 1], length) != 0:
                return NULL
            pos += length
        return pos


cdef Stencil cut(const Payload *payload, const int *places, int count):
    """Return the stencil of a payload whose tokens at `places`, in their order, are its slots."""
    cdef Stencil made = Stencil()
    cdef const Token *token
    cdef int slot
    made._payload = payload.data[:payload.length]
    made._data = PyBytes_AS_STRING(made._payload)
    made._length = payload.length
    made._outline = payload.outline
    made._slots = count
    made._starts[0] = 0
    made._least = payload.length
    for slot in range(count):
        token = &payload.tokens[places[slot]]
        made._tokens[slot] = places[slot]
        made._kinds[slot] = token.kind
        made._ends[slot] = token.start
        made._starts[slot + 1] = token.end
        made._least -= token.end - token.start
    made._ends[count] = payload.length
    return made


cdef class Learner:
    def __cinit__(self):
        self._credit = FIRST_CREDIT
        self._pause = SHORTEST_PAUSE

    cdef int learn(self, const char *data, Py_ssize_t length, value) except -1:
        """Learn from a payload that no stencil matched, and what msgspec has made of it."""
        cdef Payload payload
        if self._skipped > 0:
            self._skipped -= 1
            return 0
        # Of several data lines: on the wire they are not these bytes.
        if length > MOST_BYTES or data[0] != c"{" or memchr(data, c"\n", length) is not NULL:
            return 0
        self._credit -= COST
        if self._credit < 0:
            self._skipped = self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._credit = TRIAL_CREDIT
            return 0
        payload.data = data
        payload.length = <int>length
        payload.count = scan(data, length, payload.tokens)
        if payload.count == 0:
            return 0
        payload.outline = outline(length, payload.tokens, payload.count)
        return self._learn(&payload, value)

    cdef int _learn(self, const Payload *payload, value) except -1:
        """Widen the stencil of that skeleton, or begin one."""
        raise NotImplementedError


@cython.final
cdef class Stencils(Learner):
    def __cinit__(self, decode, Types types):
        self._decode = decode
        self._types = types

    cdef Stencil match(self, const char *pos, const char *end, const char **stop):
        """Return the stencil that matches at `pos`, and where the payload ends; None where none does."""
        cdef Stencil found = self._first
        if found is None:
            return None
        stop[0] = found.match(pos, end)
        if stop[0] is NULL:
            found = self._second
            if found is None:
                return None
            stop[0] = found.match(pos, end)
            if stop[0] is NULL:
                return None
            self._second = self._first
            self._first = found
        # Without a value to build, it only waits for another payload of its skeleton.
        return None if found.root is None else found

    cdef object build(self, Stencil stencil, const char *data, Py_ssize_t length):
        """Count a match and return the value of the payload at `data`."""
        self.earn()
        return self.verified(stencil, data, length) if verifying else stencil.root.build(stencil.spans)

    cdef object verified(self, Stencil stencil, const char *data, Py_ssize_t length):
        """Return the value of a match, if msgspec makes the same of the payload."""
        built = stencil.root.build(stencil.spans)
        check_same(built, self._decode(data[:length]))
        return built

    cdef list choices(self, Stencil stencil):
        """Return the choices of a match, for who wants no value; None where it must be built."""
        if stencil.shortcut is None:
            stencil.shortcut = Shortcut(stencil.root)
        return stencil.shortcut.choices

    cdef object add_to(self, stats):
        """Return a decoder's statistics with those of its stencils."""
        return replace(stats, hits=self.hits, misses=self.misses, learned=self.learned)

    cdef int learn(self, const char *data, Py_ssize_t length, value) except -1:
        """Count a miss, and learn from it."""
        self.misses += 1
        # The first payload of a stream is as a rule the only one of its kind.
        return 0 if self.misses == 1 else Learner.learn(self, data, length, value)

    cdef int _learn(self, const Payload *payload, value) except -1:
        cdef Stencil known
        cdef Stencil made
        for known in (self._first, self._second):
            made = widened(known, payload, value, self._types)
            if made is not None:
                self.learned += made.root is not None
                if known is self._first:
                    self._first = made
                else:
                    self._second = made
                return 0
        # A new skeleton: what it shares with the next one is to be seen.
        made = cut(payload, NULL, 0)
        if self._first is None:
            self._first = made
        else:
            self._second = made
        return 0


@cython.final
cdef class Pool(Learner):
    def __cinit__(self, Types types):
        self._types = types
        self._stencils = []

    cdef Stencil match(self, const char *pos, const char *end, const char **stop):
        """Return the stencil that matches at `pos`, and where the payload ends; None where none does."""
        cdef Stencil found
        cdef Py_ssize_t at
        for at in range(PyList_GET_SIZE(self._stencils)):
            found = <Stencil>PyList_GET_ITEM(self._stencils, at)
            stop[0] = found.match(pos, end)
            if stop[0] is not NULL:
                if at:
                    self._stencils.insert(0, self._stencils.pop(at))
                return None if found.root is None else found
        return None

    cdef int _learn(self, const Payload *payload, value) except -1:
        cdef Stencil made
        for at, known in enumerate(self._stencils):
            made = widened(known, payload, value, self._types)
            if made is not None:
                self._stencils[at] = made
                return 0
        self._stencils.insert(0, cut(payload, NULL, 0))
        del self._stencils[MOST_SHARED:]
        return 0


cdef Stencil widened(Stencil known, const Payload *payload, value, Types types):
    """Return a stencil with the slots of a known one and those that a payload needs; None where skeletons differ.

    It has no root where they have no more in common.
    """
    cdef Token old[MOST_TOKENS]
    cdef int slots[MOST_TOKENS]
    cdef int places[MOST_TOKENS]
    cdef int count = payload.count
    cdef int found
    cdef int at
    cdef int slot = 0
    cdef Stencil made
    if known is None or known._outline != payload.outline or scan(known._data, known._length, old) != count:
        return None
    found = differences(known._data, known._length, old, payload.data, payload.length, payload.tokens, count, places)
    if found < 0:
        return None
    for at in range(count):
        slots[at] = -1
    for at in range(found):
        slots[places[at]] = 0
    for at in range(known._slots):
        slots[known._tokens[at]] = 0
    for at in range(count):
        if slots[at] == 0:
            slots[at] = slot
            places[slot] = at
            slot += 1
    made = cut(payload, places, min(slot, MOST_SLOTS))
    if slot <= MOST_SLOTS:
        made.root = plan(types, value, payload.data, payload.tokens, slots, slot)
    return made if made.root is not None else cut(payload, NULL, 0)


cdef Stencils stencils_for(decoder):
    """Return the stencils for what a `msgspec.json.Decoder` decodes; None where they are off, or may not be used."""
    if not _on or not decoder.strict or decoder.dec_hook is not None or decoder.float_hook is not None:
        return None
    cdef Types types = types_of(decoder.type)
    return None if types is None else Stencils(decoder.decode, types)


_pools = {}


def forget():
    """Forget what taps and rewriters have learned; for tests."""
    _pools.clear()


cdef Pool pool_for(decoder):
    """Return the stencils that all readers of a `msgspec.json.Decoder` share; None where they are off."""
    if not _on:
        return None
    pool = _pools.get(decoder)
    if pool is None:
        pool = _pools[decoder] = Pool(types_of(decoder.type))
    return pool


cdef object payload_of(bytes data, Learner learner):
    """Return an event's data as plain JSON, as leniently as chunks are read; `...` where it is none.

    A `learner` learns from it if it is an object, and msgspec takes it.
    """
    cdef bint strict = False
    payload = ...
    try:
        payload = _decode(data)
        strict = True
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    if not strict:
        try:
            payload = loads(data)
        except NotAChunk:
            pass
    elif learner is not None and type(payload) is dict:
        learner.learn(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), payload)
    return payload


def check_same(built, decoded):
    """Raise an error where a stencil's value is not what msgspec makes of the payload."""
    if not same(built, decoded):
        raise StencilMismatchError(f"a stencil gives {built!r}, msgspec {decoded!r}")


def same(one, other):
    """Tell whether two values are equal in every part, types included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Struct):
        return same(astuple(one), astuple(other))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and same(list(one.values()), list(other.values()))
    return one == other or one != one != other


def switch(on):
    """Switch stencils on or off for decoders made from now on, for tests; return whether they were on."""
    global _on
    was, _on = _on, on
    return was


def learned_from(type, payloads):
    """Return the literals of each stencil that the payloads have left, the last to match first; for tests."""
    cdef Stencils stencils = stencils_for(msgspec.json.Decoder(type))
    cdef const char *stop
    cdef const char *start
    cdef Stencil each
    for payload in payloads:
        start = payload
        if stencils.match(start, start + len(payload), &stop) is None:
            stencils.learn(start, len(payload), msgspec.json.decode(payload, type=type))
    found = []
    for each in (stencils._first, stencils._second):
        if each is not None:
            found.append([each._payload[each._starts[at]:each._ends[at]] for at in range(each._slots + 1)])
    return found
