"""The state and the base class of the oscillators."""

from typing import NamedTuple

from zoo.cells.base import Cell
from zoo.types import Array

__all__ = ["OscillatorState"]


class OscillatorState(NamedTuple):
    """The state of an oscillator.

    Attributes:
        h: the position ``[B, H]``, which is also the output.
        z: the velocity ``[B, H]``; in `LEMCell`, the second hidden state.
    """

    h: Array
    z: Array


class OscillatorCell(Cell):
    """A cell with a position and a velocity for each unit."""

    family = "oscillator"

    def init_state(self, batch_size: int) -> OscillatorState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(OscillatorState, batch_size, self.hidden_size)
