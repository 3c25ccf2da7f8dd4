"""The strongly typed GRU."""

from typing import NamedTuple

import jax.numpy as jnp

from zoo.cells.base import gate
from zoo.cells.typed.base import StronglyTypedCell
from zoo.types import Array

__all__ = ["TGRUCell", "TGRUState"]


class TGRUState(NamedTuple):
    """The state of a T-GRU.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        x: the previous input ``[B, D]``.
    """

    h: Array
    x: Array


class TGRUCell(StronglyTypedCell):
    """The strongly typed GRU: gates of the current and the previous input.

    ::

        z = x W_z + x_before V_z + b_z
        f = sigmoid(x W_f + x_before V_f + b_f)
        o = tanh(x W_o + x_before V_o + b_o)
        h' = f * h + z * o

    ``V[D, 3H]``. Source: Balduzzi and Ghifary 2016, arXiv:1602.02218.
    """

    name = "tgru"
    equation = (
        "z = x W + x_before V + b; f = sigmoid(x W + x_before V + b); "
        "o = tanh(x W + x_before V + b); h' = f * h + z * o"
    )

    def init_state(self, batch_size: int) -> TGRUState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        h = self.zeros(batch_size, self.hidden_size)
        return TGRUState(h, self.zeros(batch_size, self.input_size))

    def update(self, state: TGRUState, p: tuple[Array, Array], q: Array) -> TGRUState:
        """Return the new state."""
        input_part, x = p
        z, f, o = self.split(input_part + q)
        return TGRUState(gate("f", f) * state.h + z * jnp.tanh(o), x)
