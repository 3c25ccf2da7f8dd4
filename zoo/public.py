"""The public names of the library: those of `import zoo`."""

from zoo import (
    diagnostics,
    export_states,  # noqa: F401, registers the states with jax.export
    initializers,
    interop,
    models,
    regularizers,
    text,
)
from zoo.artifact import load, save
from zoo.cells import *  # noqa: F403
from zoo.cells import __all__ as _cell_names
from zoo.diagnostics import plots
from zoo.engine.masks import mask_from_lengths
from zoo.functional import functional
from zoo.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    BidirectionalState,
    CellStack,
    Explanation,
    Layer,
    LayerPlan,
    Recurrent,
    Residual,
    Stacked,
    explain,
)
from zoo.layers.deer import deer
from zoo.models import decoding
from zoo.modules import attention, crf, pooling
from zoo.modules.characters import CharCNN, CharLSTM
from zoo.modules.embedding import Embedding
from zoo.modules.pooling import Pooling
from zoo.registry import cells, make
from zoo.summary import summary
from zoo.types import Constant

__all__ = [
    "Bidirectional",
    "BidirectionalState",
    "CellStack",
    "CharCNN",
    "CharLSTM",
    "Constant",
    "Embedding",
    "Explanation",
    "GRU",
    "LSTM",
    "Layer",
    "LayerPlan",
    "Pooling",
    "RNN",
    "Recurrent",
    "Residual",
    "Stacked",
    "attention",
    "cells",
    "crf",
    "decoding",
    "deer",
    "diagnostics",
    "explain",
    "functional",
    "initializers",
    "interop",
    "load",
    "make",
    "mask_from_lengths",
    "models",
    "plots",
    "pooling",
    "regularizers",
    "save",
    "summary",
    "text",
    *_cell_names,
]
