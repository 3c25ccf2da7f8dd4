"""The kernels of native/gpu, compiled for a CPU with emulated hardware."""

import ctypes
import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import filelock
import jax
import jaxlib
import pytest

from tests.helpers.kernel_table import NATIVE, load_table

ROOT = Path(__file__).parents[2]


def build() -> Path:
    """Compile the kernels, once for all test processes; skip the test if that fails.

    The result is kept for the next run of the tests, under a name that depends on the
    sources, the command and the versions of the compiler and of jaxlib.

    Returns:
        The path of the shared library.
    """
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C++ compiler")
    folder = ROOT / ".pytest_cache" / "emulated"
    table = load_table()
    header = table.header(table.read())
    include = Path(jaxlib.__file__).parent / "include"
    sources = [ROOT / "tests/emulated", NATIVE / "gpu"]
    flags = ["-std=c++20", "-O1", "-g0", "-shared", "-fPIC"]
    flags += ["-Wall", "-Wextra", "-Wno-unknown-pragmas"]
    flags += [*(f"-I{path}" for path in sources), f"-isystem{include}"]
    compiler_version = subprocess.run(
        [compiler, "--version"], check=True, capture_output=True, text=True
    )
    parts = [header, compiler_version.stdout, version("jaxlib"), *flags]
    files = (path for source in sources for path in sorted(source.glob("*.*")))
    parts += [path.read_text() for path in files if path.suffix in (".cc", ".h")]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    target = folder / f"{digest[:16]}.so"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / "lock"):
        if not target.exists():
            for old in folder.glob("*.so"):
                old.unlink()
            with tempfile.TemporaryDirectory(dir=folder) as name:
                (Path(name) / "kernel_table.h").write_text(header)
                result = Path(name) / "gpu.so"
                source = ROOT / "tests/emulated/gpu.cc"
                command = [compiler, *flags, f"-I{name}", "-o", result, source]
                subprocess.run(command, check=True)
                result.rename(target)
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
