"""One step of each recurrence; see `zoo.cells.base` for the contract."""

from zoo.cells.base import Cell, HiddenState
from zoo.cells.elman import ElmanCell
from zoo.cells.gru import GRUCell, ResetBeforeGRUCell
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
    "CoupledLSTMCell",
    "ElmanCell",
    "GRUCell",
    "HiddenState",
    "LSTMCell",
    "LSTMState",
    "LayerNormLSTMCell",
    "MGUCell",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "ResetBeforeGRUCell",
]
