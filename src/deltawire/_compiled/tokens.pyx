"""JSON text as tokens (RFC 8259).

`scan` takes a payload that msgspec has decoded, and gives up (0) on what cannot be
learned from. `read_string` and `read_integer` take bytes that nobody has looked at: they
accept only what msgspec accepts too, and give NULL for anything doubtful.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void *PyUnicode_DATA(object text) noexcept

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* Of each byte: 0 for plain text, else why a string slot must look at it. */
    enum { DW_PLAIN, DW_QUOTE, DW_ESCAPE, DW_CONTROL, DW_HIGH };
    static unsigned char dw_classes[256];
    static void dw_fill_classes(void) {
        for (int byte = 0; byte < 256; byte++)
            dw_classes[byte] = byte < 0x20 ? DW_CONTROL : byte >= 0x80 ? DW_HIGH
                : byte == '"' ? DW_QUOTE : byte == '\\\\' ? DW_ESCAPE : DW_PLAIN;
    }
    #if (defined(__GNUC__) || defined(__clang__)) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    /* How many of eight bytes are plain before the first that is not. In each mask a byte's high
       bit is set where the byte is below 0x20, or equal to the one looked for; a borrow may set
       more of them, but only behind the first. */
    static inline int dw_plain_bytes(const char *pos) {
        uint64_t word, mask, quotes, escapes;
        memcpy(&word, pos, 8);
        quotes = word ^ 0x2222222222222222u;
        escapes = word ^ 0x5C5C5C5C5C5C5C5Cu;
        mask = (word - 0x2020202020202020u) & ~word;
        mask |= (quotes - 0x0101010101010101u) & ~quotes;
        mask |= (escapes - 0x0101010101010101u) & ~escapes;
        mask = (mask | word) & 0x8080808080808080u;
        return mask ? __builtin_ctzll(mask) >> 3 : 8;
    }
    #else
    static inline int dw_plain_bytes(const char *pos) {
        int plain = 0;
        while (plain < 8 && dw_classes[(unsigned char)pos[plain]] == DW_PLAIN) plain++;
        return plain;
    }
    #endif
    """
    int plain_bytes "dw_plain_bytes"(const char *pos) noexcept
    enum:
        PLAIN "DW_PLAIN"
        QUOTE "DW_QUOTE"
        ESCAPE "DW_ESCAPE"
        CONTROL "DW_CONTROL"
        HIGH "DW_HIGH"
    const unsigned char *classes "dw_classes"
    void fill_classes "dw_fill_classes"() noexcept

fill_classes()


# --- scanning a payload

cdef struct Scan:
    const char *data
    int length
    int pos
    Token *tokens
    int count
    int depth


cdef int scan(const char *data, Py_ssize_t length, Token *tokens) noexcept:
    """Fill `tokens` with those of a JSON object or array; return their number, 0 where it cannot be learned from."""
    cdef Scan state
    if length > 1 << 20:
        return 0
    state.data = data
    state.length = <int>length
    state.pos = state.count = state.depth = 0
    state.tokens = tokens
    return state.count if scan_value(&state, -1, -1) else 0


cdef inline void skip_space(Scan *state) noexcept:
    while state.pos < state.length and state.data[state.pos] in (c" ", c"\t", c"\n", c"\r"):
        state.pos += 1


cdef bint scan_value(Scan *state, int key, int key_end) noexcept:
    cdef Token *token
    cdef char byte
    cdef int here = state.count
    skip_space(state)
    if here == MOST_TOKENS or state.pos >= state.length:
        return False
    state.count += 1
    token = &state.tokens[here]
    token.start = state.pos
    token.key = key
    token.key_end = key_end
    byte = state.data[state.pos]
    if byte == c"{" or byte == c"[":
        state.depth += 1
        if state.depth > MOST_DEPTH or not scan_container(state, token, byte == c"{", here):
            return False
        state.depth -= 1
    elif byte == c'"':
        token.kind = STRING
        token.start += 1
        token.end = string_end(state)
        if token.end < 0:
            return False
    else:
        scan_word(state, token)
    token.after = state.count
    return True


