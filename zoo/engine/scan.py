"""Run a cell over time, as its plan says.

For one row of a batch, in processing order, all bodies compute

    for t in range(T):
        if reset[t]: state = initial            # a new sequence begins in this row
        p, q = project(params, x[t]), recur(params, state)
        new = update(params, state, p, q, noise[t])
        state = new if mask[t] else state       # padding: the state passes through
        y[t] = output(params, state, p) if mask[t] else 0

With ``reverse=True`` the loop runs from the last step to the first, and a reset
restarts the state before the next token in processing order.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from zoo.engine import native
from zoo.engine.deferred import deferred_loop
from zoo.engine.loop import (
    CellFunctions,
    Loop,
    Steps,
    plain_loop,
    swap_time_and_rows,
    time_first,
)
from zoo.engine.masks import restarts
from zoo.engine.parallel import parallel_gradient, parallel_steps
from zoo.engine.plan import Plan
from zoo.engine.platform import platform
from zoo.engine.varying import vary_alike
from zoo.types import Array, Params, State

BODIES = {
    "plain": plain_loop,
    "deferred": deferred_loop,
    "parallel": parallel_steps,
    "parallel_gradient": parallel_gradient,
}


def scan(
    cell: CellFunctions,
    params: Params,
    x: Array,
    state: State,
    *,
    plan: Plan,
    mask: Array | None = None,
    reset: Array | None = None,
    initial: State = None,
    noise: Any = None,
    reverse: bool = False,
    states: bool = False,
) -> tuple[State, Array, State]:
    """Run a cell over time.

    Args:
        cell: the functions of one step.
        params: given to each of them.
        x: inputs ``[B, T, ...]``; their values at padding are never read.
        state: the state before the first step in processing order.
        plan: how the call runs, from `zoo.engine.plan.make_plan`.
        mask: bool ``[B, T]``, True = a real token; None if all are.
        reset: bool ``[B, T]``, True = the first token of a sequence packed into the
            row; ignored at padding. A reversed loop returns the state after its last
            step, also if that step carries a reset.
        initial: the state that a reset restarts from; needed with `reset`.
        noise: a pytree ``[T, ...]``, one entry for each step.
        reverse: run from the last step to the first; outputs stay in reading order.
        states: also return the state after every step.

    Returns:
        The state after the last step in processing order; the outputs ``[B, T, ...]``,
        zero at padding; and the states of all steps, ``[B, T, ...]``, or None.
    """
    # The loop carries arrays of one type, which depend on all of these.
    params, x, state, mask, reset, initial, noise = vary_alike(
        params, x, state, mask, reset, initial, noise
    )
    restart = None if reset is None else restarts(reset, mask, reverse=reverse)
    if plan.backend == "native":
        flags = native.Flags(mask, restart)
        arguments = params, x, state, initial, flags
        last, y = _run_kernel(cell, plan, reverse, noise, *arguments)
        return last, y, None
    steps = time_first(x, mask, restart, noise)
    return _run_loop(cell, plan, reverse, states, params, steps, state, initial)


def _run_loop(
    cell: CellFunctions,
    plan: Plan,
    reverse: bool,
    states: bool,
    params: Params,
    steps: Steps,
    state: State,
    initial: State,
) -> tuple[State, Array, State]:
    """Do what `scan` does, in JAX."""
    loop = Loop(
        cell,
        reverse,
        states,
        plan.precompute,
        plan.unroll,
        plan.recompute,
        plan.linear_kernel,
    )
    run = partial(BODIES[plan.body], loop, params, initial)
    state, ys = _in_chunks(run, plan.chunk, state, steps, reverse)
    y, all_states = jax.tree.map(swap_time_and_rows, ys)
    return state, y, all_states


def _run_kernel(
    cell: CellFunctions,
    plan: Plan,
    reverse: bool,
    noise: Any,
    params: Params,
    x: Array,
    state: State,
    initial: State,
    flags: native.Flags,
) -> tuple[State, Array]:
    """Return the last state and y, by calls of a kernel."""

    def in_jax(
        params: Params, x: Array, state: State, initial: State, flags: native.Flags
    ) -> tuple[State, Array]:
        steps = time_first(x, flags.mask, flags.restart, noise)
        last, y, _ = _run_loop(
            cell, plan, reverse, False, params, steps, state, initial
        )
        return last, y.astype(jnp.float32)  # as the kernels return it

    assert cell.kernel is not None
    call = native.Call(cell.kernel, platform(), reverse, plan.recompute, in_jax)

    def run(state: State, steps: Any) -> tuple[State, Array]:
        x, flags = steps
        result: Any = native.layer(call, params, x, state, initial, flags)
        return result

    def run_chunk(state: State, steps: Any) -> tuple[State, Array]:
        last, y = run(state, jax.tree.map(swap_time_and_rows, steps))
        return last, swap_time_and_rows(y)

    steps = x.astype(jnp.float32), flags  # the kernel rounds what it multiplies
    if plan.chunk < 2:
        last, y = run(state, steps)
    else:
        swapped = jax.tree.map(swap_time_and_rows, steps)
        last, y = _in_chunks(run_chunk, plan.chunk, state, swapped, reverse)
        y = swap_time_and_rows(y)
    return last, y.astype(cell.kernel.dtype)


def _in_chunks(
    run: Callable[..., Any], chunk: int, state: State, steps: Any, reverse: bool
) -> Any:
    """Run the loop in chunks of steps, each recomputed by the backward pass."""
    if chunk < 2:
        return run(state, steps)

    length = jax.tree.leaves(steps)[0].shape[0]
    covered = length - length % chunk  # by chunks of full length
    main = jax.tree.map(
        lambda a: a[:covered].reshape(covered // chunk, chunk, *a.shape[1:]), steps
    )
    rest = jax.tree.map(lambda a: a[covered:], steps)
    inner = jax.checkpoint(run, prevent_cse=False)

    def run_main(state: State) -> tuple[State, Any]:
        state, ys = jax.lax.scan(inner, state, main, reverse=reverse)
        return state, jax.tree.map(lambda a: a.reshape(covered, *a.shape[2:]), ys)

    if not covered:
        return inner(state, rest)
    if covered == length:
        return run_main(state)
    if reverse:
        state, last = inner(state, rest)
        state, first = run_main(state)
    else:
        state, first = run_main(state)
        state, last = inner(state, rest)
    return state, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, last)
