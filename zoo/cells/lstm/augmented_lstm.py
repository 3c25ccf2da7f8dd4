"""The LSTM with a highway connection from its input to its output."""

from typing import ClassVar

import jax.numpy as jnp

from zoo import initializers
from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.types import Array

__all__ = ["AugmentedLSTMCell"]


class AugmentedLSTMCell(LSTMCell):
    """The LSTM with a highway connection from its input to its output.

    ::

        i, f, o, r = sigmoid(x W + h U + b)
        g = tanh(x W + h U + b)
        c' = f * c + i * g
        h' = r * o * tanh(c') + (1 - r) * (x W_x + b_x)

    The paper has no ``b_x``; the authors' code does. As there, the blocks of W and U
    are initialised to orthogonal matrices. Source: He et al. 2017, "Deep semantic role
    labeling: what works and what's next", after Zhang et al. 2016; luheng/deep_srl and
    allenai/allennlp, ``augmented_lstm.py``.
    """

    name = "augmented_lstm"
    paper = "He et al. 2017, Deep semantic role labeling"
    equation = (
        "i, f, o, r = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + i * g; h' = r * o * tanh(c') + (1 - r) * (x W + b)"
    )
    parameters = "6*D*H + 5*H*H + 6*H"
    gates: ClassVar = {"i": -1, "f": +1, "g": 0, "o": 0, "r": 0, "x": 0}
    recurrent_gates = ("i", "f", "g", "o", "r")
    inits: ClassVar = {**LSTMCell.inits, "W": initializers.orthogonal}

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b`` of the gates, and ``x W_x + b_x``."""
        p = super().project(x)
        return p[..., : -self.hidden_size], p[..., -self.hidden_size :]

    def update(
        self,
        state: LSTMState,
        p: tuple[Array, Array],
        q: Array,
        keep: Array | None = None,
    ) -> LSTMState:
        """Return the new state."""
        a, x = p
        i, f, g, o, r = self.split(a + q)
        i, f, o, r = map(gate, "ifor", (i, f, o, r))
        c = f * state.c + i * drop_candidate(jnp.tanh(g), keep)
        return LSTMState(r * o * jnp.tanh(c) + (1 - r) * x, c)
