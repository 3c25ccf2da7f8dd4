"""Stacks of one cell, built as in PyTorch."""

import warnings
from collections.abc import Sequence
from typing import Any, Unpack

from flax import nnx

from zoo import checks
from zoo.cells.base import Cell
from zoo.cells.elman import ElmanCell
from zoo.cells.gru import GRUCell
from zoo.cells.lstm import LSTMCell, ProjectedLSTMCell
from zoo.engine.schedule import LoopsOption
from zoo.layers.base import Layer
from zoo.layers.bidirectional import Bidirectional
from zoo.layers.options import LoopOptions, Options, check_options
from zoo.layers.recurrent import Recurrent
from zoo.layers.stacked import Stacked


class CellStack(Stacked):
    """Layers of one cell, in one direction or in both."""

    def __init__(
        self,
        cell: type[Cell],
        /,  # LSTM(..., cell=...) is then an unknown option, whose error says what to do
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        merge: str = "concat",
        loops: LoopsOption = "auto",
        dropout: float = 0.0,
        locked_dropout: float = 0.0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the layers.

        Args:
            cell: the class of the cell.
            input_size: D.
            hidden_size: H of every layer, or a list with the H of each.
            num_layers: how many layers.
            bidirectional: read in both directions, with a cell for each.
            merge: how the outputs of both directions are combined, see `Bidirectional`;
                ``"stack"`` applies to the last layer, those below concatenate.
            loops: the number of loops for both directions, see `Bidirectional`.
            dropout: rate of dropout between layers.
            locked_dropout: the same, with one mask for all steps of a sequence.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: of `Recurrent`, and of the cell.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        check_options(type(self), cell, options)
        sizes = checks.sizes("hidden_size", hidden_size, "num_layers", num_layers)
        checks.one_of("merge", merge, ("concat", "sum", "stack"))
        names = LoopOptions.__annotations__
        loop_options = {name: options.pop(name) for name in names if name in options}

        def recurrent(width: int, size: int, reverse: bool) -> Recurrent:
            new = cell(width, size, rngs=rngs, **options)
            return Recurrent(new, reverse=reverse, rngs=rngs, **loop_options)

        layers: list[Layer] = []
        for k, size in enumerate(sizes):
            width = layers[-1].output_size if layers else input_size
            layer = recurrent(width, size, False)
            if bidirectional:
                # A layer reads one vector per step: only the last may return a stack.
                below = k + 1 < num_layers and merge == "stack"
                layer = Bidirectional(
                    layer,
                    recurrent(width, size, True),
                    merge="concat" if below else merge,
                    loops=loops,
                )
            layers.append(layer)
        super().__init__(
            layers, dropout=dropout, locked_dropout=locked_dropout, rngs=rngs
        )
        if num_layers == 1 and (dropout or locked_dropout):
            warnings.warn(
                "dropout and locked_dropout act between layers: with num_layers=1 they "
                "have no effect",
                stacklevel=3,
            )


class RNN(CellStack):
    """The simple recurrent network, called as ``torch.nn.RNN``.

    ``h' = tanh(x W + h U + b)``, see `zoo.ElmanCell`. The state is a tuple with
    ``HiddenState(h)`` for each layer.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        dropout: float = 0.0,
        bidirectional: bool = False,
        rngs: nnx.Rngs,
        **options: Unpack[Options],
    ):
        """Build the layers.

        Args:
            input_size: D.
            hidden_size: H of every layer.
            num_layers: how many layers.
            nonlinearity: ``"tanh"`` or ``"relu"``.
            dropout: rate of dropout between layers.
            bidirectional: read in both directions; y is ``[B, T, 2*H]``.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: of `CellStack` (`merge`, `loops`, ...), of `Recurrent`
                (`learn_initial_state`, `zoneout`, `remat`, ...), and of the cell
                (`bias`, `W_init`, `dtype`, `param_dtype`, ...).

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        super().__init__(
            ElmanCell,
            input_size,
            hidden_size,
            num_layers,
            dropout=dropout,
            bidirectional=bidirectional,
            rngs=rngs,
            nonlinearity=nonlinearity,
            **options,
        )


class LSTM(CellStack):
    """The long short-term memory, called as ``torch.nn.LSTM``.

    ::

        i, f, o = sigmoid(x W + h U + b)        g = tanh(x W + h U + b)
        c' = f * c + i * g
        h' = o * tanh(c')

    See `zoo.LSTMCell`. The state is a tuple with ``LSTMState(h, c)`` for each
    layer.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        proj_size: int = 0,
        dropout: float = 0.0,
        bidirectional: bool = False,
        rngs: nnx.Rngs,
        **options: Unpack[Options],
    ):
        """Build the layers.

        Args:
            input_size: D.
            hidden_size: H of every layer.
            num_layers: how many layers.
            proj_size: P, the size of h and y under a projection; 0 means none.
            dropout: rate of dropout between layers.
            bidirectional: read in both directions; y is ``[B, T, 2*H]``.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `RNN`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        projection = {"proj_size": proj_size} if proj_size != 0 else {}
        super().__init__(
            ProjectedLSTMCell if projection else LSTMCell,
            input_size,
            hidden_size,
            num_layers,
            dropout=dropout,
            bidirectional=bidirectional,
            rngs=rngs,
            **projection,
            **options,
        )


class GRU(CellStack):
    """The gated recurrent unit, called as ``torch.nn.GRU``.

    ::

        r, z = sigmoid(x W + h U + b)           n = tanh(x W + b + r * (h U + b_hn))
        h' = (1 - z) * n + z * h

    See `zoo.GRUCell`; the form of 2014 is ``CellStack(ResetBeforeGRUCell, ...)``.
    The state is a tuple with ``HiddenState(h)`` for each layer.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        dropout: float = 0.0,
        bidirectional: bool = False,
        rngs: nnx.Rngs,
        **options: Unpack[Options],
    ):
        """Build the layers.

        Args:
            input_size: D.
            hidden_size: H of every layer.
            num_layers: how many layers.
            dropout: rate of dropout between layers.
            bidirectional: read in both directions; y is ``[B, T, 2*H]``.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `RNN`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        super().__init__(
            GRUCell,
            input_size,
            hidden_size,
            num_layers,
            dropout=dropout,
            bidirectional=bidirectional,
            rngs=rngs,
            **options,
        )
