"""The recurrent layers of a head."""

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
    """Build the layers of a head, whose dropout also acts outside of them.

    Args:
        cell: one of ``zoo.cells()``.
        input_size: D.
        hidden_size: H of every layer.
        num_layers: how many layers.
        dropout: rate of the head's dropout: between the layers, where there are some.
        rngs: keys of the initialisation.
        **options: as for `zoo.make`.
    """
    between = dropout if num_layers > 1 else 0.0
    return make(
        cell, input_size, hidden_size, num_layers, dropout=between, rngs=rngs, **options
    )
