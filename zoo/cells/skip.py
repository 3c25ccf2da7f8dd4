"""Cells whose input also goes around the gates."""

from typing import Any

from flax import nnx

from zoo import initializers
from zoo.cells.base import Cell
from zoo.types import Array


class SkipCell(Cell):
    """A cell that uses its input as it is, beside ``xW``.

    ::

        skip(x) = x        if D = H
        skip(x) = x S      otherwise

    The papers ask for D = H; with ``S[D, H]`` such a cell can also be the first layer.
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `W_init` also draws ``S``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        if input_size == hidden_size:
            self.S = None
        else:
            init = options.get("W_init", initializers.glorot)
            self.S = self._param(init, rngs, (input_size, hidden_size))

    def skip(self, x: Array) -> Array:
        """Return x, with H entries.

        Args:
            x: inputs ``[..., D]``.
        """
        if self.S is None:
            return x.astype(self.state_dtype)
        return self.dot(x, self.S[...])
