"""The checks under stress fail where they are to: what they say of errors and of names is tested here."""

from xml.etree import ElementTree as ET

import pytest

from .memcheck import is_ours
from .work import chosen

OURS = (
    "/deltawire/.nox/valgrind/lib/python3.11/site-packages/deltawire/_compiled/events.cpython-311-x86_64-linux-gnu.so"
)
MSGSPEC = "/deltawire/.nox/valgrind/lib/python3.11/site-packages/msgspec/_core.cpython-311-x86_64-linux-gnu.so"
JSON = "/usr/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so"
PYTHON = "/usr/bin/python3.11"
LIBPYTHON = "/opt/python/lib/libpython3.11.so.1.0"
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
MALLOC = "/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so"


def error(kind: str, *modules: str, function: str = "f") -> ET.Element:
    """Return an error as valgrind reports it: the modules from the innermost frame on, then where a block was made."""
    frames = "".join(f"<frame><obj>{module}</obj><fn>{function}</fn></frame>" for module in modules)
    made = f"<auxwhat>Address is 0 bytes after a block</auxwhat><stack><frame><obj>{OURS}</obj></frame></stack>"
    return ET.fromstring(f"<error><kind>{kind}</kind><stack>{frames}</stack>{made}</error>")


@pytest.mark.parametrize(("kind", "modules", "ours"), [
    ("InvalidRead", [OURS, PYTHON], True),
    ("InvalidRead", [MALLOC, OURS, PYTHON], True),  # its memcpy
    ("InvalidRead", [LIBC, LIBPYTHON, OURS, PYTHON], True),
    ("InvalidRead", [MSGSPEC, OURS, PYTHON], False),
    ("InvalidRead", [PYTHON, MSGSPEC, OURS, PYTHON], False),
    ("InvalidWrite", [PYTHON, JSON, PYTHON], False),
    ("Leak_DefinitelyLost", [MALLOC, PYTHON, OURS, PYTHON], True),
    ("Leak_DefinitelyLost", [MALLOC, PYTHON, JSON, PYTHON], False),
    ("Leak_DefinitelyLost", [MALLOC, PYTHON, MSGSPEC, PYTHON, OURS], False),
    ("UninitCondition", [OURS, PYTHON], True),
    ("UninitCondition", [MALLOC, OURS, PYTHON], True),  # its memcmp
    ("UninitCondition", [PYTHON, OURS, PYTHON], False),
    ("UninitValue", [LIBPYTHON, OURS], False),
    ("UninitValue", [MSGSPEC, OURS], False),
])  # fmt: skip
def test_an_error_is_ours_where_the_compiled_twin_comes_first(kind: str, modules: list[str], ours: bool) -> None:
    assert is_ours(error(kind, *modules)) == ours


def test_reads_of_whole_vectors_are_not_ours() -> None:
    assert not is_ours(error("InvalidRead", LIBC, PYTHON, OURS, function="__wmemcmp_avx2"))


def test_a_name_that_nothing_has_is_an_error() -> None:
    assert chosen(["Tap", "Rewriter, text"], "Rewriter") == ["Rewriter, text"]
    assert chosen(["Tap", "Rewriter, text"], "") == ["Tap", "Rewriter, text"]
    with pytest.raises(SystemExit, match="'Rewritter', of: Tap; Rewriter, text"):
        chosen(["Tap", "Rewriter, text"], "Rewritter")
