"""`python -m tests.stress.failures`: one allocation fails, each in turn. Only MemoryError may come of it.

CPython's allocators fail (`_testcapi`) while what was learned is matched: not within msgspec, which does not
survive it (0.22). After each failure the object is reset, and must then work as a new one; nothing may stay.
"""

import _testcapi
import gc
from collections.abc import Callable, Iterator
from typing import Any

from deltawire.replay import sample

from .leaks import ALLOWED, allocated
from .scripts import OBJECTS, cut, fed

# That many allocations in a row without a failure, and there are no more of them.
QUIET = 30


def failing(make: Callable[[], Any], learned: bytes, reads: list[bytes]) -> int:
    """Have each allocation of some reads fail in turn; return how many there were."""
    expected = repr(fed(make(), learned, *reads))
    number = quiet = failures = 0
    while quiet < QUIET:
        reader = make()
        reader.feed(learned)
        quiet += 1
        _testcapi.set_nomemory(number, number + 1)
        try:
            for read in reads:
                reader.feed(read)
        except MemoryError:
            quiet = 0
            failures += 1
        finally:
            _testcapi.remove_mem_hooks()
        reader.reset()
        found = repr(fed(reader, learned, *reads))
        assert found == expected, f"allocation {number}: {found[:300]} … instead of {expected[:300]} …"
        number += 1
    return failures


def streams() -> Iterator[tuple[str, bytes, list[bytes]]]:
    """Yield what is read before anything fails, and what then is: payloads of the kinds that have come."""
    for name in ("text", "tools", "n4"):
        events = sample(name, chunks=24).events()
        yield name, b"".join(events[:20]), cut(b"".join(events[10:18]))


def main() -> None:
    for name, make in OBJECTS.items():
        if "each" in name:
            continue  # it runs Python code, which CPython 3.11 does not survive: see `libc`, which spares its frames
        for kind, learned, reads in streams():
            failing(make, learned, reads)
            gc.collect()
            before = allocated()
            failures = failing(make, learned, reads)
            gc.collect()
            growth = allocated() - before
            print(f"{name}, {kind}: {failures} failures, {growth / 1024:+.0f} KiB", flush=True)
            assert failures > 3, "nothing failed"
            assert growth <= ALLOWED, f"{growth} bytes stay"


if __name__ == "__main__":
    main()
