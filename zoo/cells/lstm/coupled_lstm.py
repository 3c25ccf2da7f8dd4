"""The LSTM with coupled input and forget gates."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.types import Array

__all__ = ["CoupledLSTMCell"]


class CoupledLSTMCell(LSTMCell):
    """The LSTM whose input gate is 1 - f: ``c' = f * c + (1 - f) * g``.

    It has three gates, f g o. Source: Greff et al. 2015 (CIFG), arXiv:1503.04069.
    """

    name = "coupled_lstm"
    paper = "Greff et al. 2015, arXiv:1503.04069"
    equation = (
        "f, o = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + (1 - f) * g; h' = o * tanh(c')"
    )
    parameters = "3 * (D*H + H*H + H)"
    gates: ClassVar = {"f": +1, "g": 0, "o": 0}
    additive = True

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        f, g, o = self.split(p + q)
        f = gate("f", f)
        c = f * state.c + (1 - f) * drop_candidate(jnp.tanh(g), keep)
        return LSTMState(gate("o", o) * jnp.tanh(c), c)
