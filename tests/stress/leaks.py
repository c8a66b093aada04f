"""`python -m tests.stress.leaks [EVENTS]`: does anything stay, of a million events and of as many errors?

Each piece of work has a process of its own. Behind it Python's allocators may have 50 blocks more than before,
and libc's 64 KiB more in use: which, unlike the resident set, pages that come and go do not change (Linux, glibc).
"""

import ctypes
import gc
import subprocess
import sys

from ..conftest import twin
from .work import work_of

ALLOWED = 64 << 10  # bytes
EVENTS_A_TIME = 24  # of one piece of work; most have more


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
    times = max(4, events // EVENTS_A_TIME)
    for _ in range(times // 4):  # until arenas, caches and free lists have their size
        work()
    blocks, size = settled()
    for _ in range(times):
        work()
    more_blocks, more_size = settled()
    return more_blocks - blocks, more_size - size


def main(events: int) -> None:
    """Run each piece in a process, and say what stays."""
    leaks = 0
    for name in work_of(twin("compiled")):
        told = subprocess.check_output([sys.executable, "-m", "tests.stress.leaks", str(events), name], text=True)
        blocks, size = map(int, told.split())
        leak = blocks > 50 or size > ALLOWED
        leaks += leak
        print(f"{name}: {blocks:+} blocks, {size / 1024:+.0f} KiB{' – a leak' if leak else ''}", flush=True)
    if leaks:
        raise SystemExit(f"{leaks} of them leak")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if len(sys.argv) > 2:
        print(*grown(sys.argv[2], count))
    else:
        main(count)