cdef bint scan_container(Scan *state, Token *token, bint is_object, int here) noexcept:
    cdef char closing = c"}" if is_object else c"]"
    cdef int key = -1
    cdef int key_end = -1
    token.kind = OBJECT if is_object else ARRAY
    state.pos += 1
    while True:
        skip_space(state)
        if state.pos >= state.length:
            return False
        if state.data[state.pos] == closing:
            state.pos += 1
            token.end = state.pos
            return True
        if is_object:
            if state.data[state.pos] != c'"':
                return False
            key = state.pos + 1
            key_end = string_end(state)
            if key_end < 0 or not is_new_key(state, here, key, key_end):
                return False
            skip_space(state)
            if state.pos >= state.length or state.data[state.pos] != c":":
                return False
            state.pos += 1
        if not scan_value(state, key, key_end):
            return False
        skip_space(state)
        if state.pos < state.length and state.data[state.pos] == c",":
            state.pos += 1


cdef bint is_new_key(Scan *state, int container, int key, int key_end) noexcept:
    """Tell whether a member's name has no escape and is the first of its name."""
    cdef int at = container + 1
    cdef int place
    cdef Token *other
    for place in range(key, key_end):
        if state.data[place] == c"\\":
            return False
    while at < state.count:
        other = &state.tokens[at]
        if other.key_end - other.key == key_end - key:
            if memcmp(state.data + other.key, state.data + key, key_end - key) == 0:
                return False
        at = other.after
    return True


cdef int string_end(Scan *state) noexcept:
    """Go behind the string at `pos` and return where its closing quote is; -1 where it has none."""
    cdef int end = state.pos + 1
    while end < state.length and state.data[end] != c'"':
        end += 2 if state.data[end] == c"\\" else 1
    if end >= state.length:
        return -1
    state.pos = end + 1
    return end


cdef void scan_word(Scan *state, Token *token) noexcept:
    """Go behind a number or a name."""
    cdef Span span
    cdef const char *stop
    while state.pos < state.length and state.data[state.pos] not in (c",", c"}", c"]", c" ", c"\t", c"\n", c"\r"):
        state.pos += 1
    token.end = state.pos
    stop = read_integer(state.data + token.start, state.data + token.end, &span)
    token.kind = INTEGER if stop == state.data + token.end else OTHER


cdef uint64_t outline(Py_ssize_t length, const Token *tokens, int count) noexcept:
    """Return a number that payloads have in common whose strings and integers alone differ, and few others."""
    cdef uint64_t mixed = count
    cdef int end = 0
    cdef int at
    for at in range(count):
        if tokens[at].kind == STRING or tokens[at].kind == INTEGER:
            mixed = (mixed ^ <uint64_t>(tokens[at].start - end)) * <uint64_t>0x9E3779B97F4A7C15
            mixed ^= mixed >> 29
            end = tokens[at].end
    return mixed ^ <uint64_t>(length - end)


cdef int differences(const char *old, Py_ssize_t old_length, const Token *old_tokens,
                     const char *new, Py_ssize_t new_length, const Token *new_tokens,
                     int count, int *differing) noexcept:
    """Find the strings and integers that differ; return their number, -1 where anything else does."""
    cdef int found = 0
    cdef int old_pos = 0
    cdef int new_pos = 0
    cdef int at
    cdef int size
    cdef const Token *was
    cdef const Token *now
    for at in range(count):
        was = &old_tokens[at]
        now = &new_tokens[at]
        if was.kind != now.kind:
            return -1
        if was.kind != STRING and was.kind != INTEGER:
            continue
        size = was.start - old_pos
        if size != now.start - new_pos or memcmp(old + old_pos, new + new_pos, size) != 0:
            return -1
        size = was.end - was.start
        if size != now.end - now.start or memcmp(old + was.start, new + now.start, size) != 0:
            differing[found] = at
            found += 1
        old_pos = was.end
        new_pos = now.end
    if old_length - old_pos != new_length - new_pos:
        return -1
    return found if memcmp(old + old_pos, new + new_pos, old_length - old_pos) == 0 else -1


