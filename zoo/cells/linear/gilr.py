"""The gated impulse linear recurrence."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import gate
from zoo.cells.linear.base import LinearCell
from zoo.types import Array

__all__ = ["GILRCell"]


class GILRCell(LinearCell):
    """The gated impulse linear recurrence: gate and candidate read only the input.

    ::

        g = sigmoid(x W_g + b_g)
        i = tanh(x W_i + b_i)
        h' = g * h + (1 - g) * i

    The nonlinearity of i is the one that the authors' LSTM gives to this layer; the
    layer alone has an ELU there by default. Source: Martin and Cundy 2017,
    arXiv:1709.04057; eamartin/parallelizing_linear_rnns, ``layers.py``.
    """

    name = "gilr"
    family = "linear"
    paper = "Martin and Cundy 2017, arXiv:1709.04057"
    equation = "g = sigmoid(x W + b); i = tanh(x W + b); h' = g * h + (1 - g) * i"
    parameters = "2 * (D*H + H)"
    gates: ClassVar = {"g": +1, "i": 0}

    def coefficients(self, p: Array) -> tuple[Array, Array]:
        """Return g and (1 - g) * i."""
        g, i = self.split(p)
        g = gate("g", g)
        return g, (1 - g) * jnp.tanh(i)
