"""What the documents show works as it stands, and what they list is what there is."""

import re
import runpy
import shlex
from collections import Counter
from importlib import import_module
from itertools import chain
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import deltawire
from deltawire.cli import program
from deltawire.replay import sample

from . import shown
from .shown import FENCE, INERT, ROOT, RUN, Unit, pages, rows, text_of, units

MARKS = re.compile(r"^ *(?:```|~~~)(.*)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?")  # a file, or nothing for the page itself, and an anchor
COMMAND = re.compile(r"^(?:    |\$ )(?:.*\| )?deltawire (\w+)([^|&#\n]*)", re.MULTILINE)
COMMANDS = [(page, *found) for page in pages() for found in COMMAND.findall(text_of(page))]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("unit", units("core"), ids=lambda unit: unit.name)
def test_what_a_page_shows_runs_in_its_order(unit: Unit) -> None:
    shown.run(unit)


def test_every_fence_of_a_language_that_runs_is_run_somewhere() -> None:
    languages = [mark for page in pages() for mark in MARKS.findall(text_of(page))]
    opening = languages[::2]
    assert set(languages[1::2]) == {""}  # each is closed
    assert set(opening) <= RUN | INERT
    run = [block for unit in units() for block in unit.blocks]
    assert len(run) == len(set(run)) == sum(language in RUN for language in opening)
    assert {"core", "integrations", "downstream"} == {unit.group for unit in units()}


@pytest.mark.parametrize(("expected", "printed", "fits"), [
    ("a\n…\nd\n", "a\nb\nc\nd\n", True),
    ("a …\n", "a b c\n", True),
    ("a\n", "a\nb\n", False),
    ("a\n…\n", "b\n", False),
    ("", "a\n", False),
])  # fmt: skip
def test_what_is_printed_is_compared(expected: str, printed: str, fits: bool) -> None:
    if fits:
        shown.assert_shown(expected, printed)
    else:
        with pytest.raises(AssertionError):
            shown.assert_shown(expected, printed)


@pytest.mark.parametrize(("page", "name", "words"), COMMANDS)
def test_a_command_shown_has_the_options_that_it_is_given(page: str, name: str, words: str) -> None:
    command = program().commands[name]
    command.make_parser(click.Context(command)).parse_args(shlex.split(words))


@pytest.mark.parametrize("words", sorted({words.strip() for _, name, words in COMMANDS if name == "inspect"}))
def test_what_is_shown_of_inspect_runs(words: str) -> None:
    Path("recorded.sse").write_bytes(sample("demo").body)
    result = CliRunner().invoke(program(), ["inspect", *shlex.split(words)], input=sample("demo").body)
    assert (result.exit_code, bool(result.output)) == (0, True)


@pytest.mark.parametrize("page", pages())
def test_what_is_linked_is_there(page: str) -> None:
    folder = (ROOT / page).parent
    missing = [link for link, _ in LINK.findall(text_of(page)) if not (folder / link).exists()]
    assert missing == []


def anchors_of(page: str) -> set[str]:
    """Return what a link can lead to within a page: its headings, as GitHub names them, and the API that is put in."""
    text = FENCE.sub("", text_of(page))
    headings = [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", each) for each in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    slugs = [re.sub(r"[^\w\- ]", "", each.strip().lower()).replace(" ", "-") for each in headings]
    again = {f"{slug}-{number}" for slug, count in Counter(slugs).items() for number in range(1, count)}
    return {*slugs, *again, *re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", pages())
def test_what_is_linked_within_a_page_is_there(page: str) -> None:
    links = [(link or (ROOT / page).name, anchor) for link, anchor in LINK.findall(text_of(page)) if anchor]
    targets = [((ROOT / page).parent / link, anchor) for link, anchor in links]
    assert [
        f"{path.name}#{anchor}"
        for path, anchor in targets
        if path.suffix == ".md" and anchor not in anchors_of(path.resolve().relative_to(ROOT).as_posix())
    ] == []


def test_a_heading_is_named_as_github_does() -> None:
    assert {"how-it-is-so-fast", "figures"} <= anchors_of("README.md")
    assert "deltawire.Limits" in anchors_of("docs/reference/readers.md")


# --- what is listed


def test_the_command_line_is_listed_with_its_defaults() -> None:
    commands = program().commands
    page = "docs/command-line.md"
    assert re.findall(r"^## deltawire (\w+)$", text_of(page), re.MULTILINE) == sorted(commands)
    for name in commands.keys() - {"proxy"}:  # whose options `proxy.md` has
        options = {each.opts[0]: each for each in commands[name].params if isinstance(each, click.Option)}
        listed = {cell.strip("`").partition(" ")[0]: cells for cell, cells in rows(page, f"deltawire {name}").items()}
        assert listed.keys() == options.keys() - {"--help"}
        for option, (default, text) in listed.items():
            if default not in ("", "the default"):
                assert default.strip("`") == str(options[option].default)
            if isinstance(choice := options[option].type, click.Choice):
                assert re.findall(r"`(\w+)`", text) == list(choice.choices)


def test_every_variable_of_the_environment_is_listed() -> None:
    sources = [ROOT / "setup.py", *(path for path in (ROOT / "src").rglob("*.p*") if path.suffix in (".py", ".pyx"))]
    used = set(chain(*(re.findall(r"\bDELTAWIRE_[A-Z_]+\b", path.read_text(encoding="utf-8")) for path in sources)))
    page = "docs/environment.md"
    listed = rows(page, "When it runs").keys() | rows(page, "When it is built").keys()
    assert {name.strip("`") for name in listed} == used


def test_every_public_name_is_there_and_in_the_reference() -> None:
    reference = "".join(text_of(page) for page in pages() if page.startswith("docs/reference/"))
    for name in deltawire.__all__:
        assert getattr(deltawire, name) is not None
        assert f"::: deltawire.{name}\n" in reference or f"`deltawire.{name}`" in reference, name


@pytest.mark.parametrize("name", ["aiohttp", "asgi", "httpx_sse", "openai"])
def test_every_integration_is_in_the_reference(name: str) -> None:
    module = f"deltawire.integrations.{name}"
    text = text_of("docs/reference/integrations.md")
    assert f"::: {module}\n" in text or f"::: {module}." in text


@pytest.mark.parametrize("name", ["chunks", "completion"])
def test_every_member_of_a_chunk_and_of_a_completion_is_explained(name: str) -> None:
    lines = Path(import_module(f"deltawire.{name}").__file__ or "").read_text(encoding="utf-8").splitlines()
    members = [number for number, line in enumerate(lines) if re.match(r"    \w+: ", line)]
    assert len(members) > 50
    assert [lines[number] for number in members if not lines[number - 1].startswith("    #:")] == []


# --- what is drawn, and measured


def test_the_pictures_are_those_that_the_script_draws() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "_site" / "pictures.py"))["PICTURES"]
    for name, draw in drawn.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == draw(), name


def test_the_figures_of_the_readme_are_those_of_the_page() -> None:
    readme = text_of("README.md").partition("\n## Figures\n")[2].partition("\n## ")[0]
    table = [line for line in readme.splitlines() if line.startswith("|")]
    assert len(table) > 8
    assert set(table) <= set(text_of("docs/performance.md").splitlines())
