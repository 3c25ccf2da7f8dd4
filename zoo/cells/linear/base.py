"""Cells that are linear in their state, with a diagonal recurrence."""

from abc import abstractmethod
from typing import Any, ClassVar

import jax

from zoo.cells.base import Cell, HiddenState
from zoo.engine.linear_scan import span_scan, times
from zoo.engine.masks import Span
from zoo.engine.platform import platform
from zoo.types import Array, State

__all__ = ["LinearCell"]

MAX_CACHED = 1 << 20  # entries of an array that still fits into a CPU's cache


class LinearCell(Cell):
    """One step of ``h' = a * h + b``, where a and b depend only on the input.

    ::

        a, b = coefficients(project(x))
        state' = state_of(a * vector(state) + b)

    Layers of such cells compute all steps in parallel where that is faster, or with
    ``Recurrent(cell, steps="parallel")``. There is no recurrent matrix, so recurrent
    dropout and weight drop do not apply.

    Attributes:
        pairs: whether a, b and the state vector are complex, stored as real and
            imaginary parts; see `zoo.engine.linear_scan`.
    """

    recurrent: ClassVar[tuple[str, ...]] = ()
    parallel = True
    loop_only = ("advance",)
    pairs: ClassVar[bool] = False

    @abstractmethod
    def coefficients(self, p: Any) -> tuple[Array, Array]:
        """Return a and b, of one step or of all steps.

        An a that is the same for all steps has no time axis.

        Args:
            p: the result of `project`.
        """

    def vector(self, state: State) -> Array:
        """Return the state as the single array that is multiplied by a.

        Args:
            state: of one step or of all steps.
        """
        return state.h

    def state_of(self, h: Array) -> State:
        """Return the state for an array: the inverse of `vector`.

        Args:
            h: of one step or of all steps.
        """
        return HiddenState(h)

    def advance(
        self,
        state: State,
        p: Any,
        *,
        recur_state: State = None,
        keep: Array | None = None,
    ) -> State:
        """Return the new state; overridden because there is no recurrent product."""
        a, b = self.coefficients(p)
        return self.state_of(times(a, self.vector(state), pairs=self.pairs) + b)

    def prefers_parallel(
        self, B: int, T: int, *, gradient: bool, recompute: bool
    ) -> bool:
        """Return whether `run_parallel` is faster than the loop on this device."""
        if platform() != "cpu":
            return True
        # The backward pass of a loop passes over memory at every step. Without it the
        # loop has the advantage that it writes less, which matters for arrays larger
        # than the cache. With a single row the loop reads every matrix at every step.
        parallel = gradient or B == 1 or B * T * self.output_size <= MAX_CACHED
        return parallel and not recompute

    def run_parallel(
        self, p: Any, state: State, initial: State, span: Span
    ) -> tuple[State, Array, State]:
        """Compute all steps with a parallel scan; see `zoo.engine.linear_scan`."""
        a, b = self.coefficients(p)
        h, initial = self.vector(state), self.vector(initial)
        states = self.state_of(span_scan(a, b, h, initial, span, pairs=self.pairs))
        last = jax.tree.map(lambda part: part[:, 0 if span.reverse else -1], states)
        return last, self.output(states, p), states
