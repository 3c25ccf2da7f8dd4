"""The LSTM with peephole connections."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import gate, thin
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["PeepholeLSTMCell"]

small_normal = jax.nn.initializers.normal(0.1)


class PeepholeLSTMCell(LSTMCell):
    """The LSTM whose gates see the cell state.

    ::

        i = sigmoid(x W_i + h U_i + V_i * c + b_i)
        f = sigmoid(x W_f + h U_f + V_f * c + b_f)
        c' = f * c + i * tanh(x W_g + h U_g + b_g)
        o = sigmoid(x W_o + h U_o + V_o * c' + b_o)
        h' = o * tanh(c')

    Note that o sees the new cell state. ``V[3H]`` holds i, f, o. Source: Gers et al.
    2002, "Learning precise timing with LSTM recurrent networks".
    """

    name = "peephole_lstm"
    paper = "Gers et al. 2002"
    equation = (
        "i, f = sigmoid(x W + h U + V * c + b); c' = f * c + i * tanh(x W + h U + b); "
        "o = sigmoid(x W + h U + V * c' + b); h' = o * tanh(c')"
    )
    parameters = "4 * (D*H + H*H + H) + 3*H"
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        V_init: Initializer = small_normal,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            V_init: initialiser of the peepholes, by default N(0, 0.1²).
            rngs: keys of the initialisation.
            **options: as for `LSTMCell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.V = nnx.Param(V_init(rngs.params(), (3 * hidden_size,), self.param_dtype))

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        i, f, g, o = self.split(p + q)
        v_i, v_f, v_o = jnp.split(self.V[...].astype(self.state_dtype), 3)
        i = gate("i", i + v_i * state.c)
        f = gate("f", f + v_f * state.c)
        c = f * state.c + i * thin(jnp.tanh(g), keep)
        return LSTMState(gate("o", o + v_o * c) * jnp.tanh(c), c)
