"""Gated units with less in them: LiGRU, STAR and SGRN."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState, thin
from zoo.initializers import BiasInitializer
from zoo.types import Array


class LiGRUCell(Cell):
    """The light GRU: no reset gate, and a ReLU.

    ::

        z = sigmoid(x W_z + h U_z + b_z)
        n = relu(x W_n + h U_n + b_n)
        h' = z * h + (1 - z) * n

    The paper normalises ``xW`` over the batch, which would let rows of a batch see each
    other; here there is a bias in its place. Source: Ravanelli et al. 2018,
    arXiv:1803.10225.
    """

    name = "ligru"
    family = "gru"
    paper = "Ravanelli et al. 2018, arXiv:1803.10225"
    equation = (
        "z = sigmoid(x W + h U + b); n = relu(x W + h U + b); h' = z * h + (1 - z) * n"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"z": +1, "n": 0}
    candidate = True
    additive = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        z, n = self.split(p + q)
        z = jax.nn.sigmoid(z)
        return HiddenState(z * state.h + (1 - z) * thin(jax.nn.relu(n), keep))


class STARCell(Cell):
    """The stackable recurrent cell: one gate, and a tanh over the new state.

    ::

        z = tanh(x W_z + b_z)
        k = sigmoid(x W_k + h U_k + b_k)
        h' = tanh((1 - k) * h + k * z)

    Source: Turkoglu et al. 2019, arXiv:1911.11033.
    """

    name = "star"
    family = "gru"
    paper = "Turkoglu et al. 2019, arXiv:1911.11033"
    equation = (
        "z = tanh(x W + b); k = sigmoid(x W + h U + b); h' = tanh((1 - k) * h + k * z)"
    )
    parameters = "2 * (D*H + H) + H*H"
    gates: ClassVar = {"k": -1, "z": 0}
    recurrent_gates = ("k",)
    candidate = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        k, z = self.split(p)
        k = jax.nn.sigmoid(k + q)
        return HiddenState(jnp.tanh((1 - k) * state.h + k * thin(jnp.tanh(z), keep)))


class SGRNCell(Cell):
    """The simple gated recurrent network: gate and candidate share one product.

    ::

        a = x W + b
        f = sigmoid(a + h U + b_h)
        h' = tanh(f * h + (1 - f) * a)

    Source: Zhao et al. 2020, doi:10.1049/gtd2.12056, as told by its implementations.
    """

    name = "sgrn"
    family = "gru"
    paper = "doi:10.1049/gtd2.12056"
    equation = "a = x W + b; f = sigmoid(a + h U + b_h); h' = tanh(f * h + (1 - f) * a)"
    parameters = "D*H + H*H + 2*H"
    gates: ClassVar = {"f": +1}

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b``, which the candidate sees too, and ``b_h`` of the gate alone."""
        super()._set_biases(b_init, rngs)
        if b_init is None:
            self.b_h = None
        else:
            self.b_h = nnx.Param(jnp.zeros(self.hidden_size, self.param_dtype))

    def update(self, state: HiddenState, p: Array, q: Any) -> HiddenState:
        """Return the new state."""
        f = jax.nn.sigmoid(p + self.add_bias(q, self.b_h))
        return HiddenState(jnp.tanh(f * state.h + (1 - f) * p))
