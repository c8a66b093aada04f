"""`python -m fuzz`: run targets for some minutes, each in turn, or an input that was found again."""

import argparse
import math
import secrets
import subprocess
import sys
import time
import zlib
from pathlib import Path

from tests.stencils.mutation import Chance

from .inputs import FOUND, fresh
from .targets import TARGETS

BATCH = 200  # executions between two looks at the clock


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help=f"of: {', '.join(TARGETS)}; all of them if none is named")
    add("--minutes", type=float, default=1.0, help="in all, a minute if not given")
    add("--seed", type=int, default=secrets.randbits(63), help="of chance; one that no run had yet if not given")
    add("--atheris", action="store_true", help="let coverage guide it (pip install atheris)")
    add("--input", type=Path, metavar="FILE", help="run this one input, of a finding, through one target")
    asked = parser.parse_args()
    for name in asked.targets:
        if name not in TARGETS:
            parser.error(f"no target {name!r}")
    if not 0 < asked.minutes < math.inf:
        parser.error("--minutes must be more than 0")
    if asked.input and len(asked.targets) != 1:
        parser.error("--input needs its target")
    asked.targets = asked.targets or list(TARGETS)
    return asked


def kept(name: str, data: bytes) -> Path:
    """Keep the input of a finding."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{name}-{zlib.crc32(data):08x}"
    path.write_bytes(data)
    return path


def by_chance(name: str, seconds: float, seed: int) -> int:
    """Run a target on new inputs until the time is over, and return how many there were."""
    target = TARGETS[name]
    end = time.monotonic() + seconds
    done = 0
    while done % BATCH or time.monotonic() < end:
        data = fresh(Chance(f"{seed}/{name}/{done}"))  # so that no two seeds have inputs in common
        try:
            target(data)
        except BaseException:
            print(f"{name}: a finding, kept as {kept(name, data)}", file=sys.stderr)
            raise
        done += 1
    return done


def by_coverage(name: str, seconds: float) -> None:
    """Run a target as atheris leads, which ends its process."""
    subprocess.run([sys.executable, "-m", "fuzz.guided", name, str(math.ceil(seconds))], check=True)


def main() -> None:
    asked = arguments()
    if asked.input:
        TARGETS[asked.targets[0]](asked.input.read_bytes())
        print("no difference")
        return
    seconds = asked.minutes * 60 / len(asked.targets)
    total = 0
    for name in asked.targets:
        if asked.atheris:
            by_coverage(name, seconds)
            continue
        started = time.monotonic()
        done = by_chance(name, seconds, asked.seed)
        total += done
        print(
            f"{name}: {done:,} executions, {done / (time.monotonic() - started):,.0f} a second, no difference",
            flush=True,
        )
    if total:
        print(f"{total:,} executions; seed {asked.seed}")


if __name__ == "__main__":
    main()
