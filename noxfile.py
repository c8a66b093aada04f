"""What is checked beside the ordinary tests, each in an environment of its own: `nox -s NAME`, options behind `--`."""

import json
import shutil
from pathlib import Path

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
def coverage(session: nox.Session) -> None:
    """Every branch of the pure twin, and 95 % of the other's lines; of a copy, so that no traced build stays here."""
    copy = Path(session.create_tmp(), "project")
    shutil.rmtree(copy, ignore_errors=True)
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "mutants", "node_modules", "*.so", "*.c")
    shutil.copytree(".", copy, ignore=unwanted)
    session.chdir(copy)
    build = {"DELTAWIRE_REQUIRE_COMPILED": "1", "DELTAWIRE_BUILD_TRACE": "1"}
    session.install("-e", ".[test]", "openai>=3", "coverage[toml]>=7.10", env=build)
    # Traced, what measures time fails; benchmarks and relays run in processes of their own.
    left_out = [f"--ignore=tests/{name}" for name in ("integrations", "test_bench.py", "test_load.py")]
    session.run("coverage", "run", "-m", "pytest", "-q", "-k", "not linear", *left_out, *session.posargs)
    # And what runs only where matches are verified.
    verified = ["stencils/test_learning.py", "test_folding.py", "test_rewriter.py", "test_tap.py", "test_text.py"]
    tests = [f"tests/{name}" for name in (*verified, "integrations/test_openai_models.py")]
    verify = {"DELTAWIRE_VERIFY": "1"}
    session.run("coverage", "run", "--append", "-m", "pytest", "-q", "-k", "not pure", *tests, env=verify)
    for threshold, pattern in ((100, "_pure/*.py"), (95, "_compiled/*.pyx")):
        files = sorted(map(str, Path("src/deltawire").glob(pattern)))
        session.run("coverage", "report", "--precision", "1", "--fail-under", str(threshold), *files)


@nox.session
def mutation(session: nox.Session) -> None:
    """Change the pure twin bit by bit: tests are to notice 95 %. `-- "deltawire._pure.tap.*"` tries some again."""
    session.install(".[test]", "openai>=3", "mutmut==3.8.1", env={"DELTAWIRE_BUILD_PURE": "1"})
    # Always by name: then each test is first run by its own, and one that cannot be found is no kill.
    names = []
    if not any("deltawire" in each for each in session.posargs):
        shutil.rmtree("mutants", ignore_errors=True)  # what it knows of another day's tests
        names = ["deltawire._pure.*"]
    # Some mutants never end, and grow: 6 GB are enough for all others.
    limited = ("sh", "-c", 'ulimit -v 6000000; exec mutmut run "$@"', "mutmut")
    session.run(*limited, *session.posargs, *names, env={"DELTAWIRE_PURE": "1"}, external=True)
    session.run("mutmut", "export-cicd-stats")
    session.run("mutmut", "results")  # all that were not killed; `.nox/mutation/bin/mutmut show NAME` shows one
    counts = json.loads(Path("mutants", "mutmut-cicd-stats.json").read_text())
    killed = counts["killed"] + counts["timeout"]
    told = f"{killed} of {counts['total']} mutants killed, {counts['timeout']} of them by the time they took"
    if killed < 0.95 * counts["total"]:
        session.error(f"{told}: fewer than 95 %")
    session.log(told)
