"""The chaos-free network."""

from typing import ClassVar

import jax.numpy as jnp

from zoo import initializers
from zoo.cells.base import Cell, HiddenState, gate
from zoo.types import Array

__all__ = ["CFNCell"]


class CFNCell(Cell):
    """The chaos-free network: without input, the state decays to zero.

    ::

        f, i = sigmoid(x W + h U + b)
        h' = f * tanh(h) + i * tanh(x W_n)

    Source: Laurent and von Brecht 2016, arXiv:1612.06212. As there, ``b_f`` is
    initialised to 1 and ``b_i`` to -1.
    """

    name = "cfn"
    family = "additive"
    paper = "Laurent and von Brecht 2016, arXiv:1612.06212"
    equation = "f, i = sigmoid(x W + h U + b); h' = f * tanh(h) + i * tanh(x W)"
    parameters = "3*D*H + 2*H*H + 2*H"
    gates: ClassVar = {"f": +1, "i": -1, "n": 0}
    recurrent_gates = bias_gates = ("f", "i")
    inits: ClassVar = {**Cell.inits, "b": initializers.retain(1.0, overwrite=-1.0)}

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return the input part of the gates' pre-activations, and ``tanh(x W_n)``.

        Args:
            x: inputs ``[..., D]``, of one step or of a sequence.
        """
        f, i, n = self.split(self.dot(x, self.W[...]))
        gate_input = self.add_bias(jnp.concatenate([f, i], axis=-1), self.b)
        return gate_input, jnp.tanh(n)

    def update(
        self, state: HiddenState, p: tuple[Array, Array], q: Array
    ) -> HiddenState:
        """Return the new state."""
        gate_input, n = p
        f, i = map(gate, "fi", self.split(gate_input + q))
        return HiddenState(f * jnp.tanh(state.h) + i * n)
