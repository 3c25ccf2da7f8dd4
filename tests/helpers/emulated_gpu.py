"""The kernels of native/gpu, compiled for a CPU with emulated hardware."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jaxlib
import pytest

from tests.helpers.kernel_table import NATIVE, load_table

ROOT = Path(__file__).parents[2]


def build(folder: Path) -> Path:
    """Compile the kernels into a folder; skip the test if that is not possible."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C++ compiler")
    target = folder / "gpu.so"
    table = load_table()
    (folder / "kernel_table.h").write_text(table.header(table.read()))
    flags = ["-std=c++20", "-O1", "-g0", "-shared", "-fPIC"]
    flags += ["-Wall", "-Wextra", "-Wno-unknown-pragmas"]
    flags += [f"-I{path}" for path in (ROOT / "tests/emulated", NATIVE / "gpu", folder)]
    flags += [f"-isystem{Path(jaxlib.__file__).parent / 'include'}"]
    source = ROOT / "tests/emulated/gpu.cc"
    subprocess.run([compiler, *flags, "-o", target, source], check=True)
    return target


def register(path: Path) -> ctypes.CDLL:
    """Load compiled kernels, and register them with JAX."""
    library = ctypes.CDLL(str(path))
    library.zoo_gpu_runs.restype = ctypes.c_bool
    library.zoo_gpu_runs.argtypes = [ctypes.c_char_p, ctypes.c_bool, ctypes.c_int]
    for name in ("zoo_gpu_forward", "zoo_gpu_backward", "zoo_gpu_linear"):
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return library


def use(library: ctypes.CDLL, patch: pytest.MonkeyPatch) -> None:
    """Let layers run as on a GPU.

    Args:
        library: the kernels.
        patch: undoes it.
    """

    def gpu_unavailable(cell: str, bfloat16: bool, H: int) -> str | None:
        runs = library.zoo_gpu_runs(cell.encode(), bfloat16, H)
        return None if runs else f"no {cell} of {H} units"

    table = load_table().read()
    package = SimpleNamespace(
        INTERFACE=table.interface, TABLE=table, gpu_unavailable=gpu_unavailable
    )
    patch.setitem(sys.modules, "zoo_native", package)
    patch.setattr(jax, "default_backend", lambda: "gpu")
