"""One step of each recurrence; see `zoo.cells.base` for the contract."""

from zoo.cells.additive import ATRCell, CFNCell, MinimalRNNCell, RANCell
from zoo.cells.base import Cell, HiddenState
from zoo.cells.bistable import BRCCell, NBRCCell
from zoo.cells.clocks import (
    ClockworkRNNCell,
    ClockworkState,
    PhasedLSTMCell,
    PhasedLSTMState,
)
from zoo.cells.context import SCRNCell, SCRNState
from zoo.cells.controller import MCLSTMCell, MCLSTMState
from zoo.cells.conv import ConvLSTMCell
from zoo.cells.deep_lstm import (
    AugmentedLSTMCell,
    HighwayLSTMCell,
    HighwayLSTMState,
    ResidualLSTMCell,
)
from zoo.cells.delta import DeltaNetCell, GatedDeltaNetCell
from zoo.cells.elman import ElmanCell
from zoo.cells.fast import FastGRNNCell, FastRNNCell
from zoo.cells.gru import GRUCell, ResetBeforeGRUCell
from zoo.cells.hgrn import HGRNCell
from zoo.cells.highway import RHNCell
from zoo.cells.indrnn import IndRNNCell
from zoo.cells.janet import JANETCell
from zoo.cells.layernorm import LayerNormGRUCell, LayerNormLSTMCell
from zoo.cells.light import (
    LightRUCell,
    LiGRUCell,
    MiRUCell,
    SGRNCell,
    STARCell,
)
from zoo.cells.linear import GILRCell, LinearCell, MinGRUCell, MinLSTMCell
from zoo.cells.linear_attention import (
    GLACell,
    LinearAttentionCell,
    LinearAttentionState,
    RetNetCell,
)
from zoo.cells.lmu import LMUCell, LMUState
from zoo.cells.lru import ComplexState, LRUCell, RGLRUCell
from zoo.cells.lstm import (
    CoupledLSTMCell,
    LSTMCell,
    LSTMState,
    PeepholeLSTMCell,
    ProjectedLSTMCell,
)
from zoo.cells.matrix import MatrixCell, MatrixState
from zoo.cells.mgu import MGUCell, ResetAfterMGUCell
from zoo.cells.mlstm import MatrixLSTMCell, MatrixLSTMState
from zoo.cells.multiplicative import MogrifierLSTMCell, MultiplicativeLSTMCell
from zoo.cells.mut import MUT1Cell, MUT2Cell, MUT3Cell
from zoo.cells.nas import NASCell
from zoo.cells.ordered import ONLSTMCell
from zoo.cells.oscillators import CoRNNCell, LEMCell, OscillatorState, UnICORNNCell
from zoo.cells.quasi import QRNNCell, QRNNState, SRUCell, SRUState
from zoo.cells.reservoir import ESNCell
from zoo.cells.s5 import S5Cell
from zoo.cells.s6 import ChannelState, S6Cell
from zoo.cells.simple import DSGUCell, SGUCell
from zoo.cells.skip import SkipCell
from zoo.cells.slstm import SLSTMCell, SLSTMState
from zoo.cells.stable import (
    AntisymmetricRNNCell,
    GatedAntisymmetricRNNCell,
    LipschitzRNNCell,
)
from zoo.cells.typed import TGRUCell, TGRUState, TLSTMCell, TLSTMState, TRNNCell
from zoo.cells.ugrnn import IntersectionRNNCell, IntersectionState, UGRNNCell
from zoo.cells.unitary import ExpRNNCell, URNNCell
from zoo.cells.working_memory import WMCLSTMCell
from zoo.cells.wrappers import FastSlowCell, FastSlowState, MultiplicativeCell

__all__ = [
    "ATRCell",
    "AntisymmetricRNNCell",
    "AugmentedLSTMCell",
    "BRCCell",
    "CFNCell",
    "Cell",
    "ChannelState",
    "ClockworkRNNCell",
    "ClockworkState",
    "CoRNNCell",
    "ComplexState",
    "ConvLSTMCell",
    "CoupledLSTMCell",
    "DSGUCell",
    "DeltaNetCell",
    "ESNCell",
    "ElmanCell",
    "ExpRNNCell",
    "FastGRNNCell",
    "FastRNNCell",
    "FastSlowCell",
    "FastSlowState",
    "GILRCell",
    "GLACell",
    "GRUCell",
    "GatedAntisymmetricRNNCell",
    "GatedDeltaNetCell",
    "HGRNCell",
    "HiddenState",
    "HighwayLSTMCell",
    "HighwayLSTMState",
    "IndRNNCell",
    "IntersectionRNNCell",
    "IntersectionState",
    "JANETCell",
    "LEMCell",
    "LMUCell",
    "LMUState",
    "LRUCell",
    "LSTMCell",
    "LSTMState",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LiGRUCell",
    "LightRUCell",
    "LinearAttentionCell",
    "LinearAttentionState",
    "LinearCell",
    "LipschitzRNNCell",
    "MCLSTMCell",
    "MCLSTMState",
    "MGUCell",
    "MUT1Cell",
    "MUT2Cell",
    "MUT3Cell",
    "MatrixCell",
    "MatrixLSTMCell",
    "MatrixLSTMState",
    "MatrixState",
    "MiRUCell",
    "MinGRUCell",
    "MinLSTMCell",
    "MinimalRNNCell",
    "MogrifierLSTMCell",
    "MultiplicativeCell",
    "MultiplicativeLSTMCell",
    "NASCell",
    "NBRCCell",
    "ONLSTMCell",
    "OscillatorState",
    "PeepholeLSTMCell",
    "PhasedLSTMCell",
    "PhasedLSTMState",
    "ProjectedLSTMCell",
    "QRNNCell",
    "QRNNState",
    "RANCell",
    "RGLRUCell",
    "RHNCell",
    "ResetAfterMGUCell",
    "ResetBeforeGRUCell",
    "ResidualLSTMCell",
    "RetNetCell",
    "S5Cell",
    "S6Cell",
    "SCRNCell",
    "SCRNState",
    "SGRNCell",
    "SGUCell",
    "SLSTMCell",
    "SLSTMState",
    "SRUCell",
    "SRUState",
    "STARCell",
    "SkipCell",
    "TGRUCell",
    "TGRUState",
    "TLSTMCell",
    "TLSTMState",
    "TRNNCell",
    "UGRNNCell",
    "URNNCell",
    "UnICORNNCell",
    "WMCLSTMCell",
]
