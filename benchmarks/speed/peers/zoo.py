"""Our own layers."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

import zoo
from benchmarks.speed.cases import CONV, KERNEL, Case, Weights
from benchmarks.speed.peers import REMAT_OPTION
from benchmarks.speed.peers.base import OnJax
from zoo.layers import CellStack, Stacked


class Zoo(OnJax):
    """`zoo.RNN`, `zoo.LSTM` and `zoo.GRU` with their defaults, and other cells."""

    options: ClassVar[dict[str, Any]] = {}

    def layer(self, case: Case) -> Stacked:
        """Return the layers, newly drawn.

        Args:
            case: what is measured.
        """
        sizes = (case.D, case.H, case.layers)
        options: dict[str, Any] = {"bidirectional": case.both, "dtype": case.dtype}
        options |= self.options
        named = {"rnn": zoo.RNN, "lstm": zoo.LSTM, "gru": zoo.GRU}
        if case.cell == CONV:
            shape = (*case.space, case.D)
            cell = zoo.ConvLSTMCell(
                shape, case.H, kernel_size=KERNEL, dtype=case.dtype, rngs=nnx.Rngs(0)
            )
            return Stacked([zoo.Recurrent(cell)])
        if case.cell in named:
            return named[case.cell](*sizes, rngs=nnx.Rngs(0), **options)
        return zoo.make(case.cell, *sizes, rngs=nnx.Rngs(0), **options)

    def make(self, case: Case, weights: Weights) -> tuple[Any, Any]:
        """Return the parameters of `zoo.functional`, and a call that drops the state.

        Args:
            case: what is measured.
            weights: ours.
        """
        params, apply = zoo.functional(self.layer(case))
        self.both = case.both
        for pair, cells in zip(weights, self._cells(params), strict=bool(weights)):
            for values, cell in zip(pair, cells, strict=True):
                cell.update({name: jnp.asarray(values[name]) for name in cell})

        def run(params, x, mask, lengths):
            return apply(params, x, mask)[1]

        return params, run

    def _cells(self, params: Any) -> list[list[dict[str, Any]]]:
        """Return the dict of each cell by layer and direction."""
        ways = ("forward", "backward")
        return [
            [level[way]["cell"] for way in ways] if self.both else [level["cell"]]
            for _, level in sorted(params["layers"].items())
        ]

    def ours(self, by_params: Any) -> Weights:
        """Return the gradients by layer and direction.

        Args:
            by_params: nested as the parameters are.
        """
        return self._cells(by_params)


class Scan(Zoo):
    """The same without a kernel, one step after the other: by ``jax.lax.scan``."""

    options: ClassVar = {"backend": "scan", "steps": "loop"}


class Remat(Zoo):
    """The same, of which the backward pass computes again what it can."""

    options: ClassVar = {"remat": REMAT_OPTION}


class OtherForm(Zoo):
    """The two cells of Haiku that are another function than those of PyTorch."""

    def layer(self, case: Case) -> CellStack:
        """Return a GRU that resets before the product, or a simple network with ReLU.

        Args:
            case: what is measured.
        """
        sizes = (case.D, case.H, case.layers)
        options: dict[str, Any] = {"bidirectional": case.both, "dtype": case.dtype}
        options |= {"rngs": nnx.Rngs(0)}
        if case.cell == "gru":
            return CellStack(zoo.ResetBeforeGRUCell, *sizes, **options)
        return zoo.RNN(*sizes, nonlinearity="relu", **options)
