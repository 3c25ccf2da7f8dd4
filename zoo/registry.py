"""The cells by name."""

from typing import Any

from flax import nnx

import zoo.cells as _package
from zoo import checks
from zoo.cells import Cell
from zoo.layers import CellStack

_CELLS: dict[str, type[Cell]] = {
    value.name: value
    for value in vars(_package).values()
    if isinstance(value, type)
    and issubclass(value, Cell)
    and "name" in vars(value)  # not a base class such as LinearCell
    and value.registered
}


def cells() -> dict[str, type[Cell]]:
    """Return all cells by name, family by family.

    Each class has the attributes ``family``, ``paper`` and ``equation``.
    """
    return dict(_CELLS)


def make(
    name: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    *,
    bidirectional: bool = False,
    rngs: nnx.Rngs,
    **options: Any,
) -> CellStack:
    """Build a stack of layers of a cell, by the cell's name.

    ::

        layer = zoo.make("gru", 50, 100, 2, rngs=nnx.Rngs(0))
        state, y = layer(x, mask)       # x [B, T, 50] -> y [B, T, 100]

    Args:
        name: one of ``zoo.cells()``.
        input_size: D.
        hidden_size: H of every layer.
        num_layers: number of layers.
        bidirectional: whether each layer runs in both directions.
        rngs: random keys for the initialisation.
        **options: as for `zoo.layers.CellStack`.

    Raises:
        ValueError: if no cell has that name (the message suggests the most similar
            one), or if an argument is out of its range.
    """
    cell = _CELLS[checks.one_of("the name of a cell", name, _CELLS)]
    return CellStack(
        cell,
        input_size,
        hidden_size,
        num_layers,
        bidirectional=bidirectional,
        rngs=rngs,
        **options,
    )
