"""The minimal gated unit."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from zoo.cells.base import Cell, HiddenState, thin
from zoo.types import Array


class MGUCell(Cell):
    """The minimal gated unit: a GRU with one gate for both purposes.

    ::

        f = sigmoid(x W_f + h U_f + b_f)
        n = tanh(x W_n + (f * h) U_n + b_n)
        h' = (1 - f) * h + f * n

    Flax's ``MGUCell`` is another one: it swaps f and 1 - f and resets after the
    product.
    Source: Zhou et al. 2016, arXiv:1603.09420.
    """

    name = "mgu"
    family = "gru"
    paper = "Zhou et al. 2016, arXiv:1603.09420"
    equation = (
        "f = sigmoid(x W + h U + b); n = tanh(x W + (f * h) U + b); "
        "h' = (1 - f) * h + f * n"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"f": -1, "n": 0}
    candidate = True

    def advance(
        self,
        state: HiddenState,
        p: Array,
        *,
        seen: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because of the product after f."""
        shown = state.h if seen is None else seen.h
        U_f, U_n = self.split(self.U[...])
        p_f, p_n = self.split(p)
        f = jax.nn.sigmoid(p_f + self.dot(shown, U_f))
        n = jnp.tanh(p_n + self.dot(f * shown, U_n))
        return HiddenState((1 - f) * state.h + f * thin(n, keep))
