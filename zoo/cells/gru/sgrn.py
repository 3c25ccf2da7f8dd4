"""The simple gated recurrent network."""

from typing import ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState, gate
from zoo.initializers import BiasInitializer
from zoo.types import Array

__all__ = ["SGRNCell"]


class SGRNCell(Cell):
    """The simple gated recurrent network: gate and candidate share ``xW + b``.

    ::

        a = x W + b
        f = sigmoid(a + h U + b_h)
        h' = tanh(f * h + (1 - f) * a)

    Source: Zhao et al. 2020, doi:10.1049/gtd2.12056. The equations are those of other
    implementations of it.
    """

    name = "sgrn"
    family = "gru"
    paper = "doi:10.1049/gtd2.12056"
    equation = "a = x W + b; f = sigmoid(a + h U + b_h); h' = tanh(f * h + (1 - f) * a)"
    parameters = "D*H + H*H + 2*H"
    gates: ClassVar = {"f": +1}

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b`` of gate and candidate, and ``b_h`` of the gate alone to zeros."""
        super()._set_biases(b_init, rngs)
        if b_init is None:
            self.b_h = None
        else:
            self.b_h = self._store(jnp.zeros(self.hidden_size, self.draw_dtype))

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        f = gate("f", p + self.add_bias(q, self.b_h))
        return HiddenState(jnp.tanh(f * state.h + (1 - f) * p))
