"""What cells made of other cells share."""

from typing import Any, ClassVar

import jax

from zoo.cells.base import Cell


class CompositeCell(Cell):
    """A cell with the sizes and dtypes of another."""

    gates: ClassVar = {}
    registered = False

    def _like(self, cell: Cell) -> None:
        """Take over the sizes and dtypes of a cell."""
        self.input_size, self.hidden_size = cell.input_size, cell.hidden_size
        self.param_dtype, self.dtype = cell.param_dtype, cell.dtype
        self.state_dtype = cell.state_dtype


def state_shapes(cell: Cell) -> dict[str, Any]:
    """Return the shapes of a cell's state for one row, by the names of its parts."""
    state = jax.eval_shape(lambda: cell.init_state(1))
    return {
        name: getattr(part, "shape", part) for name, part in state._asdict().items()
    }
