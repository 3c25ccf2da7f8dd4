"""The platform that a call runs on."""

import os

import jax


def platform() -> str:
    """Return ``"cpu"``, ``"gpu"`` or another: that of the default device, if set."""
    device = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    if device is None:
        return jax.default_backend()
    name = device if isinstance(device, str) else device.platform
    return "gpu" if name == "cuda" else name


def compile_threads() -> int:
    """Return how many threads compile programs in parallel.

    XLA compiles without Python's lock, and uses several cores at times. For a GPU it
    measures variants of a program, on a device without other work.
    """
    return min(os.cpu_count() or 1, 4) if platform() == "cpu" else 1
