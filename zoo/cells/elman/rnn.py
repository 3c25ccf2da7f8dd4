"""The simple recurrent network."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, HiddenState
from zoo.types import Array

__all__ = ["ElmanCell"]

NONLINEARITIES = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class ElmanCell(Cell):
    """The simple recurrent network: ``h' = tanh(xW + hU + b)``.

    The cell of ``torch.nn.RNN``, with one bias vector where torch has two. With
    ``nonlinearity="relu"`` and ``U_init=zoo.initializers.identity()`` it is the IRNN of
    Le et al. 2015, arXiv:1504.00941. Source: Elman 1990, "Finding structure in time".
    """

    name = "rnn"
    family = "elman"
    paper = "Elman 1990"
    equation = "h' = tanh(x W + h U + b)"
    parameters = "D*H + H*H + H"
    gates: ClassVar = {"h": 0}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: str = "tanh",
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            nonlinearity: ``"tanh"`` or ``"relu"``.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if `nonlinearity` is neither.
        """
        self.nonlinearity = checks.one_of("nonlinearity", nonlinearity, NONLINEARITIES)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state: the nonlinearity of ``p + q``."""
        return HiddenState(NONLINEARITIES[self.nonlinearity](p + q))

    def kernel(self) -> str:
        """Return the name of the native kernel: ``"rnn_tanh"`` or ``"rnn_relu"``."""
        return f"rnn_{self.nonlinearity}"
