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
        t: the number of steps since the start of the sequence, int32 ``[B]``.
    """

    h: Array
    t: Array


class ClockworkRNNCell(Cell):
    """The clockwork RNN: block k of the units is updated every ``T_k`` steps.

    ::

        h'_k = tanh(x W_k + h U_k + b_k)   where T_k divides t
        h'_k = h_k                         otherwise

    The H units are split into one block for each period. A block reads only the blocks
    with the same or a longer period; the other entries of ``U`` are not used. t starts
    at zero with each sequence. In IDSIA/brainstorm, ``clockwork_layer.py``, a block
    reads all blocks. Source: Koutnik et al. 2014, arXiv:1402.3511.
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
            periods: the period of each block in steps. If there are more than H, the
                longest are dropped.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if a period is not an int of 1 or more, or `periods` is empty.
        """
        periods = tuple(sorted(periods))
        if not periods:
            raise ValueError("periods must contain at least one period, got none")
        for period in periods:
            checks.positive("a period", period)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.periods = periods[:hidden_size]

    def _unit_periods(self) -> np.ndarray:
        """Return the period of every unit ``[H]``."""
        blocks = np.array_split(np.arange(self.hidden_size), len(self.periods))
        return np.repeat(
            np.array(self.periods, np.int32), [len(block) for block in blocks]
        )

    def init_state(self, batch_size: int) -> ClockworkState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        h = self.zeros(batch_size, self.hidden_size)
        return ClockworkState(h, jnp.zeros(batch_size, jnp.int32))

    def recur(self, state: ClockworkState) -> Array:
        """Return ``hU``, where each block reads blocks of the same or longer period."""
        periods = self._unit_periods()
        readable = periods[:, None] >= periods[None, :]
        return self.dot(state.h, jnp.where(readable, self.U[...], 0))

    def update(self, state: ClockworkState, p: Array, q: Array) -> ClockworkState:
        """Return the new state."""
        active = state.t[:, None] % self._unit_periods()[None] == 0
        h = jnp.where(active, jnp.tanh(p + q), state.h)
        return ClockworkState(h, state.t + 1)
