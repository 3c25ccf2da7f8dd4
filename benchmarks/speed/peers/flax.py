"""Flax, linen and nnx: ``RNN`` and ``Bidirectional`` around its cells."""

from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

import zoo
from benchmarks.speed.cases import CONV, KERNEL, Case, Weights, reorder
from benchmarks.speed.peers.base import OnJax
from zoo.interop.arrays import fill

_CONV_GATES = (0, 2, 1, 3)  # i g f o of linen's ConvLSTMCell, i f g o of ours
_OURS = {
    "rnn": zoo.ElmanCell,
    "lstm": zoo.LSTMCell,
    "gru": zoo.GRUCell,
    "reset_before_gru": zoo.ResetBeforeGRUCell,
    "reset_after_mgu": zoo.ResetAfterMGUCell,
}


def as_cell(kind: str, arrays: dict[str, Any]) -> zoo.Cell:
    """Return our cell with given weights, for `zoo.interop`.

    Args:
        kind: as a case calls it.
        arrays: its parameters.
    """
    D, H = arrays["W"].shape[0], arrays["U"].shape[0]
    return fill(_OURS[kind](D, H, rngs=nnx.Rngs(0)), **arrays)


def of_cell(cell: zoo.Cell, names: set[str]) -> dict[str, Any]:
    """Return some parameters of our cell by name.

    Args:
        cell: a cell.
        names: which.
    """
    return {name: getattr(cell, name)[...] for name in sorted(names)}


class Linen(OnJax):
    """``flax.linen.RNN`` of LSTMCell, GRUCell, MGUCell, SimpleCell or ConvLSTMCell."""

    cells: ClassVar[dict[str, Any]] = {
        "rnn": linen.SimpleCell,
        "lstm": linen.LSTMCell,
        "gru": linen.GRUCell,
        "reset_after_mgu": linen.MGUCell,
        CONV: partial(linen.ConvLSTMCell, kernel_size=KERNEL),
    }

    def make(self, case: Case, weights: Weights) -> tuple[Any, Any]:
        """Return the parameters of each layer, and a call of one after the other.

        Args:
            case: what is measured.
            weights: ours.
        """
        self.case = case
        self.names = set(weights[0][0])

        def rnn() -> linen.RNN:
            return linen.RNN(self.cells[case.cell](case.H, dtype=case.dtype))

        layers = [
            linen.Bidirectional(rnn(), rnn()) if case.both else rnn() for _ in weights
        ]
        params = [self._names([self._given(cell) for cell in pair]) for pair in weights]

        def run(params, x, mask, lengths):
            for layer, own in zip(layers, params, strict=True):
                x = layer.apply({"params": own}, x, seq_lengths=lengths)
            return x

        return params, run

    def _given(self, arrays: dict[str, Any]) -> Any:
        """Return our arrays of one cell under linen's names."""
        if self.case.cell != CONV:
            return zoo.interop.to_flax(as_cell(self.case.cell, arrays))["params"]
        W, U, b = (reorder(arrays[name], _CONV_GATES) for name in ("W", "U", "b"))
        # Its second bias is the same parameter once more, and it adds one to that of
        # the forget gate, the third here, at each step.
        one = np.repeat(np.float32([0, 0, 1, 0]), self.case.H)
        return {
            "ih": {"kernel": W, "bias": b - one},
            "hh": {"kernel": U, "bias": np.zeros_like(b)},
        }

    def _found(self, params: Any) -> dict[str, Any]:
        """Return the gradients of one cell under our names."""
        if self.case.cell != CONV:
            return of_cell(zoo.interop.from_flax(params), self.names)
        found = {"W": params["ih"]["kernel"], "U": params["hh"]["kernel"]}
        found["b"] = params["ih"]["bias"]
        return {name: reorder(array, _CONV_GATES) for name, array in found.items()}

    def _names(self, pair: list[Any]) -> dict[str, Any]:
        """Return the parameters of one or two directions under linen's names."""
        if not self.case.both:
            return {"cell": pair[0]}
        return {"forward_rnn": {"cell": pair[0]}, "backward_rnn": {"cell": pair[1]}}

    def ours(self, by_params: Any) -> Weights:
        """Return the gradients: one is laid out as the weight that it is of.

        Args:
            by_params: of each layer.
        """
        ways = ("forward_rnn", "backward_rnn")
        found = [
            [level[way]["cell"] for way in ways] if self.case.both else [level["cell"]]
            for level in by_params
        ]
        return [[self._found(cell) for cell in pair] for pair in found]


class LinenOptimized(Linen):
    """``flax.linen.RNN`` of OptimizedLSTMCell."""

    cells: ClassVar[dict[str, Any]] = {"lstm": linen.OptimizedLSTMCell}


class Layers(nnx.Module):
    """One layer after the other."""

    def __init__(self, layers: list[Any]) -> None:
        """Keep them.

        Args:
            layers: ``nnx.RNN`` or ``nnx.Bidirectional``.
        """
        self.layers = nnx.List(layers)

    def __call__(self, x: Any, lengths: Any) -> Any:
        """Return the outputs of the last.

        Args:
            x: inputs.
            lengths: of the rows, or None.
        """
        for layer in self.layers:
            x = layer(x, seq_lengths=lengths)
        return x


class NNX(OnJax):
    """``nnx.RNN`` of LSTMCell, GRUCell or SimpleCell."""

    form = "nnx"

    def make(self, case: Case, weights: Weights) -> tuple[Any, Any]:
        """Return the parameters, and a call of the module that is merged with them.

        Args:
            case: what is measured.
            weights: ours.
        """
        self.case = case
        # nnx's GRU has no bias inside of what is reset.
        self.names = set(weights[0][0]) - {"b_hn"}

        def rnn(arrays: dict[str, Any]) -> nnx.RNN:
            cell = as_cell(case.cell, arrays)
            made = nnx.RNN(zoo.interop.to_flax(cell, self.form))
            for _, module in nnx.iter_modules(made):
                if hasattr(module, "dtype"):
                    vars(module)["dtype"] = jnp.dtype(case.dtype)
            return made

        layers = [
            nnx.Bidirectional(*map(rnn, pair)) if case.both else rnn(pair[0])
            for pair in weights
        ]
        self.graph, params, self.rest = nnx.split(Layers(layers), nnx.Param, ...)

        def run(params, x, mask, lengths):
            return nnx.merge(self.graph, params, self.rest, copy=True)(x, lengths)

        return params, run

    def ours(self, by_params: Any) -> Weights:
        """Return the gradients: one is laid out as the weight that it is of.

        Args:
            by_params: a state of nnx.
        """
        model = nnx.merge(self.graph, by_params, self.rest)
        pairs = [
            [layer.forward_rnn, layer.backward_rnn] if self.case.both else [layer]
            for layer in model.layers
        ]
        return [
            [of_cell(zoo.interop.from_flax(rnn.cell), self.names) for rnn in pair]
            for pair in pairs
        ]


class NNXOptimized(NNX):
    """``nnx.RNN`` of OptimizedLSTMCell."""

    form = "nnx_optimized"
