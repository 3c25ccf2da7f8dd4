"""Cells that are linear in their state: no product has to wait for it."""

from abc import abstractmethod
from typing import Any, ClassVar

import jax

from zoo.cells.base import Cell, HiddenState
from zoo.engine.linear_scan import span_scan, times
from zoo.engine.loop import Span
from zoo.engine.platform import platform
from zoo.types import Array, State

__all__ = ["LinearCell"]

CACHED = 1 << 20  # numbers in an array


class LinearCell(Cell):
    """One step of ``h' = a * h + b``, where a and b come from the input alone.

    ::

        a, b = coefficients(project(x))
        state' = state_of(a * vector(state) + b)

    Layers of such cells take all steps at once, where that measures faster or
    ``Recurrent(cell, steps="parallel")`` asks for it. There is no recurrent matrix, so
    that recurrent dropout and weight drop have nothing to act on.

    Attributes:
        pairs: whether a, b and the vector are complex numbers, as `zoo.engine.linear_scan` has
            them.
    """

    recurrent: ClassVar[tuple[str, ...]] = ()
    parallel = True
    pairs: ClassVar[bool] = False

    @abstractmethod
    def coefficients(self, p: Any) -> tuple[Array, Array]:
        """Return a and b, of one step or of all; an a that is the same for all is one.

        Args:
            p: what `project` made of the input.
        """

    def vector(self, state: State) -> Array:
        """Return the state as the one array that a is multiplied with.

        Args:
            state: of one step or of all.
        """
        return state.h

    def state_of(self, h: Array) -> State:
        """Return the state of an array as `vector` gives it.

        Args:
            h: of one step or of all.
        """
        return HiddenState(h)

    def advance(
        self, state: State, p: Any, *, seen: State = None, keep: Array | None = None
    ) -> State:
        """Return the new state; overridden because nothing is multiplied with it."""
        a, b = self.coefficients(p)
        return self.state_of(times(a, self.vector(state), pairs=self.pairs) + b)

    def prefers_parallel(
        self, B: int, T: int, *, gradient: bool, recompute: bool
    ) -> bool:
        """Return whether `run_parallel` measures better than a loop, as a `Cell` does."""
        if platform() != "cpu":
            return True
        # The gradient of a loop has passes over memory at every step. Without it there
        # is only what the loop does not write, which counts where no cache holds it;
        # for a single row the loop reads every matrix anew at every step.
        parallel = gradient or B == 1 or B * T * self.output_size <= CACHED
        return parallel and not recompute

    def run_parallel(
        self, p: Any, state: State, initial: State, span: Span
    ) -> tuple[State, Array, State]:
        """Take all steps at once, as told in `zoo.engine.linear_scan`."""
        a, b = self.coefficients(p)
        h, initial = self.vector(state), self.vector(initial)
        states = self.state_of(span_scan(a, b, h, initial, span, pairs=self.pairs))
        last = jax.tree.map(lambda part: part[:, 0 if span.reverse else -1], states)
        return last, self.output(states, p), states
