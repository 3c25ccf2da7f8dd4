"""The dense (fully connected) layer."""

from typing import Any

import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.engine.broadcast import align
from zoo.engine.matmul import product
from zoo.stochastic import check_rngs
from zoo.types import Array


def affine(x: Array, W: Array, b: Array) -> Array:
    """Return ``x W + b``, float32 or wider: logits need the precision.

    Args:
        x: ``[..., D]``; its dtype is that of the product.
        W: ``[D, K]``.
        b: ``[K]``.
    """
    wide = x.dtype if x.dtype == jnp.float64 else jnp.float32
    y = product(x, W, x.dtype, wide)
    return y + align(b.astype(wide), y)


class Linear(nnx.Module):
    """``y = x W + b``."""

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Initialise W ``[D, K]``, Glorot-uniform; b is zero.

        Args:
            input_size: D.
            output_size: K.
            param_dtype: of the parameters.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if a size is not positive.
            TypeError: if `rngs` is not ``nnx.Rngs``.
        """
        check_rngs(rngs)
        D = checks.positive("input_size", input_size)
        K = checks.positive("output_size", output_size)
        self.W = nnx.Param(initializers.glorot(rngs.params(), (D, K), param_dtype))
        self.b = nnx.Param(jnp.zeros(K, param_dtype))

    @property
    def input_size(self) -> int:
        """D."""
        return self.W.shape[0]

    @property
    def output_size(self) -> int:
        """K."""
        return self.W.shape[1]

    def __call__(self, x: Array) -> Array:
        """Apply the layer.

        Args:
            x: ``[..., D]``.

        Returns:
            ``[..., K]``, float32 or wider.
        """
        return affine(x, self.W[...], self.b[...])