# --- reading what a slot holds

cdef const char *read_string(const char *pos, const char *end, Span *span) noexcept:
    """Read a string's inside up to its closing quote, and return where that is."""
    cdef int kind
    cdef int plain
    span.start = pos
    span.holds = 0
    while pos < end:
        if end - pos >= 8:
            plain = plain_bytes(pos)
            pos += plain
            if plain == 8:
                continue
        kind = classes[<unsigned char>pos[0]]
        if kind == PLAIN:
            pos += 1
        elif kind == QUOTE:
            span.length = pos - span.start
            return pos
        elif kind == ESCAPE:
            span.holds |= ESCAPED
            pos = escape_end(pos, end)
            if pos is NULL:
                return NULL
        elif kind == HIGH:
            span.holds |= NON_ASCII
            pos = character_end(pos, end)
            if pos is NULL:
                return NULL
        else:
            return NULL
    return NULL


cdef const char *escape_end(const char *pos, const char *end) noexcept:
    """Return the end of an escape; NULL where it is not whole, or a surrogate that stands alone."""
    cdef int unit
    if end - pos < 2:
        return NULL
    if pos[1] != c"u":
        return pos + 2 if pos[1] in (c'"', c"\\", c"/", c"b", c"f", c"n", c"r", c"t") else NULL
    unit = code_unit(pos, end)
    if unit < 0 or 0xDC00 <= unit <= 0xDFFF:
        return NULL
    pos += 6
    if 0xD800 <= unit <= 0xDBFF:
        if not 0xDC00 <= code_unit(pos, end) <= 0xDFFF:
            return NULL
        pos += 6
    return pos


cdef int code_unit(const char *pos, const char *end) noexcept:
    """Return the value of a \\uXXXX, or -1."""
    cdef int value = 0
    cdef int place
    cdef char digit
    if end - pos < 6 or pos[0] != c"\\" or pos[1] != c"u":
        return -1
    for place in range(2, 6):
        digit = pos[place]
        if c"0" <= digit <= c"9":
            digit -= c"0"
        elif c"a" <= digit <= c"f":
            digit -= c"a" - 10
        elif c"A" <= digit <= c"F":
            digit -= c"A" - 10
        else:
            return -1
        value = value << 4 | digit
    return value


cdef const char *character_end(const char *pos, const char *end) noexcept:
    """Return the end of a UTF-8 character beyond ASCII (RFC 3629, section 4); NULL where it is none."""
    cdef unsigned char first = pos[0]
    cdef unsigned char lowest = 0x80
    cdef unsigned char highest = 0xBF
    cdef int more
    cdef int place
    if 0xC2 <= first <= 0xDF:
        more = 1
    elif 0xE0 <= first <= 0xEF:
        more = 2
        if first == 0xE0:
            lowest = 0xA0
        elif first == 0xED:
            highest = 0x9F
    elif 0xF0 <= first <= 0xF4:
        more = 3
        if first == 0xF0:
            lowest = 0x90
        elif first == 0xF4:
            highest = 0x8F
    else:
        return NULL
    if end - pos <= more or not lowest <= <unsigned char>pos[1] <= highest:
        return NULL
    for place in range(2, more + 1):
        if not 0x80 <= <unsigned char>pos[place] <= 0xBF:
            return NULL
    return pos + more + 1


cdef const char *read_integer(const char *pos, const char *end, Span *span) noexcept:
    """Read an integer of at most 18 digits, and return its end; -0 is doubtful."""
    cdef const char *digits = pos
    span.start = pos
    span.holds = 0
    if digits < end and digits[0] == c"-":
        digits += 1
    pos = digits
    while pos < end and c"0" <= pos[0] <= c"9":
        pos += 1
    span.length = pos - span.start
    if pos == digits or pos - digits > 18 or (digits[0] == c"0" and span.length > 1):
        return NULL
    return pos


