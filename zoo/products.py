"""Products of vectors and a matrix, in one precision, summed in another."""

from typing import Any

import jax.numpy as jnp

from zoo.types import Array


def product(x: Array, W: Array, dtype: Any, wide: Any) -> Array:
    """Return ``x W``.

    Args:
        x: an array ``[..., N]``.
        W: a matrix ``[N, M]``.
        dtype: of what is multiplied.
        wide: of the sums, and of what is returned.
    """
    # Of two matrices: for a product over two axes, T and B, as in the gradient of the
    # weights, XLA would first copy an operand.
    y = jnp.matmul(
        x.reshape(-1, x.shape[-1]).astype(dtype),
        W.astype(dtype),
        preferred_element_type=wide,
    )
    return y.reshape(*x.shape[:-1], W.shape[-1])
