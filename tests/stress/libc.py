"""`python -m tests.stress.libc [NAME]`, with failing.c preloaded: allocations of libc fail, each in turn.

Those that the compiled twin's code asks for, itself or by way of CPython (PYTHONMALLOC=malloc), while it learns too.
What msgspec asks for is spared, which does not survive it (0.22), and what Python code does that is called: there
CPython 3.11 loses exceptions and memory, and 3.13 drops references twice. One allocation fails, and then that one and
all behind it. Only MemoryError may come of it; the object is reset, and must then work as a new one, as must a new
one; nothing may stay.
"""

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .leaks import ALLOWED, allocated
from .scripts import Script, scripts
from .work import chosen

ALL = 1 << 40  # and all behind it
_shim = ctypes.CDLL(None)
_shim.failing_arm.argtypes = [ctypes.c_long, ctypes.c_long]
_shim.failing_disarm.restype = ctypes.c_long
_shim.failing_spare.restype = None


@contextmanager
def armed(number: int, count: int) -> Iterator[Callable[[], int]]:
    """Let `count` allocations fail from a number on; yields what tells how many have failed, afterwards."""
    failures = 0
    _shim.failing_arm(number, count)
    try:
        yield lambda: failures
    finally:
        failures = _shim.failing_disarm()


def spare_frames() -> None:
    """Spare the frame objects that are made where Python code raises, when it is left already.

    Where there is no memory for one, CPython 3.11 drops the exception, and returns to compiled code as if there
    were one: which then looks into it.
    """
    if sys.version_info < (3, 12):
        _shim.failing_spare(b"_PyObject_GC_NewVar")
        sys._getframe()
        _shim.failing_spare(None)


def failing(script: Script, count: int) -> int:
    """Have each allocation of a script fail in turn, `count` in a row; return how many there were."""
    expected = repr(script.run(script.make()))
    number = 0
    while True:
        reader = outcome = None
        try:
            with armed(number, count) as failures:
                reader = script.make()
                outcome = script.run(reader)
        except MemoryError:
            pass
        if outcome is not None:  # what failed was not needed
            check(number, "while it failed", outcome, expected)
        if not failures():
            return number
        outcome = None
        if reader is not None:
            reader.reset()
            check(number, "after reset()", script.run(reader), expected)
        check(number, "of a new one", script.run(script.make()), expected)
        number += 1


def check(number: int, which: str, outcome: Any, expected: str) -> None:
    found = repr(outcome)
    at = next((at for at, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), 0)
    part = slice(max(0, at - 60), at + 240)
    assert found == expected, f"allocation {number}, {which}: … {found[part]} … instead of … {expected[part]} …"


def main(wanted: str) -> None:
    watched = _shim.failing_watch(b"deltawire/_compiled/", b"/msgspec/", b"_PyEval_EvalFrameDefault")
    assert watched > 2, "no extension is loaded"
    spare_frames()
    named = {script.name: script for script in scripts()}
    for script in map(named.__getitem__, chosen(named, wanted)):
        failing(script, 1)  # for what is made once
        for count in (1, ALL):
            gc.collect()
            before = allocated()
            failures = failing(script, count)
            gc.collect()
            growth = allocated() - before
            which = "one" if count == 1 else "all behind"
            print(f"{script.name}, {which}: {failures} failures, {growth / 1024:+.0f} KiB", flush=True)
            assert failures > 3, "nothing failed"
            assert growth <= ALLOWED, f"{growth} bytes stay"
    print("Whatever failed, only MemoryError came of it, and nothing stayed.")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
