"""`python -m tests.stress.leaks [EVENTS [NAME]]`: does anything stay, of work that is done again and again?

Each piece of work is done once for 24 of a million events, so 41,666 times: most read as many events or more, some
only meet a few faults or calls each time. It has a process of its own. Behind it Python's allocators may have 50
blocks more than before, and libc's 64 KiB more in use: which, unlike the resident set, pages that come and go do not
change (Linux, glibc).
"""

import ctypes
import gc
import subprocess
import sys

from ..conftest import twin
from .work import chosen, work_of

ALLOWED = 64 << 10  # bytes
EVENTS_A_TIME = 24  # of one piece of work; most have more
LEAST = 3000  # events: of fewer, a block that each run leaves would be less than what is allowed


class _Heap(ctypes.Structure):
    """What glibc tells of its heap (mallinfo2), in bytes."""

    _names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


_libc = ctypes.CDLL(None)
_libc.mallinfo2.restype = _Heap


def allocated() -> int:
    """Return the bytes that are in use of libc's heap."""
    heap = _libc.mallinfo2()
    return heap.uordblks + heap.hblkhd


def settled() -> tuple[int, int]:
    """Return how much is allocated, of Python's blocks and of libc's bytes, garbage apart."""
    gc.collect()
    return sys.getallocatedblocks(), allocated()


def grown(name: str, events: int) -> tuple[int, int]:
    """Return by how many blocks and bytes this process has grown over a piece of work again and again."""
    work = work_of(twin("compiled"))[name]
    times = events // EVENTS_A_TIME
    for _ in range(times // 4):  # until arenas, caches and free lists have their size
        work()
    blocks, size = settled()
    for _ in range(times):
        work()
    more_blocks, more_size = settled()
    return more_blocks - blocks, more_size - size


def measured(name: str, events: int) -> tuple[int, int]:
    """Return by how much a process of its own has grown over a piece of work."""
    call = f"from tests.stress.leaks import grown; print(*grown({name!r}, {events}))"
    blocks, size = subprocess.check_output([sys.executable, "-c", call], text=True).split()
    return int(blocks), int(size)


def main(events: int, wanted: str) -> None:
    """Run each piece in a process, and say what stays."""
    if events < LEAST:
        raise SystemExit(f"{events} events are too few: {LEAST} at least")
    leaks = 0
    for name in chosen(work_of(twin("compiled")), wanted):
        blocks, size = measured(name, events)
        leak = blocks > 50 or size > ALLOWED
        leaks += leak
        print(f"{name}: {blocks:+} blocks, {size / 1024:+.0f} KiB{' – a leak' if leak else ''}", flush=True)
    if leaks:
        raise SystemExit(f"{leaks} of them leak")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, " ".join(sys.argv[2:]))
