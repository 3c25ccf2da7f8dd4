"""The LSTM with working memory connections."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.types import Array

__all__ = ["WMCLSTMCell"]


class WMCLSTMCell(LSTMCell):
    """The LSTM with working memory connections.

    ::

        i = sigmoid(x W_i + h U_i + b_i + tanh(c V_i))
        f = sigmoid(x W_f + h U_f + b_f + tanh(c V_f))
        c' = f * c + i * tanh(x W_g + h U_g + b_g)
        o = sigmoid(x W_o + h U_o + b_o + tanh(c' V_o))
        h' = o * tanh(c')

    The gate o reads the new cell state. ``V[H, 3H]`` holds the blocks of i, f and o.
    Source: Landi et al. 2021, arXiv:2109.00020.
    """

    name = "wmclstm"
    paper = "Landi et al. 2021, arXiv:2109.00020"
    equation = (
        "i, f = sigmoid(x W + h U + b + tanh(c V)); "
        "c' = f * c + i * tanh(x W + h U + b); "
        "o = sigmoid(x W + h U + b + tanh(c' V)); h' = o * tanh(c')"
    )
    parameters = "4 * (D*H + H*H + H) + 3*H*H"
    recurrent: ClassVar = ("U", "V")

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `LSTMCell`; `U_init` also initialises ``V``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("U_init") or self.inits["U"]
        shape = (hidden_size, hidden_size)
        self.V = self._matrix(init, rngs, shape, ("i", "f", "o"))

    def advance(
        self,
        state: LSTMState,
        p: Array,
        *,
        recur_state: LSTMState | None = None,
        keep: Array | None = None,
    ) -> LSTMState:
        """Return the new state; overridden because o needs a product with c'."""
        i, f, g, o = self.split(
            p + self.recur(state if recur_state is None else recur_state)
        )
        V_if, V_o = jnp.split(self.V[...], [2 * self.hidden_size], axis=-1)
        m_i, m_f = self.split(jnp.tanh(self.dot(state.c, V_if)))
        i, f = gate("i", i + m_i), gate("f", f + m_f)
        c = f * state.c + i * drop_candidate(jnp.tanh(g), keep)
        o = gate("o", o + jnp.tanh(self.dot(c, V_o)))
        return LSTMState(o * jnp.tanh(c), c)
