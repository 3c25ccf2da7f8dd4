"""The light recurrent unit."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.types import Array

__all__ = ["LightRUCell"]


class LightRUCell(Cell):
    """The light recurrent unit: its candidate depends on the input only.

    ::

        n = tanh(x W_n + b_n)
        f = sigmoid(x W_f + h U + b_f)
        h' = (1 - f) * h + f * n

    Source: Ye et al. 2024, doi:10.3390/electronics13163204.
    """

    name = "lightru"
    family = "gru"
    paper = "Ye et al. 2024, doi:10.3390/electronics13163204"
    equation = "n = tanh(x W + b); f = sigmoid(x W + h U + b); h' = (1 - f) * h + f * n"
    parameters = "2 * (D*H + H) + H*H"
    gates: ClassVar = {"n": 0, "f": -1}
    recurrent_gates = ("f",)
    candidate = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        n, f = self.split(p)
        f = gate("f", f + q)
        return HiddenState((1 - f) * state.h + f * drop_candidate(jnp.tanh(n), keep))
