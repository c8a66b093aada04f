"""`python -m fuzz.guided TARGET SECONDS`: one target, led by coverage, in a process that atheris ends."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["deltawire"]):
    from .inputs import FOUND, HEAD, TOKENS, seeds
    from .targets import TARGETS

SEEDS = Path("fuzz", "seeds")


def main(name: str, seconds: str) -> None:
    FOUND.mkdir(exist_ok=True)
    SEEDS.mkdir(exist_ok=True)
    for number, body in enumerate(seeds()):
        (SEEDS / str(number)).write_bytes(bytes(HEAD) + body)
    words = SEEDS.with_suffix(".dict")
    words.write_text("".join('"' + "".join(rf"\x{byte:02x}" for byte in token) + '"\n' for token in TOKENS))
    options = [
        f"-dict={words}",
        f"-max_total_time={seconds}",
        "-max_len=1500",
        "-timeout=20",
        "-rss_limit_mb=4096",
        f"-artifact_prefix={FOUND}/{name}-",
    ]
    atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", str(SEEDS)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
