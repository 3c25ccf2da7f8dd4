"""The layers of this library."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

import zoo
from benchmarks.speed.cases import CONV, KERNEL_SIZE, Case, Weights
from benchmarks.speed.peers import REMAT_OPTION
from benchmarks.speed.peers.base import JaxRunner
from zoo.layers import CellStack, Stacked


class Zoo(JaxRunner):
    """`zoo.RNN`, `zoo.LSTM` and `zoo.GRU` with their defaults, and other cells."""

    options: ClassVar[dict[str, Any]] = {}

    def layer(self, case: Case) -> Stacked:
        """Return newly initialised layers.

        Args:
            case: the network and the batch.
        """
        sizes = (case.D, case.H, case.layers)
        options: dict[str, Any] = {
            "bidirectional": case.bidirectional,
            "dtype": case.dtype,
        }
        options |= self.options
        constructors = {"rnn": zoo.RNN, "lstm": zoo.LSTM, "gru": zoo.GRU}
        if case.cell == CONV:
            cell = zoo.ConvLSTMCell(
                (*case.image_shape, case.D),
                case.H,
                kernel_size=KERNEL_SIZE,
                dtype=case.dtype,
                rngs=nnx.Rngs(0),
            )
            return Stacked([zoo.Recurrent(cell)])
        if case.cell in constructors:
            return constructors[case.cell](*sizes, rngs=nnx.Rngs(0), **options)
        return zoo.make(case.cell, *sizes, rngs=nnx.Rngs(0), **options)

    def make(self, case: Case, weights: Weights) -> tuple[Any, Callable[..., Any]]:
        """Return the parameters of `zoo.functional`, and a call that drops the state.

        Args:
            case: the network and the batch.
            weights: in our layout; empty to keep the initial weights.
        """
        params, apply = zoo.functional(self.layer(case))
        self.bidirectional = case.bidirectional
        for layer, cells in zip(weights, self._cells(params), strict=bool(weights)):
            for values, cell in zip(layer, cells, strict=True):
                cell.update({name: jnp.asarray(values[name]) for name in cell})

        def run(params: Any, x: Any, mask: Any, lengths: Any) -> Any:
            return apply(params, x, mask)[1]

        return params, run

    def _cells(self, params: Any) -> Weights:
        """Return the dict of each cell by layer and direction."""
        directions = ("forward", "backward")
        return [
            [layer[direction]["cell"] for direction in directions]
            if self.bidirectional
            else [layer["cell"]]
            for layer in (
                params["layers"][k] for k in sorted(params["layers"], key=int)
            )
        ]

    def to_weights(self, d_params: Any) -> Weights:
        """Return the gradients of each layer and direction.

        Args:
            d_params: nested as the parameters are.
        """
        return self._cells(d_params)


class Scan(Zoo):
    """The same without kernels, step by step: ``jax.lax.scan``."""

    options: ClassVar = {"backend": "scan", "steps": "loop"}


class Remat(Zoo):
    """The same with rematerialisation in the backward pass."""

    options: ClassVar = {"remat": REMAT_OPTION}


class Variant(Zoo):
    """The two cells of Haiku whose equations differ from those of PyTorch."""

    def layer(self, case: Case) -> CellStack:
        """Return a GRU that resets before the product, or a simple RNN with a ReLU.

        Args:
            case: the network and the batch.
        """
        sizes = (case.D, case.H, case.layers)
        options: dict[str, Any] = {
            "bidirectional": case.bidirectional,
            "dtype": case.dtype,
            "rngs": nnx.Rngs(0),
        }
        if case.cell == "gru":
            return CellStack(zoo.ResetBeforeGRUCell, *sizes, **options)
        return zoo.RNN(*sizes, nonlinearity="relu", **options)
