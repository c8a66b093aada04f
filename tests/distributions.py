"""`python -m tests.distributions FOLDER`: is what is to be published whole, and does it work where it is installed?

Each file of the folder, the source distribution too, is installed in an empty environment and used there; with
`--look` before the folder they are only looked into, and need not be all.
"""

import email
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
MODULES = {source.stem for source in ROOT.glob("src/deltawire/_compiled/*.pyx")}
EXTENSION = re.compile(r"\.[^/]*(so|pyd)$")  # with the tags of a platform
GENERATED = re.compile(r".*\.(so|pyd|pyc)|src/.*\.c|(site|build|dist|mutants|\.git[^/]*)/.*")
# Files of the project: a source distribution has them all.
TOP = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "THREAT_MODEL.md", "noxfile.py")
FOLDERS = ("src", "tests", "benchmarks", "docs", "examples", "fuzz")
KINDS = (".c", ".md", ".py", ".pyx", ".pxd", ".svg", ".typed")

# What a new user does first, at the command line and in Python; `-I` keeps this folder out of it.
USE = """
import deltawire
assert deltawire.__version__ == "{version}", deltawire.__version__
assert deltawire.BACKEND == "{backend}", deltawire.BACKEND
body = b'data: {{"choices": [{{"index": 0, "delta": {{"content": "Hi"}}}}]}}\\n\\ndata: [DONE]\\n\\n'
assert list(deltawire.iter_text(body)) == ["Hi"]
"""


def check_wheel(path: Path) -> bool:
    """Look into a wheel, and tell whether it is a compiled one."""
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if name[-1] != "/"]  # folders, which auditwheel adds
        metadata = email.message_from_bytes(wheel.read(f"deltawire-{VERSION}.dist-info/METADATA"))
    files = [file for file in Path(ROOT, "src", "deltawire").rglob("*") if file.suffix in (".py", ".typed")]
    wanted = Counter(file.relative_to(ROOT / "src").as_posix() for file in files)
    pure = path.name.endswith("-py3-none-any.whl")
    if not pure:
        wanted.update(f"deltawire/_compiled/{module}" for module in MODULES)
    about = f"deltawire-{VERSION}.dist-info/"
    held = Counter(EXTENSION.sub("", name) for name in names if not name.startswith(about))
    assert not (strays := held - wanted), f"{path.name} holds {list(strays)}"
    assert not (missing := wanted - held), f"{path.name} has no {list(missing)}"
    needed = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert [re.split("[^a-z]", each)[0] for each in needed] == ["msgspec"], f"{path.name} needs {needed}"
    return not pure


def check_source(path: Path) -> None:
    """Look into a source distribution."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = [file for folder in FOLDERS for file in Path(ROOT, folder).rglob("*") if file.suffix in KINDS]
    files = [file for file in files if not GENERATED.fullmatch(file.relative_to(ROOT).as_posix())]
    wanted = [*TOP, *(file.relative_to(ROOT).as_posix() for file in files if "node_modules" not in file.parts)]
    missing = [name for name in wanted if name not in names]
    assert not missing, f"{path.name} has no {missing}"
    strays = [name for name in names if GENERATED.fullmatch(name)]
    assert not strays, f"{path.name} holds {strays}"


def use(path: Path, backend: str) -> None:
    """Install a distribution in an empty environment, and use it there."""
    with tempfile.TemporaryDirectory() as empty:
        venv.create(empty, with_pip=True)
        scripts = Path(empty, "Scripts" if sys.platform == "win32" else "bin")
        run([scripts / "python", "-m", "pip", "install", "--quiet", path], empty)
        run([scripts / "python", "-I", "-c", USE.format(version=VERSION, backend=backend)], empty)
        # Of the version that is there now: its path would have it built once more.
        run([scripts / "python", "-m", "pip", "install", "--quiet", f"deltawire[cli]=={VERSION}"], empty)
        said = run([scripts / "deltawire", "--version"], empty).partition("\n")[0]
        assert said == f"deltawire {VERSION}, {backend} backend", said
        run([scripts / "deltawire", "demo"], empty)


def run(command: list[str | Path], folder: str) -> str:
    """Run a command, and return what it says."""
    return subprocess.run(list(map(str, command)), cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def look(folder: str) -> dict[Path, str]:
    """Look into the distributions in a folder, and return the backend of each."""
    paths = sorted(Path(folder).resolve().iterdir())
    assert paths, f"{folder} is empty"
    backends = dict.fromkeys(paths, "compiled")
    for path in paths:
        assert path.name.startswith(f"deltawire-{VERSION}"), f"{path.name} is not of version {VERSION}"
        if path.suffix == ".whl":
            backends[path] = "compiled" if check_wheel(path) else "pure"
        else:
            check_source(path)
    return backends


def main(folder: str) -> None:
    """Check a folder of distributions: one source distribution, and wheels."""
    backends = look(folder)
    assert sum(path.name.endswith(".tar.gz") for path in backends) == 1, "one source distribution is expected"
    assert {backends[path] for path in backends if path.suffix == ".whl"} == {"compiled", "pure"}
    for path, backend in backends.items():
        use(path, backend)
        print(f"{path.name}: {path.stat().st_size / 1024:,.0f} KB, {backend}, installed and used", flush=True)


if __name__ == "__main__":
    check = look if sys.argv[1:2] == ["--look"] else main
    check(sys.argv[-1])
