"""The base class of cells made of other cells."""

from typing import Any, ClassVar

import jax

from zoo.cells.base import Cell


class CompositeCell(Cell):
    """A cell with the sizes and dtypes of one of its parts."""

    gates: ClassVar = {}
    registered = False

    def _copy_sizes(self, cell: Cell) -> None:
        """Copy the sizes and dtypes of a cell."""
        self.input_size, self.hidden_size = cell.input_size, cell.hidden_size
        self.param_dtype, self.dtype = cell.param_dtype, cell.dtype
        self.draw_dtype, self.state_dtype = cell.draw_dtype, cell.state_dtype


def state_shapes(cell: Cell) -> dict[str, Any]:
    """Return the shapes of the parts of a cell's state, by name, for one row.

    Args:
        cell: any cell.
    """
    state = jax.eval_shape(lambda: cell.init_state(1))
    return {
        name: getattr(part, "shape", part) for name, part in state._asdict().items()
    }
