"""Build the kernels: once for each level of x86-64, once for any other machine."""

import importlib.util
import platform
from pathlib import Path

from setuptools import Extension, setup

# Each level is a library of its own, of which one is loaded: the one for this machine.
LEVELS = {"v2": "x86-64-v2", "v3": "x86-64-v3", "v4": "x86-64-v4"}


def headers() -> str:
    """Return where the headers of XLA's foreign functions are."""
    spec = importlib.util.find_spec("jaxlib")
    assert spec and spec.origin, "jaxlib must be installed"
    return str(Path(spec.origin).parent / "include")


def kernels(name: str, *flags: str) -> Extension:
    """Return one library."""
    return Extension(
        f"zoo_native.{name}",
        [f"kernels/{name}.cc"],
        depends=[str(path) for path in Path("kernels").glob("*.h")],
        include_dirs=[headers()],
        extra_compile_args=[
            *("-std=c++20", "-O3", "-g0", "-fvisibility=hidden", "-w"),
            *flags,
        ],
        language="c++",
    )


x86 = platform.machine() in ("x86_64", "AMD64")
setup(
    ext_modules=[kernels(name, f"-march={arch}") for name, arch in LEVELS.items()]
    if x86
    else [kernels("v2")],
    options={"build_ext": {"parallel": len(LEVELS)}},
)
