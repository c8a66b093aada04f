"""What is checked beside the ordinary tests, each in an environment of its own: `nox -s NAME`, options behind `--`."""

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
def sanitized(session: nox.Session) -> None:
    """The tests of the compiled twin under AddressSanitizer and UndefinedBehaviorSanitizer (Linux, gcc)."""
    # Not editable: the working tree keeps the extensions it has.
    switches = {"DELTAWIRE_REQUIRE_COMPILED": "1", "DELTAWIRE_BUILD_SANITIZE": "1"}
    session.install(".[test]", "openai>=3", env=switches)
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
        # Of the integrations the one that has compiled code to itself: the others only call what is tested here.
        *("--ignore=tests/integrations", "--ignore=tests/downstream"),
        *("tests", "tests/integrations/test_openai_models.py"),
        *session.posargs,
        env=environment,
    )
    session.run("python", "-m", "tests.stress.failures", env=environment)


@nox.session
def leaks(session: nox.Session) -> None:
    """Does anything stay, of a million events of each kind? A quarter of an hour; `-- 50000` events are a minute."""
    session.install("-e", ".[test]", env={"DELTAWIRE_REQUIRE_COMPILED": "1"})
    session.run("python", "-m", "tests.stress.leaks", *session.posargs)


@nox.session
def failures(session: nox.Session) -> None:
    """Have each allocation fail in turn: CPython's while stencils match, then libc's (Linux, glibc) all the time."""
    session.install("-e", ".[test]", env={"DELTAWIRE_REQUIRE_COMPILED": "1"})
    session.run("python", "-m", "tests.stress.failures")
    shim = str(Path(session.create_tmp(), "failing.so"))
    source = "tests/stress/failing.c"
    session.run("cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", shim, source, "-ldl", external=True)
    environment = {"LD_PRELOAD": shim, "PYTHONMALLOC": "malloc"}
    session.run("python", "-X", "faulthandler", "-m", "tests.stress.libc", *session.posargs, env=environment)


@nox.session
def valgrind(session: nox.Session) -> None:
    """Every piece of work of `leaks` a few times, under valgrind (Linux): bad reads and writes, unset values, leaks."""
    session.install(".[test]", env={"DELTAWIRE_REQUIRE_COMPILED": "1", "DELTAWIRE_BUILD_DEBUG": "1"})
    session.run("python", "-m", "tests.stress.memcheck", env={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"})
