"""Layers of an LSTM, a GRU or a simple network in one call of XLA, on CPUs.

`zoo` calls these by itself where they are installed. The library is built for several
levels of x86-64, and the highest that this machine runs is loaded, or the one that the
environment variable ``ZOO_NATIVE_LEVEL`` names.

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

__all__ = ["BFLOAT16", "INTERFACE", "LANES", "LEVEL"]

#: What the kernels are given and give, by number: `zoo.native` asks for its own.
INTERFACE = 3


def _open(level: str) -> ctypes.CDLL:
    folder = Path(__file__).parent
    for suffix in EXTENSION_SUFFIXES:
        if (folder / (level + suffix)).exists():
            return ctypes.CDLL(str(folder / (level + suffix)))
    raise ImportError(f"zoo_native was not built for {level!r}: see ZOO_NATIVE_LEVEL")


def _load() -> tuple[str, ctypes.CDLL]:
    lowest = _open("v2")
    lowest.zoo_level.restype = ctypes.c_char_p
    level = os.environ.get("ZOO_NATIVE_LEVEL", lowest.zoo_level().decode())
    return level, lowest if level == "v2" else _open(level)


#: The level that was loaded: ``"v2"`` (any machine), ``"v3"`` (AVX2), ``"v4"``
#: (AVX-512).
LEVEL, _library = _load()

_own = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}
if os.environ.get("ZOO_NATIVE_MEMORY") != "return" and not _own & os.environ.keys():
    _library.zoo_keep_memory()

#: Floats in a vector. The planes of what a layer keeps are multiples of it.
LANES: int = _library.zoo_lanes()

_library.zoo_bfloat16.restype = ctypes.c_bool
#: Whether products of bfloat16 can be asked for: of what was loaded, on this machine.
BFLOAT16: bool = _library.zoo_bfloat16()

for _name in ("zoo_forward", "zoo_backward"):
    jax.ffi.register_ffi_target(
        _name, jax.ffi.pycapsule(getattr(_library, _name)), platform="cpu"
    )
