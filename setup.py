"""The extension modules; everything else about the package is in pyproject.toml.

Switches, by environment (on unless empty or 0):
DELTAWIRE_BUILD_PURE        no extensions: the pure twin only, a wheel for any platform
DELTAWIRE_BUILD_TRACE       line tracing, for coverage of the .pyx; the .c stay beside them
DELTAWIRE_BUILD_SANITIZE    AddressSanitizer and UndefinedBehaviorSanitizer
DELTAWIRE_BUILD_DEBUG       symbols and lines of the .c, for valgrind and debuggers
DELTAWIRE_BUILD_FUZZ        coverage for a fuzzer (CC=clang)
DELTAWIRE_REQUIRE_COMPILED  a failed build is an error; else the install goes on with the pure twin
"""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = Path("src")


def is_on(switch: str) -> bool:
    """Tell whether an environment variable is set to anything but nothing or 0."""
    return os.environ.get(switch, "") not in ("", "0")


TRACE = is_on("DELTAWIRE_BUILD_TRACE")
SANITIZE = is_on("DELTAWIRE_BUILD_SANITIZE")
DEBUG = is_on("DELTAWIRE_BUILD_DEBUG")
FUZZ = is_on("DELTAWIRE_BUILD_FUZZ")

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "auto_pickle": False,
    "linetrace": TRACE,
}
MACROS = [("CYTHON_TRACE", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] if TRACE else []
SANITIZERS = ["-fsanitize=address,undefined"] if SANITIZE else []
COVERAGE = ["-fsanitize=address,fuzzer-no-link", "-shared-libasan"] if FUZZ else []
OPTIMIZE = ["-O1", "-g", "-fno-omit-frame-pointer"] if SANITIZE or DEBUG else ["-O2", "-g0"]


def extension(source: Path) -> Extension:
    """Return the extension module of a .pyx."""
    name = ".".join(source.relative_to(SOURCES).with_suffix("").parts)
    return Extension(name, [source.as_posix()], define_macros=MACROS)


class BuildAllOrNone(build_ext):
    """Builds every extension, or leaves none: half a twin would not import."""

    def run(self) -> None:
        """Build, or warn and go on without."""
        folders = [Path(self.build_lib), *([SOURCES] if self.inplace else [])]
        try:
            super().run()
        except Exception as error:
            if is_on("DELTAWIRE_REQUIRE_COMPILED"):
                raise
            self.warn(f"deltawire is installed without its compiled twin, much slower: {error}")
            for folder in folders:
                for each in self.extensions:
                    (folder / self.get_ext_filename(each.name)).unlink(missing_ok=True)
            self.extensions.clear()

    def build_extensions(self) -> None:
        """Translate to C, outside the source tree, and compile."""
        from Cython.Build import cythonize  # only where something is built

        # Neither Cython nor the compiler sees that a switch has changed.
        self.force = True
        self.parallel = self.parallel or True  # as many compilers as processors
        folder = None if TRACE else str(Path(self.build_temp, "cython"))
        translated = cythonize(self.extensions, build_dir=folder, compiler_directives=DIRECTIVES, force=True)
        in_c = {each.name: each.sources for each in translated}
        for each in self.extensions:
            each.sources = in_c[each.name]
            if self.compiler.compiler_type != "msvc":
                each.extra_compile_args = [*OPTIMIZE, *SANITIZERS, *COVERAGE]
                each.extra_link_args = SANITIZERS
        super().build_extensions()


setup(
    ext_modules=[]
    if is_on("DELTAWIRE_BUILD_PURE")
    else [extension(source) for source in sorted(SOURCES.glob("deltawire/_compiled/*.pyx"))],
    cmdclass={"build_ext": BuildAllOrNone},
)
