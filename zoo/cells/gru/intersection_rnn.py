"""The intersection recurrent network."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from zoo.cells.base import drop_candidate, gate
from zoo.cells.skip import SkipCell
from zoo.initializers import Gates
from zoo.types import Array, Key

__all__ = ["IntersectionRNNCell", "IntersectionState"]


def _ones_of_gates(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
    """Initialise the biases of v and g to one, the others to zero."""
    return jnp.repeat(jnp.array([name in ("v", "g") for name in gates], dtype), size)


class IntersectionState(NamedTuple):
    """The state of an intersection RNN.

    Attributes:
        h: the hidden state ``[B, H]``.
        y: the output ``[B, H]``, which no later step reads.
    """

    h: Array
    y: Array


class IntersectionRNNCell(SkipCell):
    """The intersection RNN ("+RNN"): one gate over time and one over depth.

    ::

        m = relu(x W_m + h U_m + b_m)
        n = tanh(x W_n + h U_n + b_n)
        v, g = sigmoid(x W + h U + b)
        h' = g * h + (1 - g) * n
        y = v * skip(x) + (1 - v) * m

    As in the authors' code, the biases of v and g are initialised to one. Source:
    Collins et al. 2016, arXiv:1611.09913; ``tf.contrib.rnn.IntersectionRNNCell`` of
    TensorFlow 1.
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
    inits: ClassVar = {**SkipCell.inits, "b": _ones_of_gates}
    unread = ("y",)
    candidate = True

    def init_state(self, batch_size: int) -> IntersectionState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(IntersectionState, batch_size, self.hidden_size)

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
        a, skip = p
        m, n, v, g = self.split(a + q)
        v, g = gate("v", v), gate("g", g)
        h = g * state.h + (1 - g) * drop_candidate(jnp.tanh(n), keep)
        return IntersectionState(h, v * skip + (1 - v) * jax.nn.relu(m))

    def output(self, state: IntersectionState, p: Any) -> Array:
        """Return the output y."""
        return state.y
