"""The platform that a call runs on."""

import jax


def platform() -> str:
    """Return ``"cpu"``, ``"gpu"`` or another: that of the default device, if set."""
    device = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    if device is None:
        return jax.default_backend()
    name = device if isinstance(device, str) else device.platform
    return "gpu" if name == "cuda" else name
