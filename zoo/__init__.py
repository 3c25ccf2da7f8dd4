"""A zoo of recurrent networks in JAX and Flax.

::

    from flax import nnx
    from zoo import LSTM

    layer = LSTM(50, 100, num_layers=2, bidirectional=True, rngs=nnx.Rngs(0))
    state, y = layer(x, mask)       # x [B, T, 50] -> y [B, T, 200]
"""

from zoo import (
    attention,
    crf,
    decoding,
    diagnostics,
    initializers,
    interop,
    models,
    pooling,
    regularizers,
    text,
)
from zoo.artifact import load, save
from zoo.cells import (
    Cell,
    ChannelState,
    ComplexState,
    CoupledLSTMCell,
    DeltaNetCell,
    ElmanCell,
    GatedDeltaNetCell,
    GILRCell,
    GLACell,
    GRUCell,
    HGRNCell,
    HiddenState,
    LayerNormLSTMCell,
    LinearAttentionCell,
    LinearAttentionState,
    LinearCell,
    LRUCell,
    LSTMCell,
    LSTMState,
    MatrixCell,
    MatrixLSTMCell,
    MatrixLSTMState,
    MatrixState,
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
from zoo.characters import CharCNN, CharLSTM
from zoo.embedding import Embedding
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
from zoo.pooling import Pooling
from zoo.registry import cells, make
from zoo.scan import mask_from_lengths
from zoo.summary import summary
from zoo.types import Constant

__all__ = [
    "Bidirectional",
    "BidirectionalState",
    "Cell",
    "CellStack",
    "ChannelState",
    "CharCNN",
    "CharLSTM",
    "ComplexState",
    "Constant",
    "CoupledLSTMCell",
    "DeltaNetCell",
    "ElmanCell",
    "Embedding",
    "GILRCell",
    "GLACell",
    "GRU",
    "GRUCell",
    "GatedDeltaNetCell",
    "HGRNCell",
    "HiddenState",
    "LRUCell",
    "LSTM",
    "LSTMCell",
    "LSTMState",
    "Layer",
    "LayerNormLSTMCell",
    "LinearAttentionCell",
    "LinearAttentionState",
    "LinearCell",
    "MGUCell",
    "MatrixCell",
    "MatrixLSTMCell",
    "MatrixLSTMState",
    "MatrixState",
    "MinGRUCell",
    "MinLSTMCell",
    "PeepholeLSTMCell",
    "Pooling",
    "ProjectedLSTMCell",
    "RGLRUCell",
    "RNN",
    "Recurrent",
    "ResetBeforeGRUCell",
    "Residual",
    "RetNetCell",
    "S5Cell",
    "S6Cell",
    "Stacked",
    "attention",
    "cells",
    "crf",
    "decoding",
    "diagnostics",
    "functional",
    "initializers",
    "interop",
    "load",
    "make",
    "mask_from_lengths",
    "models",
    "pooling",
    "regularizers",
    "save",
    "summary",
    "text",
]
