"""Layers of an LSTM, a GRU, an MGU or a simple network in one call of XLA.

`zoo` calls these by itself where they are installed. The library is built for several
levels of x86-64, and the highest that this machine runs is loaded, or the one that the
environment variable ``ZOO_NATIVE_LEVEL`` names. Where there was a compiler of CUDA
there is one more, for NVIDIA GPUs.

With glibc, memory that is freed is kept by this process, up to a gigabyte, for the next
call: XLA frees and asks for all it needs at every call, and the system would have to
clear every page anew. ``ZOO_NATIVE_MEMORY=return`` leaves that as it is, and so do
glibc's own variables for it.
"""

import ctypes
import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import jax

__all__ = ["BFLOAT16", "INTERFACE", "LANES", "LEVEL", "obstacle_on_gpu"]

#: What the kernels are given and give, by number: `zoo.engine.native` asks for its own.
INTERFACE = 6


def _open(name: str) -> ctypes.CDLL | None:
    """Return a library, None if it was not built."""
    folder = Path(__file__).parent
    for suffix in EXTENSION_SUFFIXES:
        if (folder / (name + suffix)).exists():
            return ctypes.CDLL(str(folder / (name + suffix)))
    return None


def _load() -> tuple[str, ctypes.CDLL]:
    """Return the level for this machine, or the one asked for, and its library."""
    level, library = "v2", _open("v2")
    if library:
        library.zoo_level.restype = ctypes.c_char_p
        level = os.environ.get("ZOO_NATIVE_LEVEL", library.zoo_level().decode())
        library = library if level == "v2" else _open(level)
    if library is None:
        raise ImportError(f"zoo_native has no level {level!r}: see ZOO_NATIVE_LEVEL")
    return level, library


def _register(library: ctypes.CDLL, platform: str, *names: str) -> None:
    for name in names:
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform=platform)


#: The level that was loaded: ``"v2"`` (any machine), ``"v3"`` (AVX2), ``"v4"``
#: (AVX-512).
LEVEL, _library = _load()

_own = {
    "GLIBC_TUNABLES",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
}
if os.environ.get("ZOO_NATIVE_MEMORY") != "return" and not _own & os.environ.keys():
    _library.zoo_keep_memory()

#: Floats in a vector. The planes of what a layer keeps are multiples of it.
LANES: int = _library.zoo_lanes()

_library.zoo_bfloat16.restype = ctypes.c_bool
#: Whether products of bfloat16 can be asked for: of what was loaded, on this machine.
BFLOAT16: bool = _library.zoo_bfloat16()

_register(_library, "cpu", "zoo_forward", "zoo_backward")

_gpu = _open("gpu")
if _gpu:
    _gpu.zoo_gpu_runs.restype = ctypes.c_bool
    _gpu.zoo_gpu_runs.argtypes = [ctypes.c_char_p, ctypes.c_bool, ctypes.c_int]
    _register(_gpu, "CUDA", "zoo_gpu_forward", "zoo_gpu_backward", "zoo_gpu_linear")


def obstacle_on_gpu(cell: str, bfloat16: bool, H: int) -> str | None:
    """Return why a kernel does not run a layer on the present GPU, None if it does.

    Args:
        cell: the name of the kernel.
        bfloat16: whether it multiplies bfloat16, or else TF32.
        H: units.
    """
    if _gpu is None:
        return "rnn-zoo-native was built without nvcc, for CPUs alone"
    if _gpu.zoo_gpu_runs(cell.encode(), bfloat16, H):
        return None
    if not _gpu.zoo_gpu_runs(b"rnn_tanh", bfloat16, 1):
        return "the kernels are for NVIDIA GPUs from compute capability 9.0 on"
    return f"the matrix of {H} units does not fit on the chip"
