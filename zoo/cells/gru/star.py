"""The stackable recurrent cell."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.types import Array

__all__ = ["STARCell"]


class STARCell(Cell):
    """The stackable recurrent cell (STAR): one gate, and a tanh of the new state.

    ::

        z = tanh(x W_z + b_z)
        k = sigmoid(x W_k + h U_k + b_k)
        h' = tanh((1 - k) * h + k * z)

    Source: Turkoglu et al. 2019, arXiv:1911.11033.
    """

    name = "star"
    family = "gru"
    paper = "Turkoglu et al. 2019, arXiv:1911.11033"
    equation = (
        "z = tanh(x W + b); k = sigmoid(x W + h U + b); h' = tanh((1 - k) * h + k * z)"
    )
    parameters = "2 * (D*H + H) + H*H"
    gates: ClassVar = {"k": -1, "z": 0}
    recurrent_gates = ("k",)
    candidate = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        k, z = self.split(p)
        k = gate("k", k + q)
        z = drop_candidate(jnp.tanh(z), keep)
        return HiddenState(jnp.tanh((1 - k) * state.h + k * z))
