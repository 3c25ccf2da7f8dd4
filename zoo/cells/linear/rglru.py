"""The real-gated linear recurrent unit, the recurrence of Griffin."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import gate
from zoo.cells.linear.base import LinearCell
from zoo.types import Array

__all__ = ["RGLRUCell"]


class RGLRUCell(LinearCell):
    """The real-gated linear recurrent unit, the recurrence of Griffin.

    ::

        r = sigmoid(x W_r + b_r)
        i = sigmoid(x W_i + b_i)
        a = exp(-8 softplus(Lambda) * r)
        h' = a * h + sqrt(1 - a^2) * i * (x W_u + b_u)

    Lambda is initialised such that a is uniform in [0.9, 0.999] where r = 1. The
    paper's u is the input itself, the output of a linear layer and a convolution. Here
    the product belongs to the cell, so that D and H may differ. Source: De et al. 2024,
    arXiv:2402.19427.
    """

    name = "rglru"
    family = "linear"
    paper = "De et al. 2024, arXiv:2402.19427"
    equation = (
        "r, i = sigmoid(x W + b); a = exp(-8 softplus(Lambda) * r); "
        "h' = a * h + sqrt(1 - a^2) * i * (x W + b)"
    )
    parameters = "3 * (D*H + H) + H"
    gates: ClassVar = {"r": -1, "i": 0, "u": 0}

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        a = jax.random.uniform(
            rngs.params(), (hidden_size,), self.draw_dtype, minval=0.9, maxval=0.999
        )
        # softplus(Lambda) = -log(a) / 8, solved for Lambda.
        self.Lambda = self._store(jnp.log(jnp.expm1(-jnp.log(a) / 8)))

    def coefficients(self, p: Array) -> tuple[Array, Array]:
        """Return a and sqrt(1 - a^2) * i * u."""
        r, i, u = self.split(p)
        rate = 8 * jax.nn.softplus(self.in_state_dtype(self.Lambda, r))
        log_a = -rate * gate("r", r)
        # expm1 computes 1 - a^2 without cancellation where a is near 1.
        scale = jnp.sqrt(-jnp.expm1(2 * log_a))
        return gate("a", log_a, jnp.exp), scale * gate("i", i) * u
