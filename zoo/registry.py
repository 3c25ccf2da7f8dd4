"""The cells by name."""

from typing import Any

from flax import nnx

from zoo import checks
from zoo.cells import (
    Cell,
    CoupledLSTMCell,
    DeltaNetCell,
    ElmanCell,
    GatedDeltaNetCell,
    GILRCell,
    GLACell,
    GRUCell,
    HGRNCell,
    LayerNormLSTMCell,
    LinearAttentionCell,
    LRUCell,
    LSTMCell,
    MatrixLSTMCell,
    MGUCell,
    MinGRUCell,
    MinLSTMCell,
    PeepholeLSTMCell,
    ProjectedLSTMCell,
    ResetBeforeGRUCell,
    RetNetCell,
    RGLRUCell,
    S5Cell,
    S6Cell,
)
from zoo.layers import CellStack

_CELLS: tuple[type[Cell], ...] = (
    ElmanCell,
    LSTMCell,
    ProjectedLSTMCell,
    PeepholeLSTMCell,
    CoupledLSTMCell,
    LayerNormLSTMCell,
    GRUCell,
    ResetBeforeGRUCell,
    MGUCell,
    GILRCell,
    MinGRUCell,
    MinLSTMCell,
    LRUCell,
    RGLRUCell,
    HGRNCell,
    S5Cell,
    S6Cell,
    LinearAttentionCell,
    RetNetCell,
    GLACell,
    MatrixLSTMCell,
    DeltaNetCell,
    GatedDeltaNetCell,
)


def cells() -> dict[str, type[Cell]]:
    """Return all cells by name.

    Each class tells its ``family``, its ``paper`` and its ``equation``.
    """
    return {cell.name: cell for cell in _CELLS}


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
    """Build the layers of a cell by its name.

    Args:
        name: one of ``zoo.cells()``.
        input_size: D.
        hidden_size: H of every layer.
        num_layers: how many layers.
        bidirectional: read in both directions.
        rngs: keys of the initialisation.
        **options: as for `zoo.layers.CellStack`.

    Raises:
        ValueError: if there is no such cell (the nearest name is suggested), or an
            argument is out of its range.
    """
    known = cells()
    cell = known[checks.one_of("the name of a cell", name, known)]
    return CellStack(
        cell,
        input_size,
        hidden_size,
        num_layers,
        bidirectional=bidirectional,
        rngs=rngs,
        **options,
    )
