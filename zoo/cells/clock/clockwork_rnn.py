"""The clockwork RNN."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell
from zoo.types import Array

__all__ = ["ClockworkRNNCell", "ClockworkState"]


class ClockworkState(NamedTuple):
    """The state of a clockwork RNN.

    Attributes:
        h: the hidden state ``[B, H]``.
        t: steps since the sequence began, int32 ``[B]``.
    """

    h: Array
    t: Array


class ClockworkRNNCell(Cell):
    """The clockwork RNN: blocks of units that move every step, every other, ...

    ::

        h'_k = tanh(x W_k + h U_k + b_k)   where T_k divides t
        h'_k = h_k                         elsewhere

    H is cut into one block for each period, and a block sees only those as slow or
    slower: the rest of ``U`` is not used. The clock begins at zero with each sequence.
    Source: Koutnik et al. 2014, arXiv:1402.3511.
    """

    name = "clockwork_rnn"
    family = "clock"
    paper = "Koutnik et al. 2014, arXiv:1402.3511"
    equation = "h'_k = tanh(x W + h U + b) where T_k divides t, else h_k"
    parameters = "D*H + H*H + H"
    gates: ClassVar = {"h": 0}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        periods: tuple[int, ...] = (1, 2, 4, 8),
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            periods: T of each block, in steps; the slowest blocks are dropped if there
                are more than H.
            rngs: keys of the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if a period is not an int of 1 or more, or there is none.
        """
        periods = tuple(sorted(periods))
        if not periods:
            raise ValueError("periods must hold one period or more, got none")
        for period in periods:
            checks.positive("a period", period)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.periods = periods[:hidden_size]

    def _period(self) -> np.ndarray:
        """Return the period of every unit, ``[H]``."""
        blocks = np.array_split(np.arange(self.hidden_size), len(self.periods))
        return np.repeat(
            np.array(self.periods, np.int32), [len(block) for block in blocks]
        )

    def init_state(self, batch_size: int) -> ClockworkState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        h = self.zeros(batch_size, self.hidden_size)
        return ClockworkState(h, jnp.zeros(batch_size, jnp.int32))

    def recur(self, state: ClockworkState) -> Array:
        """Return the product with what each block sees."""
        period = self._period()
        slower = period[:, None] >= period[None, :]
        return self.dot(state.h, jnp.where(slower, self.U[...], 0))

    def update(self, state: ClockworkState, p: Array, q: Array) -> ClockworkState:
        """Return the new state."""
        moves = state.t[:, None] % self._period() == 0
        h = jnp.where(moves, jnp.tanh(p + q), state.h)
        return ClockworkState(h, state.t + 1)
