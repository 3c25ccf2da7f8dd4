"""The independently recurrent network."""

from typing import Any, ClassVar

from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, HiddenState
from zoo.cells.elman.rnn import NONLINEARITIES
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["IndRNNCell"]


class IndRNNCell(Cell):
    """The independently recurrent network: ``h' = relu(xW + u * h + b)``.

    Each unit depends on its own previous value only. ``u[H]`` is initialised in U(0,
    1). The paper also keeps ``|u| <= 2^(1/T)`` during training, which is about 1 for
    long sequences; this cell does not. Source: Li et al. 2018, arXiv:1803.04831.
    """

    name = "indrnn"
    family = "elman"
    paper = "Li et al. 2018, arXiv:1803.04831"
    equation = "h' = relu(x W + u * h + b)"
    parameters = "D*H + 2*H"
    gates: ClassVar = {"h": 0}
    recurrent = ("u",)
    inits: ClassVar = {**Cell.inits, "u": nnx.initializers.uniform(1.0)}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: str = "relu",
        u_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            nonlinearity: ``"relu"`` or ``"tanh"``.
            u_init: initialiser of ``u``, by default U(0, 1).
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if `nonlinearity` is neither.
        """
        self.nonlinearity = checks.one_of("nonlinearity", nonlinearity, NONLINEARITIES)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.u = self._param(u_init or self.inits["u"], rngs, (hidden_size,))

    def recur(self, state: HiddenState) -> Array:
        """Return ``u * h``, the elementwise recurrent term."""
        return self.in_state_dtype(self.u, state.h) * state.h

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state: the nonlinearity of ``p + q``."""
        return HiddenState(NONLINEARITIES[self.nonlinearity](p + q))
