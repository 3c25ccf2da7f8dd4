"""The two cells of "Capacity and trainability": UGRNN and the intersection RNN."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.cells.skip import SkipCell
from zoo.types import Array


class UGRNNCell(Cell):
    """The update-gate RNN: a simple network with one gate that keeps.

    ::

        g = sigmoid(x W_g + h U_g + b_g)
        n = tanh(x W_n + h U_n + b_n)
        h' = g * h + (1 - g) * n

    Source: Collins et al. 2016, arXiv:1611.09913.
    """

    name = "ugrnn"
    family = "gru"
    paper = "Collins et al. 2016, arXiv:1611.09913"
    equation = (
        "g = sigmoid(x W + h U + b); n = tanh(x W + h U + b); h' = g * h + (1 - g) * n"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"g": +1, "n": 0}
    candidate = True
    additive = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        g, n = self.split(p + q)
        g = gate("g", g)
        return HiddenState(g * state.h + (1 - g) * drop_candidate(jnp.tanh(n), keep))


class IntersectionState(NamedTuple):
    """The state of an intersection RNN.

    Attributes:
        h: the hidden state ``[B, H]``.
        y: the last output ``[B, H]``, which no step reads.
    """

    h: Array
    y: Array


class IntersectionRNNCell(SkipCell):
    """The intersection RNN ("+RNN"): one gate over time, another one over depth.

    ::

        m = relu(x W_m + h U_m + b_m)
        n = tanh(x W_n + h U_n + b_n)
        v, g = sigmoid(x W + h U + b)
        h' = g * h + (1 - g) * n
        y = v * skip(x) + (1 - v) * m

    Source: Collins et al. 2016, arXiv:1611.09913.
    """

    name = "intersection_rnn"
    family = "gru"
    paper = "Collins et al. 2016, arXiv:1611.09913"
    equation = (
        "m = relu(x W + h U + b); n = tanh(x W + h U + b); v, g = sigmoid(x W + h U + "
        "b); h' = g * h + (1 - g) * n; y = v * skip(x) + (1 - v) * m"
    )
    parameters = "4 * (D*H + H*H + H) + (D*H if D != H else 0)"
    gates: ClassVar = {"m": 0, "n": 0, "v": 0, "g": +1}
    unread = ("y",)
    candidate = True

    def init_state(self, batch_size: int) -> IntersectionState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        zeros = self.zeros(batch_size, self.hidden_size)
        return IntersectionState(zeros, zeros)

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b`` and ``skip(x)``."""
        return super().project(x), self.skip(x)

    def update(
        self,
        state: IntersectionState,
        p: tuple[Array, Array],
        q: Array,
        keep: Array | None = None,
    ) -> IntersectionState:
        """Return the new state."""
        a, x = p
        m, n, v, g = self.split(a + q)
        v, g = gate("v", v), gate("g", g)
        h = g * state.h + (1 - g) * drop_candidate(jnp.tanh(n), keep)
        return IntersectionState(h, v * x + (1 - v) * jax.nn.relu(m))

    def output(self, state: IntersectionState, p: Any) -> Array:
        """Return y."""
        return state.y
