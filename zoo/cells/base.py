"""The cell contract: one step of a recurrence."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
from jax.ad_checkpoint import checkpoint_name

from zoo.cells.parameters import CellParameters
from zoo.engine.masks import Span
from zoo.types import Array, State

__all__ = ["Cell", "HiddenState"]


class HiddenState(NamedTuple):
    """The state of a cell that carries only its output.

    Attributes:
        h: the hidden state ``[B, H]``.
    """

    h: Array


def drop_candidate(candidate: Array, keep: Array | None) -> Array:
    """Apply candidate dropout.

    Args:
        candidate: an array ``[B, H]``.
        keep: the dropout factor of each entry, or None for no dropout.
    """
    return candidate if keep is None else candidate * keep


def gate(
    name: str, a: Array, activation: Callable[[Array], Array] | None = jax.nn.sigmoid
) -> Array:
    """Apply the activation of a gate, and tag the result with the gate's name.

    The tag has no cost. `zoo.diagnostics.gates` and the policies of `jax.checkpoint`
    find the gate by it, unless the cell calls `gate` inside a `jax.jit` or a loop of
    its own. A cell that needs only the logarithm of a gate may call `gate` and ignore
    the result: XLA removes the unused computation.

    Args:
        name: as in the equation of the cell.
        a: the pre-activation ``[B, ...]``, usually ``[B, H]``.
        activation: a function with values in [0, 1]; None if `a` is already the gate.
    """
    return checkpoint_name(a if activation is None else activation(a), name)


class Cell(CellParameters):
    """One step of a recurrence, split into parts that the time loop can schedule.

    ::

        p = project(x)               everything that does not depend on the state
        q = recur(state)             the product with the state
        state = update(state, p, q)  no matrix product
        y = output(state, p)         the output, by default state.h; never fed back

        advance(state, p) = update(state, p, recur(state))
        step(state, p) -> (state, y)

    The loop and the layers handle time, masks, resets and noise. Every cell guarantees
    that the new state has the structure, shapes and dtypes of the old one, that the
    rows of a batch never mix, and that all of its methods are pure. A cell with a
    product between its gates overrides `advance` instead of `update`.

    Attributes:
        name: the name for ``zoo.make`` and ``--cell``.
        family: the group of cells that it belongs to.
        paper: the source, with its arXiv number if it has one.
        equation: the equations as implemented.
        parameters: the number of parameters with default options, as an expression of
            D and H.
        registered: whether ``zoo.cells`` and ``zoo.make`` know the cell. False if its
            constructor takes other arguments than the two sizes.
        unread: names of the state's parts that no later step reads, such as an output
            that cannot be computed from the other parts.
        candidate: whether `update` takes a dropout factor `keep` for its candidate.
        additive: whether `update` uses p and q only as p + q, and `output` does not use
            p. The loop then saves one array for its backward pass instead of two. A
            class with an `update` or `output` of its own does not inherit this.
        recompute: whether it is faster to recompute the values inside a step in the
            backward pass than to store them.
        parallel: whether the cell is linear in its state, so that `run_parallel` can
            compute all steps in parallel. A class that overrides a method of
            `loop_only` runs in the loop unless it defines `run_parallel` or `parallel`.
        parallel_states: whether `run_parallel` also returns the states of all steps.
        loop_only: names of the methods that `run_parallel` does not call.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    paper: ClassVar[str]
    equation: ClassVar[str]
    parameters: ClassVar[str]
    registered: ClassVar[bool] = True
    unread: ClassVar[tuple[str, ...]] = ()
    candidate: ClassVar[bool] = False
    additive: ClassVar[bool] = False
    recompute: ClassVar[bool] = False
    parallel: ClassVar[bool] = False
    parallel_states: ClassVar[bool] = True
    loop_only: ClassVar[tuple[str, ...]] = ("recur", "update", "advance", "output")

    def __init_subclass__(cls, **options: Any) -> None:
        """Reset `additive`, `kernel` and `parallel` where they may not hold.

        They describe functions that a subclass may replace.
        """
        super().__init_subclass__(**options)
        own = vars(cls)
        if "additive" not in own and not own.keys().isdisjoint({"update", "output"}):
            cls.additive = False
        if "kernel" not in own:
            cls.kernel = Cell.kernel
        if cls.parallel and not _runs_parallel(cls):
            cls.parallel = False

    def init_state(self, batch_size: int) -> State:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return HiddenState(self.zeros(batch_size, self.hidden_size))

    def project(self, x: Array) -> Any:
        """Return ``xW + b``: everything that does not depend on the state.

        Args:
            x: inputs ``[..., D]``, of one step or of a sequence.
        """
        return self.add_bias(self.dot(x, self.W[...]), self.b)

    def recur(self, state: State) -> Any:
        """Return ``hU``: the product with the state.

        Args:
            state: the state before the step.
        """
        return self.dot(state.h, self.U[...])

    def update(self, state: State, p: Any, q: Any) -> State:
        """Return the new state, without a matrix product.

        Cells with ``candidate = True`` take one more argument, ``keep=None``: the
        dropout factor ``[B, H]`` of the candidate.

        Args:
            state: the state before the step.
            p: the result of `project`.
            q: the result of `recur`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define update or advance"
        )

    def advance(
        self,
        state: State,
        p: Any,
        *,
        recur_state: State = None,
        keep: Array | None = None,
    ) -> State:
        """Return the new state.

        Args:
            state: the state before the step.
            p: the result of `project`.
            recur_state: the state that the recurrent products read. It differs from
                `state` under recurrent dropout; by default it is `state`.
            keep: dropout factor of the candidate, only where ``candidate`` is True.
        """
        q = self.recur(state if recur_state is None else recur_state)
        if keep is None:
            return self.update(state, p, q)
        return self.update(state, p, q, keep)  # pyright: ignore[reportCallIssue]

    def output(self, state: State, p: Any) -> Array:
        """Return the output ``[B, H]``.

        Args:
            state: the state after the step.
            p: the result of `project`.
        """
        return state.h

    def step(self, state: State, p: Any) -> tuple[State, Array]:
        """Return the new state and its output.

        The loop of the layers calls the parts of a step one by one instead.

        Args:
            state: the state before the step.
            p: the result of `project`.

        Returns:
            The state after the step, and the output ``[B, H]``.
        """
        state = self.advance(state, p)
        return state, self.output(state, p)

    def kernel(self) -> str | None:
        """Return the name of the native kernel that computes this cell, or None.

        A subclass does not inherit it, since a kernel computes exactly one cell. See
        `zoo.engine.native`.
        """
        return None

    def prefers_parallel(
        self, B: int, T: int, *, gradient: bool, recompute: bool
    ) -> bool:
        """Return whether `run_parallel` is faster than the loop on this device.

        Called only where ``parallel`` is True.

        Args:
            B: rows of the batch.
            T: steps.
            gradient: whether the call will be differentiated.
            recompute: whether to minimise memory instead of time.
        """
        return True

    def run_parallel(
        self, p: Any, state: State, initial: State, span: Span
    ) -> tuple[State, Array, State]:
        """Compute all steps of a sequence in parallel, where ``parallel`` is True.

        Args:
            p: the result of `project` for all steps, ``[B, T, ...]``.
            state: the state before the first step in processing order.
            initial: the state that a reset restarts from.
            span: mask, reset and direction.

        Returns:
            The state after the last step in processing order; the outputs ``[B, T,
            H]``, which may be anything at padding; and the states of all steps, or None
            if ``parallel_states`` is False.
        """
        raise NotImplementedError(f"{type(self).__name__} must define run_parallel")


def _runs_parallel(cell: type[Cell]) -> bool:
    """Return whether no method of `loop_only` is newer than the parallel form.

    Searches all bases, because a method may come from a mixin.
    """
    for base in cell.__mro__:
        if not vars(base).keys().isdisjoint({"parallel", "run_parallel"}):
            return True
        if not vars(base).keys().isdisjoint(cell.loop_only):
            return False
    return True
