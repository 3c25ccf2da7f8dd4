"""The LSTM with peephole connections."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["PeepholeLSTMCell"]


class PeepholeLSTMCell(LSTMCell):
    """The LSTM whose gates also read the cell state.

    ::

        i = sigmoid(x W_i + h U_i + V_i * c + b_i)
        f = sigmoid(x W_f + h U_f + V_f * c + b_f)
        c' = f * c + i * tanh(x W_g + h U_g + b_g)
        o = sigmoid(x W_o + h U_o + V_o * c' + b_o)
        h' = o * tanh(c')

    The gate o reads the new cell state. ``V[3H]`` holds the weights of i, f and o.
    Source: Gers et al. 2002, "Learning precise timing with LSTM recurrent networks".
    """

    name = "peephole_lstm"
    paper = "Gers et al. 2002"
    equation = (
        "i, f = sigmoid(x W + h U + V * c + b); c' = f * c + i * tanh(x W + h U + b); "
        "o = sigmoid(x W + h U + V * c' + b); h' = o * tanh(c')"
    )
    parameters = "4 * (D*H + H*H + H) + 3*H"
    inits: ClassVar = {**LSTMCell.inits, "V": nnx.initializers.normal(0.1)}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        V_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            V_init: initialiser of the peephole weights, by default N(0, 0.1²).
            rngs: random keys for the initialisation.
            **options: as for `LSTMCell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.V = self._param(V_init or self.inits["V"], rngs, (3 * hidden_size,))

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        i, f, g, o = self.split(p + q)
        v_i, v_f, v_o = self.split(self.in_state_dtype(self.V, p))
        i = gate("i", i + v_i * state.c)
        f = gate("f", f + v_f * state.c)
        c = f * state.c + i * drop_candidate(jnp.tanh(g), keep)
        return LSTMState(gate("o", o + v_o * c) * jnp.tanh(c), c)
