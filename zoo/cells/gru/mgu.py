"""The minimal gated unit."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.types import Array

__all__ = ["MGUCell"]


class MGUCell(Cell):
    """The minimal gated unit: a GRU whose single gate f both resets and updates.

    ::

        f = sigmoid(x W_f + h U_f + b_f)
        n = tanh(x W_n + (f * h) U_n + b_n)
        h' = (1 - f) * h + f * n

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
        recur_state: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because of the product after the gate f."""
        h = state.h if recur_state is None else recur_state.h
        U_f, U_n = self.split(self.U[...])
        p_f, p_n = self.split(p)
        f = gate("f", p_f + self.dot(h, U_f))
        n = jnp.tanh(p_n + self.dot(f * h, U_n))
        return HiddenState((1 - f) * state.h + f * drop_candidate(n, keep))

    def kernel(self) -> str:
        """Return the name of the native kernel: ``"mgu"``."""
        return "mgu"
