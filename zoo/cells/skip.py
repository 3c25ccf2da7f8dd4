"""Cells with a skip connection from their input."""

from typing import Any

from flax import nnx

from zoo.cells.base import Cell
from zoo.types import Array

__all__ = ["SkipCell"]


class SkipCell(Cell):
    """A cell with a skip connection from its input, in addition to ``xW``.

    ::

        skip(x) = x        if D = H
        skip(x) = x S      otherwise

    The papers require D = H. With ``S[D, H]`` such a cell can also be the first layer.
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `W_init` also initialises ``S``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        if input_size == hidden_size:
            self.S = None
        else:
            init = options.get("W_init") or self.inits["W"]
            self.S = self._param(init, rngs, (input_size, hidden_size))

    def skip(self, x: Array) -> Array:
        """Return the skip connection ``[..., H]``.

        Args:
            x: inputs ``[..., D]``.
        """
        if self.S is None:
            return x.astype(self.state_dtype)
        return self.dot(x, self.S[...])
