"""A zoo of recurrent networks in JAX and Flax.

::

    from flax import nnx
    from zoo import LSTM

    layer = LSTM(50, 100, num_layers=2, bidirectional=True, rngs=nnx.Rngs(0))
    state, y = layer(x, mask)       # x [B, T, 50] -> y [B, T, 200]
"""

from zoo import initializers, regularizers
from zoo.functional import functional
from zoo.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    BidirectionalState,
    CellStack,
    Layer,
    Recurrent,
    Residual,
    Stacked,
)
from zoo.registry import cells, make
from zoo.scan import mask_from_lengths

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "BidirectionalState",
    "CellStack",
    "Layer",
    "Recurrent",
    "Residual",
    "Stacked",
    "cells",
    "functional",
    "initializers",
    "make",
    "mask_from_lengths",
    "regularizers",
]
