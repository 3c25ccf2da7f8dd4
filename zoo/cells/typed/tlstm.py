"""The strongly typed LSTM."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from zoo.cells.base import gate
from zoo.cells.typed.base import StronglyTypedCell
from zoo.types import Array

__all__ = ["TLSTMCell", "TLSTMState"]


class TLSTMState(NamedTuple):
    """The state of a T-LSTM.

    Attributes:
        c: the cell state ``[B, H]``.
        x: the previous input ``[B, D]``.
        y: the last output ``[B, H]``, which no later step reads.
    """

    c: Array
    x: Array
    y: Array


class TLSTMCell(StronglyTypedCell):
    """The strongly typed LSTM: gates of the current and the previous input.

    ::

        z = x W_z + x_before V_z + b_z
        f = sigmoid(x W_f + x_before V_f + b_f)
        o = tanh(x W_o + x_before V_o + b_o)
        c' = f * c + (1 - f) * z
        y = c' * o

    ``V[D, 3H]``. Source: Balduzzi and Ghifary 2016, arXiv:1602.02218.
    """

    name = "tlstm"
    equation = (
        "z = x W + x_before V + b; f = sigmoid(x W + x_before V + b); "
        "o = tanh(x W + x_before V + b); c' = f * c + (1 - f) * z; y = c' * o"
    )
    unread = ("y",)

    def init_state(self, batch_size: int) -> TLSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return TLSTMState(
            self.zeros(batch_size, self.hidden_size),
            self.zeros(batch_size, self.input_size),
            self.zeros(batch_size, self.hidden_size),
        )

    def update(self, state: TLSTMState, p: tuple[Array, Array], q: Array) -> TLSTMState:
        """Return the new state."""
        input_part, x = p
        z, f, o = self.split(input_part + q)
        f = gate("f", f)
        c = f * state.c + (1 - f) * z
        return TLSTMState(c, x, c * jnp.tanh(o))

    def output(self, state: TLSTMState, p: Any) -> Array:
        """Return y."""
        return state.y
