"""What is checked beside the ordinary tests, each in an environment of its own: `nox -s NAME`, options behind `--`."""

import nox

nox.options.default_venv_backend = "venv"


def check(session: nox.Session, *packages: str) -> None:
    """Run the tests under the marker `downstream`; those of libraries that are not installed skip."""
    session.install("-e", *packages, env={"DELTAWIRE_REQUIRE_COMPILED": "1"})
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
    build = {"DELTAWIRE_REQUIRE_COMPILED": "1"}
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
    session.install("-e", ".[test]", env={"DELTAWIRE_REQUIRE_COMPILED": "1"})
    session.run("python", "-m", "tests.stress.leaks", *session.posargs)


@nox.session
def failures(session: nox.Session) -> None:
    """Have each allocation fail in turn."""
    session.install("-e", ".[test]", env={"DELTAWIRE_REQUIRE_COMPILED": "1"})
    session.run("python", "-m", "tests.stress.failures")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into site/; what leads nowhere is an error. `-- serve` shows it while it is written."""
    session.install("-e", ".[docs]", env={"DELTAWIRE_BUILD_PURE": "1"})
    # It advertises a successor at each build.
    quiet = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", *(session.posargs or ["build"]), "--strict", env=quiet)
