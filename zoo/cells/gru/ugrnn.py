"""The update-gate recurrent network."""

from typing import ClassVar

import jax.numpy as jnp

from zoo import initializers
from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.types import Array

__all__ = ["UGRNNCell"]


class UGRNNCell(Cell):
    """The update-gate RNN: a simple recurrent network with an update gate only.

    ::

        g = sigmoid(x W_g + h U_g + b_g)
        n = tanh(x W_n + h U_n + b_n)
        h' = g * h + (1 - g) * n

    As in the authors' code, the bias of g is initialised to one. Source: Collins et al.
    2016, arXiv:1611.09913; ``tf.contrib.rnn.UGRNNCell`` of TensorFlow 1.
    """

    name = "ugrnn"
    family = "gru"
    paper = "Collins et al. 2016, arXiv:1611.09913"
    equation = (
        "g = sigmoid(x W + h U + b); n = tanh(x W + h U + b); h' = g * h + (1 - g) * n"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"g": +1, "n": 0}
    inits: ClassVar = {**Cell.inits, "b": initializers.retain(1.0)}
    candidate = True
    additive = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        g, n = self.split(p + q)
        g = gate("g", g)
        return HiddenState(g * state.h + (1 - g) * drop_candidate(jnp.tanh(n), keep))
