"""The recurrent layers of a model."""

from typing import Any

from flax import nnx

from zoo.layers import CellStack
from zoo.registry import make


def stack(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int,
    *,
    dropout: float,
    rngs: nnx.Rngs,
    **options: Any,
) -> CellStack:
    """Build the recurrent layers of a model, with dropout between them.

    Args:
        cell: one of ``zoo.cells()``.
        input_size: D.
        hidden_size: H of every layer.
        num_layers: number of layers.
        dropout: the model's dropout rate; a single layer has none between layers.
        rngs: keys of the initialisation.
        **options: as for `zoo.make`.
    """
    between = dropout if num_layers > 1 else 0.0
    return make(
        cell, input_size, hidden_size, num_layers, dropout=between, rngs=rngs, **options
    )
