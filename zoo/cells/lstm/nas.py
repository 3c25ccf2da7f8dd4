"""A cell from neural architecture search."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from zoo.cells.base import Cell, gate
from zoo.cells.lstm.lstm import LSTMState
from zoo.types import Array

__all__ = ["NASCell"]


class NASCell(Cell):
    """A cell with eight gates, found by neural architecture search.

    ::

        a_k = x W_k + h U_k + b_k, but a_4 = (x W_4) * (h U_4 + b_4)
        l = tanh(sigmoid(a_1) * relu(a_2))
        m = tanh(sigmoid(a_3) + relu(a_4))
        n = tanh(tanh(a_5) * sigmoid(a_6))
        o = sigmoid(tanh(a_7) + sigmoid(a_8))
        c' = tanh(l + c) * m
        h' = tanh(c' * tanh(n + o))

    The paper has no bias. The authors' code adds it to the product with the state,
    which matters for a_4. Some implementations omit the product in a_4. Source: Zoph
    and Le 2016, arXiv:1611.01578, figure 8; tensorflow/addons, ``rnn/nas_cell.py``.
    """

    name = "nas"
    family = "lstm"
    paper = "Zoph and Le 2016, arXiv:1611.01578"
    equation = (
        "a = x W + h U + b, a_4 = (x W) * (h U + b); l = tanh(sigmoid(a_1) * "
        "relu(a_2)); m = tanh(sigmoid(a_3) + relu(a_4)); n = tanh(tanh(a_5) * "
        "sigmoid(a_6)); o = sigmoid(tanh(a_7) + sigmoid(a_8)); "
        "c' = tanh(l + c) * m; h' = tanh(c' * tanh(n + o))"
    )
    parameters = "8 * (D*H + H*H + H)"
    gates: ClassVar = {f"a{k}": 0 for k in range(1, 9)}

    def init_state(self, batch_size: int) -> LSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(LSTMState, batch_size, self.hidden_size)

    def project(self, x: Array) -> Array:
        """Return ``xW``; `update` adds the bias."""
        return self.dot(x, self.W[...])

    def update(self, state: LSTMState, p: Array, q: Array) -> LSTMState:
        """Return the new state."""
        q = self.add_bias(q, self.b)
        relu, tanh = jax.nn.relu, jnp.tanh
        a1, a2, a3, _, a5, a6, a7, a8 = self.split(p + q)
        a4 = self.split(p)[3] * self.split(q)[3]
        left = tanh(gate("a_1", a1) * relu(a2))
        m = gate("m", gate("a_3", a3) + relu(a4), tanh)
        n = tanh(tanh(a5) * gate("a_6", a6))
        o = gate("o", tanh(a7) + gate("a_8", a8))
        c = tanh(left + state.c) * m
        return LSTMState(tanh(c * tanh(n + o)), c)
