"""Is it an event stream at all? What its first bytes tell."""

import re

# Bytes of a first line that tell.
HEAD = 64

_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data", b"event", b"id", b"retry", b"error")
_BEGINNING = re.compile(rb"[:\r\n]|(?:data|event|id|retry|error)(?:[:\r\n]|$)")
_LINE_END = re.compile(rb"[\r\n]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def is_begun(head: bytes) -> bool:
    """Tell whether an event stream may begin so: with a field, a comment or a blank line, or the beginning of one."""
    line = head.removeprefix(_BOM)
    return _BEGINNING.match(line) is not None or any(name.startswith(line) for name in (*_FIELDS, _BOM))


def is_binary(head: bytes) -> bool:
    """Tell whether a stream's first line is no text: compressed, as a rule.

    `head` has the first `HEAD` bytes; with less, and no line end among them, nothing is told.
    """
    line, *behind = _LINE_END.split(head, maxsplit=1)
    if is_begun(head) or (not behind and len(head) < HEAD):
        return False
    if _CONTROL.search(line):
        return True
    try:
        line.decode()
    except UnicodeDecodeError as error:
        # A character that `HEAD` cuts is none.
        return bool(behind) or error.reason != "unexpected end of data"
    return False
