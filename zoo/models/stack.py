"""The recurrent layers of a model."""

from collections.abc import Sequence
from typing import Any

from flax import nnx

from zoo.cells import Cell
from zoo.layers import CellStack
from zoo.layers.options import argument_names, check_options
from zoo.registry import cell_class, make


def stack(
    model: nnx.Module,
    cell: str | type[Cell],
    input_size: int,
    hidden_size: int | Sequence[int],
    num_layers: int,
    *,
    dropout: float,
    rngs: nnx.Rngs,
    **options: Any,
) -> CellStack:
    """Build the recurrent layers of a model, with dropout between them.

    Args:
        model: the model, for messages.
        cell: one of ``zoo.cells()``, or the class of a cell.
        input_size: D.
        hidden_size: H of every layer, or a list with the H of each.
        num_layers: number of layers.
        dropout: the model's dropout rate; a single layer has none between layers.
        rngs: random keys for the initialisation; a stream named ``dropout`` also
            turns on training mode, see `zoo.stochastic.Stochastic`.
        **options: as for `zoo.make`.

    Raises:
        TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
    """
    kind = cell_class(cell)
    check_options(type(model), kind, options, more=argument_names(CellStack))
    between = dropout if num_layers > 1 else 0.0
    return make(
        kind, input_size, hidden_size, num_layers, dropout=between, rngs=rngs, **options
    )
