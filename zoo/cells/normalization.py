"""Layer normalisation inside a cell."""

import jax
import jax.numpy as jnp

from zoo.types import Array


def normalize(a: Array) -> Array:
    """Return ``LN(a) = (a - mean(a)) / sqrt(var(a) + 1e-5)`` over the last axis.

    Args:
        a: an array ``[..., N]``.
    """
    centred = a - a.mean(axis=-1, keepdims=True)
    variance = jnp.square(centred).mean(axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5)
