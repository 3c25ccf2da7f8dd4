"""Layers over time."""

from zoo.layers.base import Layer
from zoo.layers.bidirectional import Bidirectional, BidirectionalState
from zoo.layers.constructors import GRU, LSTM, RNN, CellStack
from zoo.layers.explain import Explanation, LayerPlan, explain
from zoo.layers.recurrent import Recurrent, set_backend
from zoo.layers.residual import Residual
from zoo.layers.stacked import Stacked

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "BidirectionalState",
    "CellStack",
    "Explanation",
    "Layer",
    "LayerPlan",
    "Recurrent",
    "Residual",
    "Stacked",
    "explain",
    "set_backend",
]
