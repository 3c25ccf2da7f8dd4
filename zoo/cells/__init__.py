"""One step of each recurrence; see `zoo.cells.base` for the contract."""

from zoo.cells.base import Cell, HiddenState
from zoo.cells.delta import DeltaNetCell, GatedDeltaNetCell
from zoo.cells.elman import ElmanCell
from zoo.cells.gru import GRUCell, ResetBeforeGRUCell
from zoo.cells.hgrn import HGRNCell
from zoo.cells.linear import GILRCell, LinearCell, MinGRUCell, MinLSTMCell
from zoo.cells.linear_attention import (
    GLACell,
    LinearAttentionCell,
    LinearAttentionState,
    RetNetCell,
)
from zoo.cells.lru import ComplexState, LRUCell, RGLRUCell
from zoo.cells.lstm import (
    CoupledLSTMCell,
    LayerNormLSTMCell,
    LSTMCell,
    LSTMState,
    PeepholeLSTMCell,
    ProjectedLSTMCell,
)
from zoo.cells.matrix import MatrixCell, MatrixState
from zoo.cells.mgu import MGUCell
from zoo.cells.mlstm import MatrixLSTMCell, MatrixLSTMState
from zoo.cells.s5 import S5Cell
from zoo.cells.s6 import ChannelState, S6Cell

__all__ = [
    "Cell",
    "ChannelState",
    "ComplexState",
    "CoupledLSTMCell",
    "DeltaNetCell",
    "ElmanCell",
    "GILRCell",
    "GLACell",
    "GRUCell",
    "GatedDeltaNetCell",
    "HGRNCell",
    "HiddenState",
    "LRUCell",
    "LSTMCell",
    "LSTMState",
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
    "ProjectedLSTMCell",
    "RGLRUCell",
    "ResetBeforeGRUCell",
    "RetNetCell",
    "S5Cell",
    "S6Cell",
]
