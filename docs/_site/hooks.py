"""Brings into the site what lies beside `docs/`, and turns links to it into links of the site.

The documents are read at two places: as Markdown in the repository, where a link is a path, and
as pages of the site. Links are written as paths; a path that leads out of `docs/` is looked up here.
What leads nowhere is left as it is, so that mkdocs warns and a strict build fails.
"""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

# Files of the repository that are pages, or parts of pages.
BESIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "THREAT_MODEL.md": "threat-model.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/bench.svg": "bench.svg",
    "fuzz/README.md": "fuzzing.md",
}

# The last part of the navigation, as far as it exists.
PROJECT = {
    "Contributing": "CONTRIBUTING.md",
    "Fuzzing": "fuzz/README.md",
    "Security": "SECURITY.md",
    "Threat model": "THREAT_MODEL.md",
    "Changelog": "CHANGELOG.md",
}

# Where the reference has what a module defines.
MODULES = {
    "src/deltawire/chunks.py": "reference/chunks.md",
    "src/deltawire/completion.py": "reference/completion.md",
    "src/deltawire/errors.py": "reference/errors.md",
    "src/deltawire/replay.py": "reference/replay.md",
    "src/deltawire/report.py": "reference/passing.md",
}

LANGUAGES = {".py": "python", ".conf": "nginx"}

LINK = re.compile(r"\[(?P<text>[^][]*(?:\[[^][]*\][^][]*)*)\]\((?P<path>[^()\s:#]+)(?P<anchor>#[^()\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add what exists of the project's own documents to the navigation, and the repository to the footer."""
    documents = [{title: BESIDE[path]} for title, path in PROJECT.items() if (ROOT / path).is_file()]
    config.nav = [*(config.nav or []), {"Project": documents}]
    if config.extra["repository"]:
        config.extra["social"] = [
            {"icon": "material/source-branch", "link": config.extra["repository"], "name": "Source"}
        ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files beside `docs/`, and the page of the examples."""
    for path, uri in BESIDE.items():
        if (ROOT / path).is_file():
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, "examples.md", content=examples()))
    return files


def examples() -> str:
    """Return a page with every file of `examples/`."""
    parts = [
        "# Examples\n",
        "The files of `examples/`. The tests run the programs; what one needs is said in its first lines.\n",
    ]
    for file in sorted((ROOT / "examples").iterdir()):
        if file.suffix in LANGUAGES:
            code = file.read_text(encoding="utf-8")
            parts.append(f"## {file.name} {{ #{file.stem} }}\n\n```{LANGUAGES[file.suffix]}\n{code}```\n")
    return "\n".join(parts)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files into links to pages."""
    source = ROOT / next(
        (path for path, uri in BESIDE.items() if uri == page.file.src_uri), f"docs/{page.file.src_uri}"
    )

    def translated(link: re.Match[str]) -> str:
        text = LINK.sub(translated, link["text"])  # a picture may be the text of a link
        target = Path(os.path.normpath(source.parent / link["path"]))
        if not target.exists() or not target.is_relative_to(ROOT):
            return f"[{text}]({link['path']}{link['anchor'] or ''})"
        uri, anchor = place_of(target.relative_to(ROOT).as_posix(), link["anchor"] or "")
        if uri is not None:
            return f"[{text}]({posixpath.relpath(uri, posixpath.dirname(page.file.src_uri))}{anchor})"
        if config.extra["repository"]:
            return f"[{text}]({config.extra['repository']}/blob/main/{target.relative_to(ROOT).as_posix()})"
        return text

    return LINK.sub(translated, markdown)


def place_of(path: str, anchor: str) -> tuple[str | None, str]:
    """Return where the site has a file of the repository, None where it has not."""
    if path in BESIDE or path in MODULES:
        return BESIDE.get(path) or MODULES[path], anchor
    if path.startswith("examples/"):
        return "examples.md", f"#{Path(path).stem}"
    if path == "README.md":
        return "index.md", anchor
    return (path.removeprefix("docs/") if path.startswith("docs/") else None), anchor
