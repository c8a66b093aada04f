"""The threat model names tests and limits that there are."""

import re
from pathlib import Path

import pytest

from deltawire import Limits

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8")
KINDS = {" MiB": 1 << 20, " KiB": 1 << 10, "": 1}


def test_the_tests_that_it_names_exist() -> None:
    folder = Path("tests")
    for named in re.findall(r"`(tests/[\w/]+(?:\.py)?|test_\w+\.py)`", TEXT):
        path = Path(named)
        if path.name.startswith("test_") and len(path.parts) == 1:
            path = folder / path  # in the folder of the test that was named before it
        assert (ROOT / path).exists(), path
        folder = path.parent


@pytest.mark.parametrize(
    "pattern",
    [
        (r"`Limits.max_event` bytes, ([\d,]+)( MiB)", "max_event"),
        (r"`Limits.max_message` bytes held, ([\d,]+)( MiB)", "max_message"),
        (r"`Limits.max_items` choices, calls and parts, ([\d,]+)()", "max_items"),
    ],
    ids=lambda pattern: pattern[1],
)
def test_the_limits_are_those_that_hold_unless_told_otherwise(pattern: tuple[str, str]) -> None:
    said = re.search(pattern[0], TEXT)
    assert said
    assert int(said[1].replace(",", "")) * KINDS[said[2]] == getattr(Limits(), pattern[1])
