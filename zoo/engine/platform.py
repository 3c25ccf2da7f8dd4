"""Where a call will run."""

import jax


def platform() -> str:
    """Return ``"cpu"``, ``"gpu"`` or another: of the default device, if one is set."""
    device = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    if device is None:
        return jax.default_backend()
    found = device if isinstance(device, str) else device.platform
    return "gpu" if found == "cuda" else found
