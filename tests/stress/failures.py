"""`python -m tests.stress.failures`: one allocation fails, each in turn. Only MemoryError may come of it.

CPython's allocators fail (`_testcapi`) while what was learned is matched: not within msgspec, which does not
survive it (0.22). After each failure the object is reset, and must then work as a new one; nothing may stay.
"""

import _testcapi
import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from deltawire import DeltawireError
from deltawire.replay import sample

from ..conftest import twin
from .leaks import ALLOWED, allocated

COMPILED = twin("compiled")
# That many allocations in a row without a failure, and there are no more of them.
QUIET = 30


class Watching:
    """A tap that has the methods of the others."""

    def __init__(self) -> None:
        self.tap = COMPILED.Tap(text=True, gap_bounds=(1, 5), started_at=0)

    def feed(self, data: bytes) -> int:
        return self.tap.feed(data, 7)

    def finish(self) -> Any:
        return self.tap.close(9)

    def reset(self) -> None:
        self.tap.reset(0)


OBJECTS: dict[str, Callable[[], Any]] = {
    "EventParser": COMPILED.EventParser,
    "ChunkDecoder": COMPILED.ChunkDecoder,
    "StreamDecoder": lambda: COMPILED.StreamDecoder(dict, done=None),
    "TextDecoder": COMPILED.TextDecoder,
    "CompletionAccumulator": COMPILED.CompletionAccumulator,
    "Tap": Watching,
    "Rewriter": lambda: COMPILED.Rewriter(model="m", usage="drop"),
}


def cut(body: bytes) -> list[bytes]:
    return [body[at : at + 500] for at in range(0, len(body), 500)]


def fed(reader: Any, *reads: bytes) -> list[Any]:
    """Return what comes of a body, and of its end."""
    log = [reader.feed(read) for read in reads]
    with suppress(DeltawireError):
        log.append(reader.finish())
    if hasattr(reader, "completion"):
        log.append(reader.completion())
    return log


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
