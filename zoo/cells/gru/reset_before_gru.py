"""The gated recurrent unit with the reset gate before the recurrent product."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.types import Array

__all__ = ["ResetBeforeGRUCell"]


class ResetBeforeGRUCell(Cell):
    """The original gated recurrent unit: the reset gate multiplies h, not ``h U``.

    ::

        r = sigmoid(x W_r + h U_r + b_r)
        z = sigmoid(x W_z + h U_z + b_z)
        n = tanh(x W_n + (r * h) U_n + b_n)
        h' = (1 - z) * n + z * h

    In Keras it is ``GRU(reset_after=False)``. In Haiku's ``GRU`` z and 1 - z are
    exchanged. Source: Cho et al. 2014, arXiv:1406.1078.
    """

    name = "reset_before_gru"
    family = "gru"
    paper = "Cho et al. 2014, arXiv:1406.1078"
    equation = (
        "r, z = sigmoid(x W + h U + b); n = tanh(x W + (r * h) U + b); "
        "h' = (1 - z) * n + z * h"
    )
    parameters = "3 * (D*H + H*H + H)"
    gates: ClassVar = {"r": 0, "z": +1, "n": 0}
    candidate = True

    def advance(
        self,
        state: HiddenState,
        p: Array,
        *,
        recur_state: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because of the product after the gate r."""
        h = state.h if recur_state is None else recur_state.h
        U = self.U[...]
        U_rz, U_n = U[:, : 2 * self.hidden_size], U[:, 2 * self.hidden_size :]
        p_r, p_z, p_n = self.split(p)
        q_r, q_z = jnp.split(self.dot(h, U_rz), 2, axis=-1)
        r, z = gate("r", p_r + q_r), gate("z", p_z + q_z)
        n = jnp.tanh(p_n + self.dot(r * h, U_n))
        return HiddenState((1 - z) * drop_candidate(n, keep) + z * state.h)

    def kernel(self) -> str:
        """Return the name of the native kernel: ``"reset_before_gru"``."""
        return "reset_before_gru"
