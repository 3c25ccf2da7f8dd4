"""The long short-term memory."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from zoo import initializers
from zoo.cells.base import Cell, drop_candidate, gate
from zoo.types import Array

__all__ = ["LSTMCell", "LSTMState"]


class LSTMState(NamedTuple):
    """The state of an LSTM.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        c: the cell state ``[B, H]``.
    """

    h: Array
    c: Array


class LSTMCell(Cell):
    """The long short-term memory.

    ::

        i = sigmoid(x W_i + h U_i + b_i)
        f = sigmoid(x W_f + h U_f + b_f)
        g = tanh(x W_g + h U_g + b_g)
        o = sigmoid(x W_o + h U_o + b_o)
        c' = f * c + i * g
        h' = o * tanh(c')

    The cell of ``torch.nn.LSTM``, with one bias vector where torch has two. By default
    `b_init` is ``zoo.initializers.retain(1.0)``, a forget-gate bias of one. Source:
    Hochreiter and Schmidhuber 1997; Gers et al. 2000.
    """

    name = "lstm"
    family = "lstm"
    paper = "Hochreiter and Schmidhuber 1997; Gers et al. 2000"
    equation = (
        "i, f, o = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + i * g; h' = o * tanh(c')"
    )
    parameters = "4 * (D*H + H*H + H)"
    gates: ClassVar = {"i": -1, "f": +1, "g": 0, "o": 0}
    inits: ClassVar = {**Cell.inits, "b": initializers.retain(1.0)}
    candidate = True
    additive = True

    def init_state(self, batch_size: int) -> LSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return LSTMState(
            self.zeros(batch_size, self.output_size),
            self.zeros(batch_size, self.hidden_size),
        )

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        i, f, g, o = self.split(p + q)
        g = drop_candidate(jnp.tanh(g), keep)
        c = gate("f", f) * state.c + gate("i", i) * g
        return LSTMState(gate("o", o) * jnp.tanh(c), c)

    def kernel(self) -> str:
        """Return the name of the native kernel: ``"lstm"``."""
        return "lstm"
