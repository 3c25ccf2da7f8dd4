"""The LSTM with a residual connection from its input."""

from typing import Any

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMState
from zoo.cells.lstm.peephole_lstm import PeepholeLSTMCell
from zoo.cells.skip import SkipCell
from zoo.types import Array

__all__ = ["ResidualLSTMCell"]


class ResidualLSTMCell(SkipCell, PeepholeLSTMCell):
    """The peephole LSTM with its input added to its output, before the output gate.

    ::

        i = sigmoid(x W_i + h U_i + V_i * c + b_i)
        f = sigmoid(x W_f + h U_f + V_f * c + b_f)
        c' = f * c + i * tanh(x W_g + h U_g + b_g)
        o = sigmoid(x W_o + h U_o + V_o * c' + b_o)
        h' = o * (tanh(c') P + skip(x))

    ``P[H, H]``. Source: Kim et al. 2017, arXiv:1701.03360.
    """

    name = "residual_lstm"
    paper = "Kim et al. 2017, arXiv:1701.03360"
    equation = (
        "i, f = sigmoid(x W + h U + V * c + b); c' = f * c + i * tanh(x W + h U + b); "
        "o = sigmoid(x W + h U + V * c' + b); h' = o * (tanh(c') P + skip(x))"
    )
    parameters = "4 * (D*H + H*H + H) + 3*H + H*H + (D*H if D != H else 0)"

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `PeepholeLSTMCell`; `W_init` also initialises ``P`` and
                ``S``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("W_init") or self.inits["W"]
        self.P = self._param(init, rngs, (hidden_size, hidden_size))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b`` and ``skip(x)``."""
        return super().project(x), self.skip(x)

    def advance(
        self,
        state: LSTMState,
        p: tuple[Array, Array],
        *,
        recur_state: LSTMState | None = None,
        keep: Array | None = None,
    ) -> LSTMState:
        """Return the new state; overridden because a product follows the gates."""
        a, x = p
        i, f, g, o = self.split(
            a + self.recur(state if recur_state is None else recur_state)
        )
        v_i, v_f, v_o = self.split(self.in_state_dtype(self.V, a))
        i = gate("i", i + v_i * state.c)
        f = gate("f", f + v_f * state.c)
        c = f * state.c + i * drop_candidate(jnp.tanh(g), keep)
        o = gate("o", o + v_o * c)
        return LSTMState(o * (self.dot(jnp.tanh(c), self.P[...]) + x), c)
