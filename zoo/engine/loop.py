"""The loop over the steps, and one step of it.

The loop knows no cell by name. `CellFunctions` are pure functions of an opaque pytree
of parameters; masks and resets are applied around every step.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.engine.masks import select, zero_padding
from zoo.engine.native import Kernel
from zoo.types import Array, Params, State


class CellFunctions(NamedTuple):
    """A cell as pure functions of its parameters.

    Attributes:
        project: ``(params, x[..., D]) -> p``: everything that does not depend on the
            state.
        recur: ``(params, state[..., H]) -> q``: the products with the state, of one
            step or of many; None if they cannot be taken out of `update`, which is then
            given None for q.
        update: ``(params, state, p, q, noise) -> state``: the rest of one step.
        output: ``(params, state, p) -> y``: the output.
        additive: whether p and q enter only as p + q, so that one array is stored.
        parallel: ``(params, p, state, initial, span) -> (state, y, states)``: all
            steps, rows before time; states may be None, and y at padding may be
            anything. None if the cell is not linear in its state.
        kernel: the kernel that computes the cell, or None.
    """

    project: Callable[[Params, Array], Any]
    recur: Callable[[Params, State], Any] | None
    update: Callable[[Params, State, Any, Any, Any], State]
    output: Callable[[Params, State, Any], Array]
    additive: bool = False
    parallel: Callable[..., tuple[State, Array, State]] | None = None
    kernel: Kernel | None = None


class Steps(NamedTuple):
    """What the loop reads, an entry for each step ``[T, ...]``.

    Attributes:
        x: the inputs.
        mask: bool ``[T, B]``, or None.
        restart: bool ``[T, B]``, from `zoo.engine.masks.restarts`, or None.
        noise: what `CellFunctions.update` is given.
    """

    x: Array
    mask: Array | None
    restart: Array | None
    noise: Any


Result = tuple[State, tuple[Array, State]]
"""The state after the last step, and ``(y, states)`` of all steps."""


class Loop(NamedTuple):
    """What is constant over the loop.

    Attributes:
        cell: the functions of one step.
        reverse: run from the last step to the first.
        states: also return the state after every step.
        precompute: project the inputs of all steps before the loop.
        unroll: steps per iteration.
        recompute: store only the states for the backward pass.
        linear_kernel: compute linear recurrences by a kernel.
    """

    cell: CellFunctions
    reverse: bool
    states: bool = False
    precompute: bool = False
    unroll: int = 1
    recompute: bool = False
    linear_kernel: bool = False

    def run(
        self, body: Callable, carry: Any, steps: Any, *, backwards: bool = False
    ) -> tuple[Any, Any]:
        """Call ``jax.lax.scan`` in the direction of the loop, or against it.

        Args:
            body: of the scan.
            carry: of the scan.
            steps: what it reads, an entry for each step.
            backwards: whether to run against the direction of the loop.
        """
        reverse = self.reverse != backwards
        return jax.lax.scan(body, carry, steps, reverse=reverse, unroll=self.unroll)


def swap_time_and_rows(a: Array) -> Array:
    """Swap the first two axes of an array.

    Args:
        a: an array ``[B, T, ...]`` or ``[T, B, ...]``.
    """
    return jnp.swapaxes(a, 0, 1)


def time_first(
    x: Array, mask: Array | None, restart: Array | None, noise: Any
) -> Steps:
    """Return what the loop reads of a batch: zeros at padding, time before rows.

    Args:
        x: inputs ``[B, T, ...]``.
        mask: bool ``[B, T]``, or None.
        restart: bool ``[B, T]``, from `zoo.engine.masks.restarts`, or None.
        noise: a pytree ``[T, ...]``.
    """
    # Before the first product: NaN * 0 is NaN in the gradient of a matrix.
    x = zero_padding(x, mask)
    x, mask, restart = jax.tree.map(swap_time_and_rows, (x, mask, restart))
    return Steps(x, mask, restart, noise)


def plain_loop(
    loop: Loop, params: Params, initial: State, state: State, steps: Steps
) -> Result:
    """Run the loop, with the gradient that JAX derives.

    Args:
        loop: what is constant.
        params: given to the functions of the cell.
        initial: the state that a reset restarts from.
        state: the state before the first step in processing order.
        steps: what the loop reads.

    Returns:
        The state after the last step, and ``(y, states)``; states may be None.
    """
    state, (y, states, _) = forward(loop, False, params, initial, state, steps)
    return state, (y, states)


def forward(
    loop: Loop, keep: bool, params: Params, initial: State, state: State, steps: Steps
) -> tuple[State, tuple[Array, State, Any]]:
    """Run the loop, and return what the backward pass of `deferred_loop` needs.

    Args:
        loop: as for `plain_loop`.
        keep: whether to return the state before each step, and the joined products
            unless they are recomputed.
        params: as for `plain_loop`.
        initial: as for `plain_loop`.
        state: as for `plain_loop`.
        steps: as for `plain_loop`.
    """
    body = partial(_step, loop, keep, params, initial)
    if loop.recompute and not keep:
        # Inside a loop nothing can be merged with the recomputation: no barrier needed.
        body = jax.checkpoint(body, prevent_cse=False)
    if loop.precompute:
        steps = steps._replace(x=loop.cell.project(params, steps.x))
    return loop.run(body, state, steps)


def _step(
    loop: Loop, keep: bool, params: Params, initial: State, state: State, step: Steps
) -> tuple[State, tuple[Array, State, Any]]:
    """One step of the loop: the body of ``jax.lax.scan``."""
    p = step.x if loop.precompute else loop.cell.project(params, step.x)
    if step.restart is not None:
        state = select(step.restart, initial, state)
    joined = join(loop.cell, params, state, p)
    new, y = finish(loop.cell, params, state, joined, step)
    kept = (state, None if loop.recompute else joined) if keep else None
    return new, (y, new if loop.states else None, kept)


def join(cell: CellFunctions, params: Params, state: State, p: Any) -> Any:
    """Return the results of all products: p and q, or their sum.

    Args:
        cell: the functions of one step.
        params: given to them.
        state: the state before the step.
        p: the projected input.
    """
    q = None if cell.recur is None else cell.recur(params, state)
    return jax.tree.map(jnp.add, p, q) if cell.additive else (p, q)


def finish(
    cell: CellFunctions, params: Params, state: State, joined: Any, step: Steps
) -> tuple[State, Array]:
    """Return the state and the output after a step whose products are computed.

    Args:
        cell: the functions of one step.
        params: given to them.
        state: the state before the step.
        joined: the result of `join`.
        step: mask and noise of the step.
    """
    if cell.additive:
        p, q = joined, jax.tree.map(jnp.zeros_like, joined)
    else:
        p, q = joined
    new = cell.update(params, state, p, q, step.noise)
    if step.mask is not None:
        new = select(step.mask, new, state)
    return new, zero_padding(cell.output(params, new, p), step.mask)
