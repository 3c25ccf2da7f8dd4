"""The strongly typed RNN."""

from typing import ClassVar

import jax

from zoo.cells.base import gate
from zoo.cells.linear.base import LinearCell
from zoo.types import Array

__all__ = ["TRNNCell"]


class TRNNCell(LinearCell):
    """The strongly typed RNN: a running mean of ``xW`` with a gate that reads only x.

    ::

        f = sigmoid(x W_f + b_f)
        h' = f * h + (1 - f) * (x W_z + b_z)

    `MinGRUCell` computes the same function, with z = 1 - f. Source: Balduzzi and
    Ghifary 2016, arXiv:1602.02218.
    """

    name = "trnn"
    family = "linear"
    paper = "Balduzzi and Ghifary 2016, arXiv:1602.02218"
    equation = "f = sigmoid(x W + b); h' = f * h + (1 - f) * (x W + b)"
    parameters = "2 * (D*H + H)"
    gates: ClassVar = {"z": 0, "f": +1}

    def coefficients(self, p: Array) -> tuple[Array, Array]:
        """Return f and (1 - f) * z."""
        z, f = self.split(p)
        return gate("f", f), jax.nn.sigmoid(-f) * z
