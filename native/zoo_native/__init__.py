"""CPU and GPU kernels for the layers of `zoo`, as XLA custom calls.

`zoo` uses them automatically when this package is installed. Of the CPU libraries that
were built, the fastest that this machine runs is loaded, or the one named by the
environment variable ``ZOO_NATIVE_LEVEL``; ``none`` loads no library. The library for
NVIDIA GPUs is in the package ``zoo_native_cuda``.

With glibc, freed memory of up to a gigabyte stays in this process: XLA allocates and
frees all its buffers at every call, and the system would clear every page again.
``ZOO_NATIVE_MEMORY=return`` turns that off, as do glibc's own variables for it.
"""

import ctypes
import os
from importlib import import_module
from pathlib import Path

import jax

from zoo_native import levels, table

__all__ = ["BFLOAT16", "BUILT", "INTERFACE", "LANES", "LEVEL", "TABLE", "VECTORS"]
__all__ += ["cpu_unavailable", "gpu_unavailable"]

#: The kernels and the signatures of their calls.
TABLE = table.read()
#: Identifies the table that this package was built from; `zoo` requires its own.
INTERFACE = TABLE.interface

_REQUESTED = os.environ.get("ZOO_NATIVE_LEVEL")
_FOLDER = Path(__file__).parent
#: The levels that there are libraries for, the fastest first.
BUILT = [name for name in levels.VECTORS if (_FOLDER / f"{name}.so").exists()]


def _open(path: Path, package: str) -> ctypes.CDLL:
    """Return a library.

    Raises:
        ImportError: if it was built from another table.
    """
    library = ctypes.CDLL(str(path))
    library.zoo_interface.restype = ctypes.c_char_p
    built = library.zoo_interface().decode()
    if built != INTERFACE:
        raise ImportError(
            f"{path} was built from the kernel table {built}, but kernels.json is "
            f"{INTERFACE}: reinstall {package}"
        )
    return library


def _register(library: ctypes.CDLL, platform: str, *names: str) -> None:
    """Register the calls of a library with XLA."""
    for name in names:
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform=platform)


def _load_cpu(level: str) -> ctypes.CDLL:
    """Return the library of a level, after its calls are registered."""
    library = _open(_FOLDER / f"{level}.so", "rnn-zoo-native")
    library.zoo_bfloat16.restype = ctypes.c_bool
    keeps = os.environ.get("ZOO_NATIVE_MEMORY") != "return"
    if keeps and not _MALLOC_VARIABLES & os.environ.keys():
        library.zoo_keep_memory()
    _register(library, "cpu", "zoo_forward", "zoo_backward")
    return library


def _load_gpu() -> ctypes.CDLL | None:
    """Return the library for GPUs after its calls are registered, None without one."""
    try:
        package = import_module("zoo_native_cuda")
    except ModuleNotFoundError:
        return None
    library = _open(package.LIBRARY, "rnn-zoo-native-cuda")
    library.zoo_gpu_runs.restype = ctypes.c_bool
    library.zoo_gpu_runs.argtypes = [ctypes.c_char_p, ctypes.c_bool, ctypes.c_int]
    _register(library, "CUDA", "zoo_gpu_forward", "zoo_gpu_backward", "zoo_gpu_linear")
    return library


_MALLOC_VARIABLES = {
    "GLIBC_TUNABLES",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
}

#: The level that is loaded, a key of ``levels.VECTORS``; None if there is no library
#: for this machine.
LEVEL: str | None = None
if _REQUESTED != "none":
    LEVEL = levels.choose(BUILT, levels.of_this_machine(), _REQUESTED)
#: What its vectors are, such as ``"AVX-512"``; empty without a library.
VECTORS: str = levels.VECTORS[LEVEL] if LEVEL else ""
_cpu = _load_cpu(LEVEL) if LEVEL else None
#: Floats in a vector; 0 without a library. The planes of a token are padded to a
#: multiple of it.
LANES: int = _cpu.zoo_lanes() if _cpu else 0
#: Whether the loaded library and this CPU support bfloat16.
BFLOAT16: bool = bool(_cpu and _cpu.zoo_bfloat16())

_gpu = _load_gpu()


def cpu_unavailable(bfloat16: bool) -> str | None:
    """Return why no kernel runs on this CPU, None if they do.

    Args:
        bfloat16: whether it multiplies bfloat16 instead of float32.
    """
    if _REQUESTED == "none":
        return "ZOO_NATIVE_LEVEL=none turns them off"
    if not BUILT:
        return (
            "rnn-zoo-native was installed without a C++ compiler that builds them "
            "(pip install -v ./native shows why)"
        )
    if LEVEL is None:
        return (
            f"rnn-zoo-native was built for a faster CPU ({', '.join(BUILT)}): install "
            "it again on this machine (pip install ./native)"
        )
    if bfloat16 and not BFLOAT16:
        return "no instructions of bfloat16 (AVX512_BF16)"
    return None


def gpu_unavailable(cell: str, bfloat16: bool, H: int) -> str | None:
    """Return why a kernel cannot run a layer on the present GPU, None if it can.

    Args:
        cell: the name of the kernel.
        bfloat16: whether it multiplies bfloat16 instead of TF32.
        H: units.
    """
    if _gpu is None:
        return "rnn-zoo-native-cuda is not installed (pip install ./native/gpu)"
    if _gpu.zoo_gpu_runs(cell.encode(), bfloat16, H):
        return None
    if not _gpu.zoo_gpu_runs(b"rnn_tanh", bfloat16, 1):
        return "the kernels are for NVIDIA GPUs from compute capability 9.0 on"
    return f"the matrix of {H} units does not fit on the chip"
