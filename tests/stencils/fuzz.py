"""Compare the twins on mutated streams until told otherwise.

python -m tests.stencils.fuzz 10000000          # so many payloads, by chance, on all processors
python -m tests.stencils.fuzz --atheris [...]   # driven by atheris (pip install atheris) and its options
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

from .mutation import Bytes, Chance
from .outcomes import check

_BATCH = 50_000


def batch(seed: int) -> int:
    """Check at least `_BATCH` payloads; each stream has a seed of its own, which a failure names."""
    done = 0
    while done < _BATCH:
        seed += 1
        try:
            done += check(Chance(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    return done


def main(payloads: int) -> None:
    """Check `payloads` payloads and say how it goes."""
    started = time.time()
    first = int(started) << 24
    done = 0
    with ProcessPoolExecutor(cpu_count()) as pool:
        for count in pool.map(batch, range(first, first + (payloads // _BATCH + 1) * 1_000_000, 1_000_000)):
            done += count
            print(f"\r{done:,} payloads, {time.time() - started:,.0f} s", end="", flush=True)
    print(": no difference")


def fuzz() -> None:
    """Let atheris choose."""
    import atheris

    atheris.instrument_all()  # what is Python of it: the choices, the pure twin
    sys.argv.remove("--atheris")
    atheris.Setup(sys.argv, lambda data: check(Bytes(data)) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    if "--atheris" in sys.argv:
        fuzz()
    else:
        main(int(sys.argv[1]))
