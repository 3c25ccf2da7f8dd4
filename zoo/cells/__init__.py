"""One step of each recurrence; see `zoo.cells.base` for the contract."""

from zoo.cells.base import Cell, HiddenState
from zoo.cells.elman import ElmanCell
from zoo.cells.gru import GRUCell, ResetBeforeGRUCell
from zoo.cells.linear import GILRCell, LinearCell, MinGRUCell, MinLSTMCell
from zoo.cells.lru import ComplexState, LRUCell, RGLRUCell
from zoo.cells.lstm import (
    CoupledLSTMCell,
    LayerNormLSTMCell,
    LSTMCell,
    LSTMState,
    PeepholeLSTMCell,
    ProjectedLSTMCell,
)
from zoo.cells.mgu import MGUCell

__all__ = [
    "Cell",
    "ComplexState",
    "CoupledLSTMCell",
    "ElmanCell",
    "GILRCell",
    "GRUCell",
    "HiddenState",
    "LRUCell",
    "LSTMCell",
    "LSTMState",
    "LayerNormLSTMCell",
    "LinearCell",
    "MGUCell",
    "MinGRUCell",
    "MinLSTMCell",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "RGLRUCell",
    "ResetBeforeGRUCell",
]
