"""A wrapper that makes the recurrent matrix of a cell depend on the input."""

from typing import Any, ClassVar

from flax import nnx

from zoo import checks
from zoo.cells.base import Cell
from zoo.cells.composite.base import CompositeCell, state_shapes
from zoo.initializers import Initializer
from zoo.types import Array, State

__all__ = ["MultiplicativeCell"]


class MultiplicativeCell(CompositeCell):
    """A cell whose recurrent products read ``(x W_m) * (h U_m)`` instead of h.

    ::

        m = (x W_m) * (h U_m)
        state' = cell(x, state), with m instead of h in its recurrent products

    The effective recurrent matrix depends on the input. With an `LSTMCell` this is the
    multiplicative LSTM. ``W_m[D, H]``, ``U_m[H, H]``. Source: Sutskever et al. 2011,
    "Generating text with recurrent neural networks"; Krause et al. 2016,
    arXiv:1609.07959.
    """

    name: ClassVar[str] = "multiplicative"
    family = "wrapper"
    paper = "Sutskever et al. 2011; Krause et al. 2016, arXiv:1609.07959"
    equation = "m = (x W_m) * (h U_m); state' = cell(x, state, its products of m)"
    recurrent = ("U_m",)

    def __init__(
        self,
        cell: Cell,
        *,
        W_init: Initializer | None = None,
        U_init: Initializer | None = None,
        rngs: nnx.Rngs,
    ):
        """Wrap a cell.

        Args:
            cell: a cell whose recurrent products read a state h.
            W_init: initialiser of ``W_m``, by default ``zoo.initializers.glorot``.
            U_init: initialiser of ``U_m``, by default ``zoo.initializers.orthogonal``.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if the cell has no recurrent products with h.
        """
        if not ("h" in state_shapes(cell) and cell.recurrent):
            raise ValueError(
                "cell must have recurrent products with a state h, got "
                f"{type(cell).__name__}"
            )
        self._copy_sizes(cell)
        self.cell = cell
        size = checks.positive("output_size", cell.output_size)
        self.W_m = self._param(W_init or self.inits["W"], rngs, (cell.input_size, size))
        self.U_m = self._param(U_init or self.inits["U"], rngs, (size, size))

    @property
    def output_size(self) -> int:
        """The size of one step's output: that of the wrapped cell."""
        return self.cell.output_size

    def init_state(self, batch_size: int) -> State:
        """Return the initial state of the wrapped cell.

        Args:
            batch_size: B.
        """
        return self.cell.init_state(batch_size)

    def project(self, x: Array) -> tuple[Any, Array]:
        """Return the projection of the wrapped cell, and ``xW_m``."""
        return self.cell.project(x), self.dot(x, self.W_m[...])

    def advance(
        self,
        state: State,
        p: Any,
        *,
        recur_state: State = None,
        keep: Array | None = None,
    ) -> State:
        """Return the new state; overridden because two products follow each other."""
        a, m = p
        h = state.h if recur_state is None else recur_state.h
        m = m * self.dot(h, self.U_m[...])
        return self.cell.advance(state, a, recur_state=state._replace(h=m))

    def output(self, state: State, p: Any) -> Array:
        """Return the output of the wrapped cell."""
        return self.cell.output(state, p[0])
