"""The addition-subtraction twin-gated recurrent network."""

from typing import Any, ClassVar

from flax import nnx

from zoo.cells.base import Cell, HiddenState, gate
from zoo.types import Array

__all__ = ["ATRCell"]


class ATRCell(Cell):
    """The addition-subtraction twin-gated network: two products give both gates.

    ::

        p = x W,  q = h U
        h' = sigmoid(p + q) * p + sigmoid(p - q) * h

    Source: Zhang et al. 2018, arXiv:1810.12546.
    """

    name = "atr"
    family = "additive"
    paper = "Zhang et al. 2018, arXiv:1810.12546"
    equation = "p = x W; q = h U; h' = sigmoid(p + q) * p + sigmoid(p - q) * h"
    parameters = "D*H + H*H"
    gates: ClassVar = {"p": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            bias: whether p has a bias; the paper has none.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.
        """
        super().__init__(input_size, hidden_size, bias=bias, rngs=rngs, **options)

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        i, f = gate("i", p + q), gate("f", p - q)
        return HiddenState(i * p + f * state.h)
