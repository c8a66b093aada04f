"""`python -m tests.stress.memcheck`: every piece of work under valgrind, a few times; fails where our code is at fault.

A bad read or write is ours, and a block that nothing points to at the end, where the innermost frame outside CPython
and libc is the compiled twin's; a value that was never set where our code itself looks at it, for CPython's small
integers pass for such ones. CPython's own errors, and msgspec's, are not ours.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from ..conftest import twin
from .work import work_of

TIMES = 3
OURS = "/deltawire/_compiled/"
# By the names of files: that of a folder says nothing, for extensions lie in `lib/python3.11/site-packages`.
LIBC = re.compile(r".*/(libc[.-]|ld-linux|vgpreload_)[^/]*")  # and what valgrind puts in its place
CPYTHON = re.compile(r".*/((lib)?python\d[^/]*|lib-dynload/[^/]*)")
OPTIONS = ("--leak-check=full", "--show-leak-kinds=definite", "--num-callers=60", "--error-limit=no", "--xml=yes")


def is_ours(error: ET.Element) -> bool:
    """Tell whether the compiled twin is where an error comes from."""
    frames = error.findall("stack[1]/frame")
    if frames[0].findtext("fn", "").startswith("__wmemcmp"):
        return False  # it reads whole vectors: beyond a block, but not beyond a page
    below = [LIBC] if error.findtext("kind", "").startswith("Uninit") else [LIBC, CPYTHON]
    for frame in frames:
        module = frame.findtext("obj", "")
        if OURS in module or not any(each.fullmatch(module) for each in below):
            return OURS in module
    return False


def told(error: ET.Element) -> str:
    """Return an error as a few lines."""
    what = error.findtext("what") or error.findtext("xwhat/text") or ""
    lines = [f"{error.findtext('kind')}: {what}"]
    for frame in error.findall("stack[1]/frame")[:12]:
        where = frame.findtext("line") or ""
        lines.append(f"    {frame.findtext('fn', '?')} ({frame.findtext('file', '?')}:{where})")
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = ["valgrind", *OPTIONS, f"--xml-file={report}", sys.executable, "-m", "tests.stress.memcheck", "work"]
        subprocess.run(command, check=True)
        ours = [told(error) for error in ET.parse(report).getroot().iter("error") if is_ours(error)]
    print(*ours, f"{len(ours)} errors", sep="\n")
    if ours:
        raise SystemExit(1)


def work() -> None:
    for name, piece in work_of(twin("compiled")).items():
        print(name, flush=True)
        for _ in range(TIMES):
            piece()


if __name__ == "__main__":
    work() if sys.argv[1:] else main()
