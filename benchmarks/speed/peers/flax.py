"""Flax, linen and nnx: ``RNN`` and ``Bidirectional`` around its cells."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

import zoo
from benchmarks.speed.cases import CONV, KERNEL_SIZE, Case, Weights, reorder_gates
from benchmarks.speed.peers.base import JaxRunner
from zoo.interop.arrays import new_cell

# The order of the gates is i g f o in linen's ConvLSTMCell, and i f g o in ours.
_CONV_GATES = (0, 2, 1, 3)
_OUR_CELLS = {
    "rnn": zoo.ElmanCell,
    "lstm": zoo.LSTMCell,
    "gru": zoo.GRUCell,
    "reset_before_gru": zoo.ResetBeforeGRUCell,
    "reset_after_mgu": zoo.ResetAfterMGUCell,
}


def make_cell(name: str, arrays: dict[str, Any]) -> zoo.Cell:
    """Return a cell of ours with the given weights, for `zoo.interop`.

    Args:
        name: of the cell in `Case`.
        arrays: its parameters.
    """
    return new_cell(_OUR_CELLS[name], arrays)


def cell_parameters(cell: zoo.Cell, names: set[str]) -> dict[str, Any]:
    """Return some parameters of a cell of ours.

    Args:
        cell: of ours.
        names: of the parameters.
    """
    return {name: getattr(cell, name)[...] for name in sorted(names)}


class Linen(JaxRunner):
    """``flax.linen.RNN`` of LSTMCell, GRUCell, MGUCell, SimpleCell or ConvLSTMCell."""

    cells: ClassVar[dict[str, Any]] = {
        "rnn": linen.SimpleCell,
        "lstm": linen.LSTMCell,
        "gru": linen.GRUCell,
        "reset_after_mgu": linen.MGUCell,
        CONV: partial(linen.ConvLSTMCell, kernel_size=KERNEL_SIZE),
    }

    def make(self, case: Case, weights: Weights) -> tuple[Any, Callable[..., Any]]:
        """Return the parameters of each layer, and a call of all layers in turn.

        Args:
            case: the network and the batch.
            weights: in our layout.
        """
        self.case = case
        self.names = set(weights[0][0])

        def rnn() -> linen.RNN:
            return linen.RNN(self.cells[case.cell](case.H, dtype=case.dtype))

        layers = [
            linen.Bidirectional(rnn(), rnn()) if case.bidirectional else rnn()
            for _ in weights
        ]
        params = [
            self._layer_params([self._to_linen(cell) for cell in cells])
            for cells in weights
        ]

        def run(params: Any, x: Any, mask: Any, lengths: Any) -> Any:
            for layer, layer_params in zip(layers, params, strict=True):
                x = layer.apply({"params": layer_params}, x, seq_lengths=lengths)
            return x

        return params, run

    def _to_linen(self, arrays: dict[str, Any]) -> Any:
        """Return the arrays of a cell of ours by linen's names."""
        if self.case.cell != CONV:
            return zoo.interop.to_flax(make_cell(self.case.cell, arrays))["params"]
        W, U, b = (reorder_gates(arrays[name], _CONV_GATES) for name in ("W", "U", "b"))
        # linen has a second bias, and adds one to the forget gate, the third here, at
        # each step.
        forget_one = np.repeat(np.array([0, 0, 1, 0], np.float32), self.case.H)
        return {
            "ih": {"kernel": W, "bias": b - forget_one},
            "hh": {"kernel": U, "bias": np.zeros_like(b)},
        }

    def _from_linen(self, params: Any) -> dict[str, Any]:
        """Return the gradients of a cell by our names."""
        if self.case.cell != CONV:
            cell: Any = zoo.interop.from_flax(params)
            return cell_parameters(cell, self.names)
        arrays = {
            "W": params["ih"]["kernel"],
            "U": params["hh"]["kernel"],
            "b": params["ih"]["bias"],
        }
        return {name: reorder_gates(a, _CONV_GATES) for name, a in arrays.items()}

    def _layer_params(self, cells: list[Any]) -> dict[str, Any]:
        """Return the parameters of a layer, of one or two directions."""
        if not self.case.bidirectional:
            return {"cell": cells[0]}
        return {"forward_rnn": {"cell": cells[0]}, "backward_rnn": {"cell": cells[1]}}

    def to_weights(self, d_params: Any) -> Weights:
        """Return the gradients of each layer and direction.

        Args:
            d_params: of each layer, nested as the parameters are.
        """
        directions = ("forward_rnn", "backward_rnn")
        layers = [
            [layer[direction]["cell"] for direction in directions]
            if self.case.bidirectional
            else [layer["cell"]]
            for layer in d_params
        ]
        return [[self._from_linen(cell) for cell in cells] for cells in layers]


class LinenOptimized(Linen):
    """``flax.linen.RNN`` of OptimizedLSTMCell."""

    cells: ClassVar[dict[str, Any]] = {"lstm": linen.OptimizedLSTMCell}


class Layers(nnx.Module):
    """Layers, one after the other."""

    def __init__(self, layers: list[Any]) -> None:
        """Store the layers.

        Args:
            layers: ``nnx.RNN`` or ``nnx.Bidirectional``.
        """
        self.layers = nnx.List(layers)

    def __call__(self, x: Any, lengths: Any) -> Any:
        """Return the outputs of the last layer.

        Args:
            x: inputs.
            lengths: of the rows, or None.
        """
        for layer in self.layers:
            x = layer(x, seq_lengths=lengths)
        return x


class NNX(JaxRunner):
    """``nnx.RNN`` of LSTMCell, GRUCell or SimpleCell."""

    api = "nnx"

    def make(self, case: Case, weights: Weights) -> tuple[Any, Callable[..., Any]]:
        """Return the parameters, and a call of the module merged with them.

        Args:
            case: the network and the batch.
            weights: in our layout.
        """
        self.case = case
        # nnx's GRU has no bias inside the product that is reset.
        self.names = set(weights[0][0]) - {"b_hn"}

        def rnn(arrays: dict[str, Any]) -> nnx.RNN:
            cell = make_cell(case.cell, arrays)
            layer = nnx.RNN(zoo.interop.to_flax(cell, self.api))
            for _, module in nnx.iter_modules(layer):
                if hasattr(module, "dtype"):
                    vars(module)["dtype"] = jnp.dtype(case.dtype)
            return layer

        layers = [
            nnx.Bidirectional(*map(rnn, cells)) if case.bidirectional else rnn(cells[0])
            for cells in weights
        ]
        self.graph, params, self.rest = nnx.split(Layers(layers), nnx.Param, ...)

        def run(params: Any, x: Any, mask: Any, lengths: Any) -> Any:
            return nnx.merge(self.graph, params, self.rest, copy=True)(x, lengths)

        return params, run

    def to_weights(self, d_params: Any) -> Weights:
        """Return the gradients of each layer and direction.

        Args:
            d_params: an ``nnx.State`` of gradients.
        """
        model = nnx.merge(self.graph, d_params, self.rest)
        layers = [
            [layer.forward_rnn, layer.backward_rnn]
            if self.case.bidirectional
            else [layer]
            for layer in model.layers
        ]
        return [
            [
                cell_parameters(
                    cast(zoo.Cell, zoo.interop.from_flax(rnn.cell)), self.names
                )
                for rnn in rnns
            ]
            for rnns in layers
        ]


class NNXOptimized(NNX):
    """``nnx.RNN`` of OptimizedLSTMCell."""

    api = "nnx_optimized"
