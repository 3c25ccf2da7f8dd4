"""The recurrent additive network."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import Cell, gate
from zoo.cells.lstm import LSTMState
from zoo.types import Array

__all__ = ["RANCell"]


class RANCell(Cell):
    """The recurrent additive network: the cell state is a gated sum of the inputs.

    ::

        g = x W_g
        i, f = sigmoid(x W + h U + b)
        c' = i * g + f * c
        h' = tanh(c')

    Source: Lee et al. 2017, arXiv:1705.07393.
    """

    name = "ran"
    family = "additive"
    paper = "Lee et al. 2017, arXiv:1705.07393"
    equation = (
        "g = x W; i, f = sigmoid(x W + h U + b); c' = i * g + f * c; h' = tanh(c')"
    )
    parameters = "3*D*H + 2*H*H + 2*H"
    gates: ClassVar = {"g": 0, "i": -1, "f": +1}
    recurrent_gates = bias_gates = ("i", "f")

    def init_state(self, batch_size: int) -> LSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(LSTMState, batch_size, self.hidden_size)

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return the input part of the gates' pre-activations, and g.

        Args:
            x: inputs ``[..., D]``, of one step or of a sequence.
        """
        g, i, f = self.split(self.dot(x, self.W[...]))
        return self.add_bias(jnp.concatenate([i, f], axis=-1), self.b), g

    def update(self, state: LSTMState, p: tuple[Array, Array], q: Array) -> LSTMState:
        """Return the new state."""
        gate_input, g = p
        i, f = map(gate, "if", self.split(gate_input + q))
        c = i * g + f * state.c
        return LSTMState(jnp.tanh(c), c)
