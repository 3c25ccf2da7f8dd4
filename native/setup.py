"""Build the kernels for CPUs.

The variable ``ZOO_NATIVE_LEVELS`` lists the levels to build, such as ``v3,v4``, or is
``all``. Without it, the fastest level of this machine is built if that is possible:
without a compiler, the package contains no library.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).parent))
from building import STRICT, Build, Wheel, load, temporary_folders, xla_headers

UNITS = ["kernels/backward.cc", "kernels/forward.cc"]


class BuildUnits(Build):
    """Compile the units of a library side by side."""

    def build_extension(self, ext: Extension) -> None:
        """Build the library of one level."""
        folder = Path(self.build_temp, ext.name)

        def compiled(unit: str) -> list[str]:
            return self.compiler.compile(
                [unit],
                output_dir=str(folder),
                include_dirs=ext.include_dirs,
                extra_postargs=ext.extra_compile_args,
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = [
                path for paths in pool.map(compiled, ext.sources) for path in paths
            ]
        ext.sources, ext.extra_objects = [], objects
        super().build_extension(ext)


def library(level: str, *, optional: bool) -> Extension:
    """Return the library of one level.

    Args:
        level: a key of ``levels.VECTORS``.
        optional: whether an error of the compiler leaves the library out.
    """
    warnings = ["-Wall", "-Wextra", *(["-Werror"] if STRICT else [])]
    return Extension(
        f"zoo_native.{level}",
        UNITS,
        extra_compile_args=[
            *("-std=c++20", "-O3", "-g0", "-fvisibility=hidden", *warnings),
            # System headers, in which warnings do not count.
            f"-isystem{xla_headers()}",
            *([f"-march=x86-64-{level}"] if level != "generic" else []),
        ],
        language="c++",
        optional=optional,
    )


def requested_levels() -> list[str]:
    """Return the levels that the variable ``ZOO_NATIVE_LEVELS`` asks for.

    Raises:
        SystemExit: if one of them is not a level of this architecture.
    """
    requested = os.environ.get("ZOO_NATIVE_LEVELS", "")
    known = load("levels").of_architecture()
    levels = (
        known
        if requested == "all"
        else [level for level in requested.split(",") if level]
    )
    unknown = sorted(set(levels) - set(known))
    if unknown:
        raise SystemExit(
            f"ZOO_NATIVE_LEVELS={requested}: {', '.join(unknown)} is unknown; expected "
            f"all, or some of {','.join(known)}"
        )
    return levels


fastest = load("levels").of_this_machine()[0]
setup(
    ext_modules=[library(level, optional=False) for level in requested_levels()]
    or [library(fastest, optional=True)],
    cmdclass={"build_ext": BuildUnits, "bdist_wheel": Wheel},
    options=temporary_folders(),
)
