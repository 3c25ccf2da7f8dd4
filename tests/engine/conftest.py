"""An emulated GPU: the kernels of native/gpu, compiled for a CPU."""

import ctypes
from collections.abc import Iterator

import pytest

from tests.helpers import emulated_gpu as emulation
from zoo.engine import native


@pytest.fixture(scope="session")
def gpu_library() -> ctypes.CDLL:
    """Compile the kernels with the emulated hardware, and register them with JAX."""
    return emulation.register(emulation.build())


@pytest.fixture
def emulated_gpu(
    gpu_library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let layers run as on a GPU."""
    emulation.use(gpu_library, monkeypatch)
    native.missing.cache_clear()
    yield
    native.missing.cache_clear()
