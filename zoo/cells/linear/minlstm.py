"""The minimal LSTM."""

from typing import ClassVar

import jax

from zoo.cells.base import gate
from zoo.cells.linear.base import LinearCell
from zoo.types import Array

__all__ = ["MinLSTMCell"]


class MinLSTMCell(LinearCell):
    """The minimal LSTM: gates that read only the input and sum to one.

    ::

        f, i = sigmoid(x W + b), each divided by their sum
        h' = f * h + i * (x W_n + b_n)

    As in the main text of the paper, with normalised gates; see `MinGRUCell` about the
    form in logarithms. Source: Feng et al. 2024, arXiv:2410.01201.
    """

    name = "minlstm"
    family = "linear"
    paper = "Feng et al. 2024, arXiv:2410.01201"
    equation = "f, i = sigmoid(x W + b); h' = f / (f + i) * h + i / (f + i) * (x W + b)"
    parameters = "3 * (D*H + H)"
    gates: ClassVar = {"f": +1, "i": -1, "n": 0}

    def coefficients(self, p: Array) -> tuple[Array, Array]:
        """Return f and i * n."""
        f, i, n = self.split(p)
        # f / (f + i) = sigmoid(log f - log i) avoids a quotient of two small numbers.
        balance = jax.nn.log_sigmoid(f) - jax.nn.log_sigmoid(i)
        return gate("f", balance), gate("i", -balance) * n
