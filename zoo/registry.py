"""The cells by name."""

from typing import Any

from flax import nnx

from zoo import checks
from zoo.cells import (
    AntisymmetricRNNCell,
    ATRCell,
    AugmentedLSTMCell,
    BRCCell,
    Cell,
    CFNCell,
    ClockworkRNNCell,
    CoRNNCell,
    CoupledLSTMCell,
    DeltaNetCell,
    DSGUCell,
    ElmanCell,
    ESNCell,
    ExpRNNCell,
    FastGRNNCell,
    FastRNNCell,
    GatedAntisymmetricRNNCell,
    GatedDeltaNetCell,
    GILRCell,
    GLACell,
    GRUCell,
    HGRNCell,
    HighwayLSTMCell,
    IndRNNCell,
    IntersectionRNNCell,
    JANETCell,
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LEMCell,
    LightRUCell,
    LiGRUCell,
    LinearAttentionCell,
    LipschitzRNNCell,
    LMUCell,
    LRUCell,
    LSTMCell,
    MatrixLSTMCell,
    MCLSTMCell,
    MGUCell,
    MinGRUCell,
    MinimalRNNCell,
    MinLSTMCell,
    MiRUCell,
    MogrifierLSTMCell,
    MultiplicativeLSTMCell,
    MUT1Cell,
    MUT2Cell,
    MUT3Cell,
    NASCell,
    NBRCCell,
    ONLSTMCell,
    PeepholeLSTMCell,
    PhasedLSTMCell,
    ProjectedLSTMCell,
    QRNNCell,
    RANCell,
    ResetAfterMGUCell,
    ResetBeforeGRUCell,
    ResidualLSTMCell,
    RetNetCell,
    RGLRUCell,
    RHNCell,
    S5Cell,
    S6Cell,
    SCRNCell,
    SGRNCell,
    SGUCell,
    SLSTMCell,
    SRUCell,
    STARCell,
    TGRUCell,
    TLSTMCell,
    TRNNCell,
    UGRNNCell,
    UnICORNNCell,
    URNNCell,
    WMCLSTMCell,
)
from zoo.layers import CellStack

_CELLS: tuple[type[Cell], ...] = (
    ElmanCell,
    LSTMCell,
    ProjectedLSTMCell,
    PeepholeLSTMCell,
    CoupledLSTMCell,
    LayerNormLSTMCell,
    GRUCell,
    ResetBeforeGRUCell,
    LayerNormGRUCell,
    MGUCell,
    ResetAfterMGUCell,
    IndRNNCell,
    UGRNNCell,
    IntersectionRNNCell,
    JANETCell,
    LiGRUCell,
    STARCell,
    SGRNCell,
    LightRUCell,
    MiRUCell,
    SGUCell,
    DSGUCell,
    MUT1Cell,
    MUT2Cell,
    MUT3Cell,
    RANCell,
    ATRCell,
    MinimalRNNCell,
    CFNCell,
    SCRNCell,
    FastRNNCell,
    FastGRNNCell,
    AntisymmetricRNNCell,
    GatedAntisymmetricRNNCell,
    LipschitzRNNCell,
    CoRNNCell,
    UnICORNNCell,
    LEMCell,
    BRCCell,
    NBRCCell,
    TRNNCell,
    TGRUCell,
    TLSTMCell,
    SRUCell,
    QRNNCell,
    NASCell,
    MultiplicativeLSTMCell,
    MogrifierLSTMCell,
    AugmentedLSTMCell,
    ResidualLSTMCell,
    HighwayLSTMCell,
    ClockworkRNNCell,
    PhasedLSTMCell,
    ONLSTMCell,
    RHNCell,
    MCLSTMCell,
    WMCLSTMCell,
    SLSTMCell,
    ExpRNNCell,
    URNNCell,
    LMUCell,
    ESNCell,
    GILRCell,
    MinGRUCell,
    MinLSTMCell,
    LRUCell,
    RGLRUCell,
    HGRNCell,
    S5Cell,
    S6Cell,
    LinearAttentionCell,
    RetNetCell,
    GLACell,
    MatrixLSTMCell,
    DeltaNetCell,
    GatedDeltaNetCell,
)


def cells() -> dict[str, type[Cell]]:
    """Return all cells by name.

    Each class tells its ``family``, its ``paper`` and its ``equation``.
    """
    return {cell.name: cell for cell in _CELLS}


def make(
    name: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    *,
    bidirectional: bool = False,
    rngs: nnx.Rngs,
    **options: Any,
) -> CellStack:
    """Build the layers of a cell by its name.

    Args:
        name: one of ``zoo.cells()``.
        input_size: D.
        hidden_size: H of every layer.
        num_layers: how many layers.
        bidirectional: read in both directions.
        rngs: keys of the initialisation.
        **options: as for `zoo.layers.CellStack`.

    Raises:
        ValueError: if there is no such cell (the nearest name is suggested), or an
            argument is out of its range.
    """
    known = cells()
    cell = known[checks.one_of("the name of a cell", name, known)]
    return CellStack(
        cell,
        input_size,
        hidden_size,
        num_layers,
        bidirectional=bidirectional,
        rngs=rngs,
        **options,
    )
