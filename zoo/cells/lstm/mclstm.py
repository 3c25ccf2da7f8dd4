"""The LSTM with a second output gate, for its recurrent products."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMCell
from zoo.types import Array

__all__ = ["MCLSTMCell", "MCLSTMState"]


class MCLSTMState(NamedTuple):
    """The state of a memory-controller LSTM.

    Attributes:
        v: the hidden state that the gates read ``[B, H]``.
        c: the cell state ``[B, H]``.
        y: the last output ``[B, H]``, which no later step reads.
    """

    v: Array
    c: Array
    y: Array


class MCLSTMCell(LSTMCell):
    """The memory-controller LSTM: the gates read v, which is not the output y.

    ::

        i, f, o, m = sigmoid(x W + v U + b)
        g = tanh(x W + v U + b)
        c' = f * c + i * g
        v' = m * tanh(c')
        y = o * tanh(c')

    Source: a workshop paper of NIPS 2017, after its public implementations.
    """

    name = "mclstm"
    paper = "Sequence modeling workshop paper, NIPS 2017"
    equation = (
        "i, f, o, m = sigmoid(x W + v U + b); g = tanh(x W + v U + b); "
        "c' = f * c + i * g; v' = m * tanh(c'); y = o * tanh(c')"
    )
    parameters = "5 * (D*H + H*H + H)"
    gates: ClassVar = {"i": -1, "f": +1, "g": 0, "o": 0, "m": 0}
    unread = ("y",)
    additive = True

    def init_state(self, batch_size: int) -> Any:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(MCLSTMState, batch_size, self.hidden_size)

    def recur(self, state: MCLSTMState) -> Array:
        """Return ``vU``."""
        return self.dot(state.v, self.U[...])

    def update(self, state: Any, p: Array, q: Array, keep: Array | None = None) -> Any:
        """Return the new state."""
        i, f, g, o, m = self.split(p + q)
        i, f, o, m = map(gate, "ifom", (i, f, o, m))
        c = f * state.c + i * drop_candidate(jnp.tanh(g), keep)
        return MCLSTMState(m * jnp.tanh(c), c, o * jnp.tanh(c))

    def output(self, state: MCLSTMState, p: Any) -> Array:
        """Return y."""
        return state.y
