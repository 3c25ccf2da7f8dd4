"""The library of kernels for NVIDIA GPUs, which `zoo_native` loads."""

from pathlib import Path

__all__ = ["LIBRARY"]

#: The path of the library.
LIBRARY = Path(__file__).with_name("gpu.so")
