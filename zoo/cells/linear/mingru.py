"""The minimal GRU."""

from typing import ClassVar

import jax

from zoo.cells.base import gate
from zoo.cells.linear.base import LinearCell
from zoo.types import Array

__all__ = ["MinGRUCell"]


class MinGRUCell(LinearCell):
    """The minimal GRU: the update gate and the candidate read only the input.

    ::

        z = sigmoid(x W_z + b_z)
        h' = (1 - z) * h + z * (x W_n + b_n)

    As in the main text of the paper. Its appendix computes in logarithms with a
    positive candidate, which is a different function, as in lucidrains/minGRU-pytorch.
    Source: Feng et al. 2024, arXiv:2410.01201.
    """

    name = "mingru"
    family = "linear"
    paper = "Feng et al. 2024, arXiv:2410.01201"
    equation = "z = sigmoid(x W + b); h' = (1 - z) * h + z * (x W + b)"
    parameters = "2 * (D*H + H)"
    gates: ClassVar = {"z": -1, "n": 0}

    def coefficients(self, p: Array) -> tuple[Array, Array]:
        """Return 1 - z and z * n."""
        z, n = self.split(p)
        return jax.nn.sigmoid(-z), gate("z", z) * n
