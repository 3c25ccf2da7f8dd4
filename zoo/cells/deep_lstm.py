"""LSTMs made to be stacked: a short way around each layer."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import thin
from zoo.cells.lstm import LSTMCell, LSTMState, PeepholeLSTMCell
from zoo.cells.skip import SkipCell
from zoo.types import Array


class AugmentedLSTMCell(LSTMCell):
    """The LSTM with a highway from its input to its output.

    ::

        i, f, o, r = sigmoid(x W + h U + b)
        g = tanh(x W + h U + b)
        c' = f * c + i * g
        h' = r * o * tanh(c') + (1 - r) * (x W_x)

    The layer of the deep semantic role labeller. Source: He et al. 2017, "Deep semantic
    role labeling: what works and what's next", after Zhang et al. 2016.
    """

    name = "augmented_lstm"
    paper = "He et al. 2017, Deep semantic role labeling"
    equation = (
        "i, f, o, r = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + i * g; h' = r * o * tanh(c') + (1 - r) * (x W)"
    )
    parameters = "6*D*H + 5*H*H + 5*H"
    gates: ClassVar = {"i": -1, "f": +1, "g": 0, "o": 0, "r": 0, "x": 0}
    recurrent_gates = bias_gates = ("i", "f", "g", "o", "r")

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return what the gates see of the input, and ``x W_x``."""
        *p, x = self.split(self.dot(x, self.W[...]))
        return self.add_bias(jnp.concatenate(p, axis=-1), self.b), x

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
        i, f, o, r = map(jax.nn.sigmoid, (i, f, o, r))
        c = f * state.c + i * thin(jnp.tanh(g), keep)
        return LSTMState(r * o * jnp.tanh(c) + (1 - r) * x, c)


class ResidualLSTMCell(SkipCell, PeepholeLSTMCell):
    """The LSTM with peepholes to whose output the input is added, under its gate.

    ::

        i = sigmoid(x W_i + h U_i + V_i * c + b_i)
        f = sigmoid(x W_f + h U_f + V_f * c + b_f)
        c' = f * c + i * tanh(x W_g + h U_g + b_g)
        o = sigmoid(x W_o + h U_o + V_o * c' + b_o)
        h' = o * (tanh(c') P + skip(x))

    ``P[H, H]``. Source: Kim et al. 2017, arXiv:1701.03360.
    """

    name = "residual_lstm"
    paper = "Kim et al. 2017, arXiv:1701.03360"
    equation = (
        "i, f = sigmoid(x W + h U + V * c + b); c' = f * c + i * tanh(x W + h U + b); "
        "o = sigmoid(x W + h U + V * c' + b); h' = o * (tanh(c') P + skip(x))"
    )
    parameters = "4 * (D*H + H*H + H) + 3*H + H*H + (D*H if D != H else 0)"

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `PeepholeLSTMCell`; `W_init` also draws ``P`` and ``S``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("W_init", initializers.glorot)
        self.P = self._param(init, rngs, (hidden_size, hidden_size))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b`` and ``skip(x)``."""
        return super().project(x), self.skip(x)

    def advance(
        self,
        state: LSTMState,
        p: tuple[Array, Array],
        *,
        seen: LSTMState | None = None,
        keep: Array | None = None,
    ) -> LSTMState:
        """Return the new state; overridden because a product follows the gates."""
        a, x = p
        i, f, g, o = self.split(a + self.recur(state if seen is None else seen))
        v_i, v_f, v_o = self.split(self.exact(self.V))
        i = jax.nn.sigmoid(i + v_i * state.c)
        f = jax.nn.sigmoid(f + v_f * state.c)
        c = f * state.c + i * thin(jnp.tanh(g), keep)
        o = jax.nn.sigmoid(o + v_o * c)
        return LSTMState(o * (self.dot(jnp.tanh(c), self.P[...]) + x), c)
