"""The simple recurrent network with a weighted residual connection."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState
from zoo.types import Array

__all__ = ["FastRNNCell"]


class FastRNNCell(Cell):
    """The simple recurrent network with a weighted residual connection.

    ::

        n = tanh(x W + h U + b)
        h' = sigmoid(alpha) * n + sigmoid(beta) * h

    alpha and beta are trainable scalars. Source: Kusupati et al. 2018,
    arXiv:1901.02358.
    """

    name = "fast_rnn"
    family = "elman"
    paper = "Kusupati et al. 2018, arXiv:1901.02358"
    equation = "n = tanh(x W + h U + b); h' = sigmoid(alpha) * n + sigmoid(beta) * h"
    parameters = "D*H + H*H + H + 2"
    gates: ClassVar = {"n": 0}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        alpha: float = -3.0,
        beta: float = 3.0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            alpha: the initial value of the parameter alpha.
            beta: the initial value of the parameter beta.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.alpha = self._scalar(alpha)
        self.beta = self._scalar(beta)

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        alpha = jax.nn.sigmoid(self.in_state_dtype(self.alpha))
        beta = jax.nn.sigmoid(self.in_state_dtype(self.beta))
        return HiddenState(alpha * jnp.tanh(p + q) + beta * state.h)
