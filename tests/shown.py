"""The code that documents show, cut out of them to be run.

A fence says by its language what becomes of it: `python` is run, all of a page in order and in one
namespace; of `console` each `$ command` is run and what it prints compared, where `…` stands for
anything; what is named in `INERT` is not code, and nothing else is let in.
"""

import ast
import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from deltawire.cli import program

ROOT = Path(__file__).parents[1]
RUN = {"python", "console"}
INERT = {"json", "text"}

# Pages whose blocks have nothing in common, and need a server or a package; of the others a block goes on where
# the one before has stopped.
APART = {"docs/http.md", "docs/openai.md", "docs/coming-from.md", "docs/downstream.md", "docs/embedding.md"}

FENCE = re.compile(r"^(?P<marks>```+)(?P<language>\w+)\n(?P<code>.*?)^(?P=marks)\n", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)

# What the drop-ins stand on, for they import it themselves.
BEHIND = {
    "deltawire.integrations.aiohttp": {"aiohttp"},
    "deltawire.integrations.asgi": {"starlette"},
    "deltawire.integrations.httpx_sse": {"httpx"},
    "deltawire.integrations.openai": {"openai"},
    "deltawire.proxy": {"aiohttp", "prometheus_client"},
}
ON_TOP = {"langchain_openai", "pydantic_ai", "instructor", "litellm"}
CORE = {"deltawire", "msgspec", *sys.stdlib_module_names}


class Block(NamedTuple):
    """One fence of a page; `line` is that of its first line of code, `section` the heading above it."""

    page: str
    line: int
    section: str
    language: str
    code: str


class Unit(NamedTuple):
    """Blocks that are run one after the other, in one namespace, and the packages that they need."""

    name: str
    blocks: list[Block]
    needs: set[str]

    @property
    def group(self) -> str:
        """Return whose tests run it."""
        if self.needs & ON_TOP:
            return "downstream"
        return "integrations" if self.needs or self.blocks[0].page in APART else "core"


def pages() -> list[str]:
    """Return the documents, as paths from the root."""
    found = [
        *ROOT.glob("*.md"),
        *(path for name in ("docs", "benchmarks", "fuzz") for path in (ROOT / name).rglob("*.md")),
    ]
    return sorted(path.relative_to(ROOT).as_posix() for path in found if "node_modules" not in path.parts)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """Return the fences of a page."""
    text = text_of(page)
    found = []
    for fence in FENCE.finditer(text):
        above = HEADING.findall(text[: fence.start()])
        line = text.count("\n", 0, fence.start("code")) + 1
        found.append(Block(page, line, above[-1] if above else "", fence["language"], fence["code"]))
    return found


def needed(code: str) -> set[str]:
    """Return the packages that a block of Python needs beside deltawire's own."""
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    tops = {name.partition(".")[0] for name in names} - CORE
    return tops.union(*(packages for module, packages in BEHIND.items() if module in names))


def units(group: str | None = None) -> list[Unit]:
    """Return what is to be run, of all groups or of one."""
    found = []
    for page in pages():
        to_run = [block for block in blocks_of(page) if block.language in RUN]
        for blocks in filter(None, [[block] for block in to_run] if page in APART else [to_run]):
            needs = set().union(*(needed(block.code) for block in blocks if block.language == "python"))
            found.append(Unit(f"{page}:{blocks[0].line}" if page in APART else page, blocks, needs))
    return [unit for unit in found if group in (None, unit.group)]


def run(unit: Unit, **names: Any) -> dict[str, Any]:
    """Run the blocks in the working directory, which is a test's own, and return the namespace."""
    for package in sorted(unit.needs):
        pytest.importorskip(package)
    namespace: dict[str, Any] = {"__name__": "shown"} | names
    with ExitStack() as stack:
        for block in unit.blocks:
            if block.language == "python":
                execute(block, namespace)
            else:
                run_commands(block.code, stack)
    return namespace


def execute(block: Block, namespace: dict[str, Any]) -> None:
    """Run a block of Python; a traceback names the page and the line."""
    exec(compile("\n" * (block.line - 1) + block.code, block.page, "exec"), namespace)


def run_commands(code: str, stack: ExitStack) -> None:
    """Run the commands of a console, each compared with what it is shown to print."""
    if code.rstrip().endswith("&") or " &\n" in code:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            free = unused.getsockname()[1]
        code = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{free}", code)
    for shown in code.removeprefix("$ ").split("\n$ "):
        command, _, expected = shown.partition("\n")
        assert_shown(expected, output_of(command, expected, stack), command)


def output_of(command: str, expected: str, stack: ExitStack) -> str:
    """Run one command; one with `&` goes on until the stack is closed."""
    name, *arguments = shlex.split(command)
    if name == "deltawire" and arguments[-1] == "&":
        line = [sys.executable, "-m", "deltawire", *arguments[:-1]]
        server = stack.enter_context(subprocess.Popen(line, stderr=subprocess.PIPE, encoding="utf-8"))
        stack.callback(server.kill)
        return "".join(server.stderr.readline() for _ in expected.splitlines())
    if name == "deltawire":
        result = CliRunner().invoke(program(), arguments)
        assert result.exit_code == 0, result.output
        return result.output
    assert name == "curl", f"{command}: nothing here runs that"
    if shutil.which(name) is None:
        pytest.skip("curl is not installed")
    return subprocess.check_output([name, *arguments], timeout=20, encoding="utf-8")


def assert_shown(expected: str, printed: str, command: str = "") -> None:
    """Compare what a command has printed with what a page shows: `…` is anything, on a line of its own any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, line.rstrip().split("…"))) + r"[ ]*\n"
        for line in expected.splitlines()
    )
    assert re.fullmatch(pattern, printed if printed.endswith("\n") else printed + "\n"), f"{command}\n{printed}"


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """Return a section's table: its cells by the first one."""
    section = text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}
