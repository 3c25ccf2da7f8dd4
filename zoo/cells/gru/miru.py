"""The minion recurrent unit."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, HiddenState, drop_candidate
from zoo.types import Array

__all__ = ["MiRUCell"]


class MiRUCell(Cell):
    """The minion recurrent unit: a GRU with constants instead of gates.

    ::

        n = tanh(x W + (beta * h) U + b)
        h' = lam * h + (1 - lam) * n

    The paper calls this form MiRU-2, and lam lambda. Source: Zyarah and Kudithipudi
    2025, arXiv:2503.06175.
    """

    name = "miru"
    family = "gru"
    paper = "Zyarah and Kudithipudi 2025, arXiv:2503.06175"
    equation = "n = tanh(x W + (beta * h) U + b); h' = lam * h + (1 - lam) * n"
    parameters = "D*H + H*H + H"
    gates: ClassVar = {"n": 0}
    candidate = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        beta: float = 0.5,
        lam: float = 0.5,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            beta: the constant in place of the reset gate: the factor of the state in
                the candidate.
            lam: the constant in place of the update gate: the fraction of the old state
                that is kept, in [0, 1).
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if `lam` is out of its range.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.beta, self.lam = float(beta), checks.rate("lam", lam)

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        n = drop_candidate(jnp.tanh(p + self.beta * q), keep)
        return HiddenState(self.lam * state.h + (1 - self.lam) * n)
