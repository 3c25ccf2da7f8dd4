"""Linear cells with a complex state."""

from typing import NamedTuple

import jax.numpy as jnp

from zoo.cells.linear.base import LinearCell
from zoo.types import Array

__all__ = ["ComplexState"]


class ComplexState(NamedTuple):
    """A complex state, stored as two real arrays.

    Attributes:
        re: the real part ``[B, H]``.
        im: the imaginary part ``[B, H]``.
    """

    re: Array
    im: Array


class ComplexCell(LinearCell):
    """A linear cell whose state is complex."""

    pairs = True

    def vector(self, state: ComplexState) -> Array:
        """Return the real parts, then the imaginary parts, along the last axis.

        Args:
            state: of one step or of all steps.
        """
        return jnp.concatenate(state, -1)

    def state_of(self, h: Array) -> ComplexState:
        """Return the state for an array: the inverse of `vector`.

        Args:
            h: of one step or of all steps.
        """
        return ComplexState(*jnp.split(h, 2, -1))
