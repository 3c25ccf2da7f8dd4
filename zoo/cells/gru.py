"""The gated recurrent unit, in its two forms."""

from typing import ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.initializers import BiasInitializer
from zoo.types import Array


class GRUCell(Cell):
    """The gated recurrent unit that resets after the product.

    ::

        r = sigmoid(x W_r + h U_r + b_r)
        z = sigmoid(x W_z + h U_z + b_z)
        n = tanh(x W_n + b_n + r * (h U_n + b_hn))
        h' = (1 - z) * n + z * h

    The cell of ``torch.nn.GRU`` and of cuDNN: all recurrent products are one. The gate
    n keeps a second bias, because r acts on it. Source: Cho et al. 2014,
    arXiv:1406.1078, in the form of Chung et al. 2014, arXiv:1412.3555, and cuDNN.
    """

    name = "gru"
    family = "gru"
    paper = "Cho et al. 2014, arXiv:1406.1078; reset after the product as in cuDNN"
    equation = (
        "r, z = sigmoid(x W + h U + b); n = tanh(x W + b + r * (h U + b_hn)); "
        "h' = (1 - z) * n + z * h"
    )
    parameters = "3 * (D*H + H*H + H) + H"
    gates: ClassVar = {"r": 0, "z": +1, "n": 0}
    candidate = True

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b`` and ``b_hn``; the initialiser is told the gates r, z, n and hn."""
        if b_init is None:
            self.b = self.b_hn = None
            return
        gates = {**self.gates, "hn": 0}
        both = b_init(rngs.params(), gates, self.hidden_size, self.param_dtype)
        self.b = nnx.Param(both[: -self.hidden_size])
        self.b_hn = nnx.Param(both[-self.hidden_size :])

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        (r, z, n), (hr, hz, hn) = self.split(p), self.split(q)
        z = gate("z", z + hz)
        n = jnp.tanh(n + gate("r", r + hr) * self.add_bias(hn, self.b_hn))
        return HiddenState((1 - z) * drop_candidate(n, keep) + z * state.h)

    def kernel(self) -> str:
        """Return ``"gru"``."""
        return "gru"


class ResetBeforeGRUCell(Cell):
    """The gated recurrent unit of 2014, which resets before the product.

    ::

        r = sigmoid(x W_r + h U_r + b_r)
        z = sigmoid(x W_z + h U_z + b_z)
        n = tanh(x W_n + (r * h) U_n + b_n)
        h' = (1 - z) * n + z * h

    Keras calls it ``GRU(reset_after=False)``. Haiku's ``GRU`` swaps z and 1 - z.
    Source: Cho et al. 2014, arXiv:1406.1078.
    """

    name = "reset_before_gru"
    family = "gru"
    paper = "Cho et al. 2014, arXiv:1406.1078"
    equation = (
        "r, z = sigmoid(x W + h U + b); n = tanh(x W + (r * h) U + b); "
        "h' = (1 - z) * n + z * h"
    )
    parameters = "3 * (D*H + H*H + H)"
    gates: ClassVar = {"r": 0, "z": +1, "n": 0}
    candidate = True

    def advance(
        self,
        state: HiddenState,
        p: Array,
        *,
        recur_state: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because of the product after r."""
        shown = state.h if recur_state is None else recur_state.h
        U = self.U[...]
        U_rz, U_n = U[:, : 2 * self.hidden_size], U[:, 2 * self.hidden_size :]
        p_r, p_z, p_n = self.split(p)
        q_r, q_z = jnp.split(self.dot(shown, U_rz), 2, axis=-1)
        r, z = gate("r", p_r + q_r), gate("z", p_z + q_z)
        n = jnp.tanh(p_n + self.dot(r * shown, U_n))
        return HiddenState((1 - z) * drop_candidate(n, keep) + z * state.h)

    def kernel(self) -> str:
        """Return ``"reset_before_gru"``."""
        return "reset_before_gru"
