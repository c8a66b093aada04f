"""What a wheel must hold, and must not, is noticed; `nox -s dist` looks at real ones."""

import zipfile
from pathlib import Path

import pytest

from .distributions import MODULES, ROOT, VERSION, check_wheel, look

SOURCES = sorted(path for path in (ROOT / "src" / "deltawire").rglob("*") if path.suffix in (".py", ".typed"))
FILES = [path.relative_to(ROOT / "src").as_posix() for path in SOURCES]
EXTENSIONS = [f"deltawire/_compiled/{name}.cpython-313-darwin.so" for name in sorted(MODULES)]
ABOUT = f"deltawire-{VERSION}.dist-info"


def wheel(folder: Path, tag: str, *names: str, needs: str = "msgspec>=0.19") -> Path:
    """Write a wheel of empty files."""
    path = folder / f"deltawire-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (*names, f"{ABOUT}/RECORD", f"{ABOUT}/licenses/LICENSE"):
            archive.writestr(name, "")
        archive.writestr(f"{ABOUT}/METADATA", f"Requires-Dist: {needs}\nRequires-Dist: click; extra == 'cli'\n")
    return path


def test_a_whole_wheel_is_let_through(tmp_path: Path) -> None:
    assert len(FILES) > 40
    assert len(MODULES) > 10
    assert not check_wheel(wheel(tmp_path, "py3-none-any", *FILES))
    assert check_wheel(wheel(tmp_path, "cp313-cp313-macosx_11_0_arm64", "deltawire/", *FILES, *EXTENSIONS))


@pytest.mark.parametrize("stray", [
    "deltawire/tests/test_x.py", "deltawire/stale.py", "deltawire/_compiled/events.html",
    "deltawire/_compiled/events.c", "deltawire/_compiled/events.pyx", "deltawire/__pycache__/x.pyc",
    "deltawire/_compiled/stale.cpython-313-darwin.so", "deltawire/_compiled/events.cpython-312-darwin.so",
    "deltawire.libs/libc.so", "tests/__init__.py",
])  # fmt: skip
def test_a_stray_in_a_wheel_is_refused(stray: str, tmp_path: Path) -> None:
    path = wheel(tmp_path, "cp313-cp313-macosx_11_0_arm64", *FILES, *EXTENSIONS, stray)
    with pytest.raises(AssertionError, match=r"arm64\.whl holds \["):
        check_wheel(path)


def test_an_extension_in_a_pure_wheel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"any\.whl holds \["):
        check_wheel(wheel(tmp_path, "py3-none-any", *FILES, EXTENSIONS[0]))


@pytest.mark.parametrize("missing", [*FILES[:3], "deltawire/py.typed", EXTENSIONS[0]])
def test_what_a_wheel_lacks_is_named(missing: str, tmp_path: Path) -> None:
    names = [name for name in (*FILES, *EXTENSIONS) if name != missing]
    with pytest.raises(AssertionError, match=r"arm64\.whl has no \["):
        check_wheel(wheel(tmp_path, "cp313-cp313-macosx_11_0_arm64", *names))


def test_another_requirement_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="needs"):
        check_wheel(wheel(tmp_path, "py3-none-any", *FILES, needs="attrs"))


def test_a_folder_of_wheels_can_be_looked_into_alone(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="is empty"):
        look(str(tmp_path))
    compiled = wheel(tmp_path, "cp313-cp313-win_amd64", *FILES, *EXTENSIONS)
    assert look(str(tmp_path)) == {compiled: "compiled"}
    wheel(tmp_path, "cp314-cp314-win_amd64", *FILES, *EXTENSIONS, "tests/__init__.py")
    with pytest.raises(AssertionError, match=r"cp314-win_amd64\.whl holds \["):
        look(str(tmp_path))
