"""The minimal RNN."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState, gate
from zoo.types import Array

__all__ = ["MinimalRNNCell"]


class MinimalRNNCell(Cell):
    """The minimal RNN: a gated mean of the state and the encoded input.

    ::

        z = tanh(x W + b_z)
        u = sigmoid(h U + z V + b_u)
        h' = u * h + (1 - u) * z

    ``V[H, H]``. Source: Chen 2017, arXiv:1711.06788.
    """

    name = "minimal_rnn"
    family = "additive"
    paper = "Chen 2017, arXiv:1711.06788"
    equation = "z = tanh(x W + b); u = sigmoid(h U + z V + b); h' = u * h + (1 - u) * z"
    parameters = "D*H + 2*H*H + 2*H"
    gates: ClassVar = {"z": 0, "u": +1}
    input_gates = ("z",)
    recurrent_gates = ("u",)

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `U_init` also initialises ``V``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("U_init") or self.inits["U"]
        self.V = self._param(init, rngs, (hidden_size, hidden_size))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return z and ``zV + b_u``.

        Args:
            x: inputs ``[..., D]``, of one step or of a sequence.
        """
        b_z, b_u = (
            (0.0, 0.0) if self.b is None else self.split(self.in_state_dtype(self.b, x))
        )
        z = jnp.tanh(self.dot(x, self.W[...]) + b_z)
        return z, self.dot(z, self.V[...]) + b_u

    def update(
        self, state: HiddenState, p: tuple[Array, Array], q: Array
    ) -> HiddenState:
        """Return the new state."""
        z, gate_input = p
        u = gate("u", gate_input + q)
        return HiddenState(u * state.h + (1 - u) * z)
