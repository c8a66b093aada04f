"""Who may know whom: the extension's modules, what an import brings, and the twins."""

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import deltawire

from .conftest import PURE_ONLY, TWINS

# Where the sources are: what is installed may lack those of the extension.
PACKAGE = Path(__file__).parents[1] / "src" / "deltawire"

# From below; modules of one layer do not know each other.
LAYERS = [
    {"members", "scan", "structs", "tokens"},
    {"events", "building", "folding"},
    {"glance", "shortcut", "steps"},
    {"stencil"},
    {"decoder"},
    {"chat", "models"},
    {"accumulator"},
    {"tap"},
    {"rewriter"},
]
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

# What only the extension needs; every other module has a twin in Python.
INNER = {"building", "glance", "members", "scan", "shortcut", "stencil", "steps", "structs", "tokens"}

# A sibling, brought by a cimport or at run time.
SIBLING = re.compile(r"^\s*from\s+\.(\w+)\s+c?import\b", re.MULTILINE)
# The same in words that SIBLING would miss.
OTHERWISE = re.compile(
    r"^\s*(?:c?import\s+deltawire|from\s+deltawire\b|from\s+\.\s+c?import|from\s+\.\._).*", re.MULTILINE
)

# An `except` clause, with all that is indented deeper; and what would leave one.
CLAUSE = re.compile(r"^( *)except\b.*\n(?:(?:\1 .*)?\n)*", re.MULTILINE)
LEAVES = re.compile(r"\breturn\b|\braise\b.+\bfrom\b")

# Of the facades' names, what only the integrations use; and all that a facade may have.
INTERNAL = {"ModelDecoder"}
PUBLIC = {*deltawire.__all__, *INTERNAL}

SOURCES = sorted(path for path in (PACKAGE / "_compiled").glob("*.p*") if path.suffix in (".pyx", ".pxd"))

# The modules that are chosen by the backend, and what the package takes from each.
FACADES = re.compile(r"^    from \._pure\.(\w+) import (.+)$", re.MULTILINE)


def facades() -> list[tuple[str, set[str]]]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("*.py"))]
    return [(match[1], set(match[2].split(", "))) for text in texts for match in FACADES.finditer(text)]


def twins(name: str) -> list[ModuleType]:
    return [import_module(f"deltawire._{twin}.{name}") for twin in TWINS]


def public_members(kind: type) -> dict[str, object]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def arguments(member: object) -> list[str] | None:
    return list(inspect.signature(member).parameters) if callable(member) else None


def test_every_source_of_the_extension_is_looked_at() -> None:
    names = {path.name for path in SOURCES}
    assert {"scan.pxd", "events.pyx", "events.pxd", "decoder.pyx", "accumulator.pyx"} <= names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_extension_imports_down_only(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert OTHERWISE.findall(text) == []
    assert source.stem in LEVELS, "a new module: give it its layer"
    siblings = set(SIBLING.findall(text)) - {source.stem}
    assert siblings <= LEVELS.keys()
    assert {name for name in siblings if LEVELS[name] >= LEVELS[source.stem]} == set()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_return_and_no_raise_from_leaves_an_except_clause_of_the_extension(source: Path) -> None:
    # Where memory is short Cython drops references there.
    clauses = [match[0] for match in CLAUSE.finditer(source.read_text(encoding="utf-8"))]
    assert [clause for clause in clauses if LEAVES.search(re.sub("#.*", "", clause))] == []


# msgspec comes first: what it brings along is its own affair. What has no spec was
# made in memory, as Cython makes the modules that its extensions share.
FOREIGN = """
import msgspec, msgspec.inspect, msgspec.json, msgspec.structs, sys
before = set(sys.modules)
import deltawire
names = {name.partition(".")[0] for name in set(sys.modules) - before if sys.modules[name].__spec__}
print(deltawire.BACKEND, *sorted(names - sys.stdlib_module_names - {"deltawire", "msgspec"}))
"""


def test_importing_deltawire_brings_msgspec_and_the_standard_library_only(backend) -> None:
    environment = {**os.environ, "DELTAWIRE_PURE": "1" if backend.name == "pure" else "0"}
    run = subprocess.run([sys.executable, "-c", FOREIGN], env=environment, capture_output=True, text=True)
    assert (run.stdout.split(), run.stderr) == ([backend.name], "")


def test_the_facades_are_found() -> None:
    found = dict(facades())
    assert {"events", "decoder", "accumulator"} <= found.keys()
    assert found["events"] == {"EventParser"}
    assert all(names <= PUBLIC for names in found.values())


@pytest.mark.parametrize(("name", "public"), facades())
def test_twins_have_the_same_public_names(name: str, public: set[str]) -> None:
    for module in twins(name):
        # A subclass or a base that the package does not show is the twin's own affair.
        assert public == PUBLIC & {
            member for member, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__
        }


@pytest.mark.skipif(PURE_ONLY, reason="only the pure twin is asked for")
@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, public in facades() for kind in sorted(public)])
def test_twins_have_the_same_members_arguments_and_docstrings(name: str, kind: str) -> None:
    pure, compiled = (getattr(module, kind) for module in twins(name))
    members = public_members(pure)
    assert members.keys() == public_members(compiled).keys()
    for member, value in members.items():
        assert arguments(getattr(compiled, member)) == arguments(value), member
    for member in [None, *members]:
        one, other = (inspect.getdoc(getattr(twin, member) if member else twin) for twin in (compiled, pure))
        assert one == other, member


@pytest.mark.parametrize("name", sorted({source.stem for source in SOURCES}))
def test_a_module_of_the_extension_has_a_twin_or_is_an_inner_one(name: str) -> None:
    assert (PACKAGE / "_pure" / f"{name}.py").exists() == (name not in INNER)
