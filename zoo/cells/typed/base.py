"""The base class of the strongly typed cells."""

from typing import Any, ClassVar

from flax import nnx

from zoo.cells.base import Cell
from zoo.types import Array, State


class StronglyTypedCell(Cell):
    """A cell whose gates depend on the current and the previous input, not on h.

    ::

        z, f, o = x W + x_before V + b        before the activations

    The state contains the previous input, ``state.x[B, D]``.
    """

    family = "typed"
    paper = "Balduzzi and Ghifary 2016, arXiv:1602.02218"
    parameters = "6*D*H + 3*H"
    gates: ClassVar = {"z": 0, "f": +1, "o": 0}
    recurrent = ()

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `W_init` also initialises ``V``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("W_init") or self.inits["W"]
        self.V = self._matrix(init, rngs, (input_size, hidden_size), None)

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b``, and x itself.

        Args:
            x: inputs ``[..., D]``, of one step or of a sequence.
        """
        return super().project(x), x.astype(self.state_dtype)

    def recur(self, state: State) -> Array:
        """Return ``x_before V``."""
        return self.dot(state.x, self.V[...])
