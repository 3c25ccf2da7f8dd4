"""CPU and GPU kernels for the layers of `zoo`, as XLA custom calls.

`zoo` uses them automatically when this package is installed. The CPU library is built
for several levels of x86-64; the fastest one for this machine is loaded, or the one
named by the environment variable ``ZOO_NATIVE_LEVEL``. If nvcc was installed at build
time, there is also a library for NVIDIA GPUs.

With glibc, freed memory of up to a gigabyte stays in this process: XLA allocates and
frees all its buffers at every call, and the system would clear every page again.
``ZOO_NATIVE_MEMORY=return`` turns that off, as do glibc's own variables for it.
"""

import ctypes
import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import jax

from zoo_native import table

__all__ = ["BFLOAT16", "INTERFACE", "LANES", "LEVEL", "TABLE", "gpu_unavailable"]

#: The kernels and the signatures of their calls.
TABLE = table.read()
#: Identifies the table that this package was built from; `zoo` requires its own.
INTERFACE = TABLE.interface


def _open(name: str) -> ctypes.CDLL | None:
    """Return a library, None if it was not built.

    Raises:
        ImportError: if it was built from another table.
    """
    folder = Path(__file__).parent
    for suffix in EXTENSION_SUFFIXES:
        path = folder / (name + suffix)
        if path.exists():
            library = ctypes.CDLL(str(path))
            library.zoo_interface.restype = ctypes.c_char_p
            built = library.zoo_interface().decode()
            if built != INTERFACE:
                raise ImportError(
                    f"{path} was built from the kernel table {built}, but kernels.json "
                    f"is {INTERFACE}: reinstall rnn-zoo-native"
                )
            return library
    return None


def _load() -> tuple[str, ctypes.CDLL]:
    """Return the level to use and its library.

    Raises:
        ImportError: if there is no such level.
    """
    level, library = "v2", _open("v2")
    if library:
        library.zoo_level.restype = ctypes.c_char_p
        level = os.environ.get("ZOO_NATIVE_LEVEL", library.zoo_level().decode())
        library = library if level == "v2" else _open(level)
    if library is None:
        raise ImportError(f"zoo_native has no level {level!r}: see ZOO_NATIVE_LEVEL")
    return level, library


def _register(library: ctypes.CDLL, platform: str, *names: str) -> None:
    """Register the calls of a library with XLA."""
    for name in names:
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform=platform)


#: The level that was loaded: ``"v2"`` (any machine), ``"v3"`` (AVX2), ``"v4"``
#: (AVX-512).
LEVEL, _library = _load()

_malloc_variables = {
    "GLIBC_TUNABLES",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
}
if (
    os.environ.get("ZOO_NATIVE_MEMORY") != "return"
    and not _malloc_variables & os.environ.keys()
):
    _library.zoo_keep_memory()

#: Floats in a vector. The planes of a token are padded to a multiple of it.
LANES: int = _library.zoo_lanes()

_library.zoo_bfloat16.restype = ctypes.c_bool
#: Whether the loaded library and this CPU support bfloat16.
BFLOAT16: bool = _library.zoo_bfloat16()

_register(_library, "cpu", "zoo_forward", "zoo_backward")

_gpu = _open("gpu")
if _gpu:
    _gpu.zoo_gpu_runs.restype = ctypes.c_bool
    _gpu.zoo_gpu_runs.argtypes = [ctypes.c_char_p, ctypes.c_bool, ctypes.c_int]
    _register(_gpu, "CUDA", "zoo_gpu_forward", "zoo_gpu_backward", "zoo_gpu_linear")


def gpu_unavailable(cell: str, bfloat16: bool, H: int) -> str | None:
    """Return why a kernel cannot run a layer on the present GPU, None if it can.

    Args:
        cell: the name of the kernel.
        bfloat16: whether it multiplies bfloat16 instead of TF32.
        H: units.
    """
    if _gpu is None:
        return "rnn-zoo-native was built without nvcc, for CPUs alone"
    if _gpu.zoo_gpu_runs(cell.encode(), bfloat16, H):
        return None
    if not _gpu.zoo_gpu_runs(b"rnn_tanh", bfloat16, 1):
        return "the kernels are for NVIDIA GPUs from compute capability 9.0 on"
    return f"the matrix of {H} units does not fit on the chip"