cdef long long integer(const Span *span) noexcept:
    """Return the value of an integer that was read."""
    cdef long long value = 0
    cdef Py_ssize_t place
    cdef bint negative = span.start[0] == c"-"
    for place in range(negative, span.length):
        value = value * 10 + (span.start[place] - c"0")
    return -value if negative else value


cdef Py_ssize_t unescaped(const Span *span, char *target) noexcept:
    """Write the text of a string that was read to `target` as UTF-8; it is never longer than its JSON."""
    cdef const char *pos = span.start
    cdef const char *end = pos + span.length
    cdef char *out = target
    cdef int point
    while pos < end:
        if pos[0] != c"\\":
            out[0] = pos[0]
            out += 1
            pos += 1
            continue
        if pos[1] == c"u":
            point = code_unit(pos, end)
            pos += 6
            if 0xD800 <= point <= 0xDBFF:
                point = 0x10000 + ((point - 0xD800) << 10) + (code_unit(pos, end) - 0xDC00)
                pos += 6
            out = write_character(out, point)
            continue
        out[0] = simple_escape(pos[1])
        out += 1
        pos += 2
    return out - target


cdef inline char simple_escape(char letter) noexcept:
    if letter == c"n":
        return c"\n"
    if letter == c"t":
        return c"\t"
    if letter == c"r":
        return c"\r"
    if letter == c"b":
        return c"\b"
    if letter == c"f":
        return c"\f"
    return letter


cdef char *write_character(char *out, int point) noexcept:
    """Write a code point as UTF-8 and return the end."""
    if point < 0x80:
        out[0] = <char>point
        return out + 1
    if point < 0x800:
        out[0] = <char>(0xC0 | point >> 6)
        out[1] = <char>(0x80 | point & 0x3F)
        return out + 2
    if point < 0x10000:
        out[0] = <char>(0xE0 | point >> 12)
        out[1] = <char>(0x80 | point >> 6 & 0x3F)
        out[2] = <char>(0x80 | point & 0x3F)
        return out + 3
    out[0] = <char>(0xF0 | point >> 18)
    out[1] = <char>(0x80 | point >> 12 & 0x3F)
    out[2] = <char>(0x80 | point >> 6 & 0x3F)
    out[3] = <char>(0x80 | point & 0x3F)
    return out + 4


cdef str text(const Span *span):
    """Return the text of a string that was read."""
    cdef char small[256]
    cdef char *target = small
    cdef str made
    if span.holds == 0 and span.length > 0:
        made = PyUnicode_New(span.length, 127)
        memcpy(PyUnicode_DATA(made), span.start, span.length)
        return made
    if not span.holds & ESCAPED:
        return PyUnicode_DecodeUTF8(span.start, span.length, NULL)
    if span.length > <Py_ssize_t>sizeof(small):
        target = <char *>PyMem_Malloc(span.length)
        if target is NULL:
            raise MemoryError
    try:
        return PyUnicode_DecodeUTF8(target, unescaped(span, target), NULL)
    finally:
        if target is not small:
            PyMem_Free(target)


# --- for tests


def tokens_of(bytes payload):
    """Return the kind and the text of each token that `scan` finds in the payload; nothing where it gives up."""
    cdef Token tokens[MOST_TOKENS]
    cdef int count = scan(payload, len(payload), tokens)
    kinds = {OBJECT: "object", ARRAY: "array", STRING: "string", INTEGER: "integer", OTHER: "other"}
    return [(kinds[tokens[at].kind], payload[tokens[at].start:tokens[at].end]) for at in range(count)]


def string_of(bytes inside):
    """Return what `read_string` and `text` make of a string's inside; None where it is doubtful."""
    cdef Span span
    cdef bytes quoted = inside + b'"'
    cdef const char *start = quoted
    cdef const char *stop = read_string(start, start + len(quoted), &span)
    return text(&span) if stop == start + len(inside) else None


def integer_of(bytes number):
    """Return what `read_integer` and `integer` make of a number; None where it is doubtful."""
    cdef Span span
    cdef const char *start = number
    cdef const char *stop = read_integer(start, start + len(number), &span)
    return integer(&span) if stop == start + len(number) else None
