"""Newton's method for the states of a non-linear recurrence.

The states of a sequence are the root of ``s_t - f(s_(t-1), x_t)`` for all t. Each
iteration linearises f around the last guess and solves the linear recurrence that
remains, for all steps in parallel, or on a CPU in turn (DEER, Lim et al. 2023,
arXiv:2309.12252). With only the diagonal of the Jacobian it needs little memory, but
more iterations (quasi-DEER, Gonzalez et al. 2024, arXiv:2407.19115). Near the root each
iteration squares the error. If f is chaotic or the sequence long, the iteration may not
converge; then the steps are computed one after the other.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.engine.custom_gradient import CustomGradient
from zoo.engine.linear_scan import linear_scan, shifted
from zoo.engine.loop import CellFunctions, Steps
from zoo.engine.masks import select
from zoo.engine.platform import platform
from zoo.engine.varying import vary_alike
from zoo.types import Array, Params, State

Restore = Callable[[Array], State]


class Solver(NamedTuple):
    """What is constant over the iterations.

    Attributes:
        cell: the functions of one step.
        reverse: run from the last step to the first.
        full: full Jacobians instead of their diagonals.
        tolerance: the largest relative change of a converged state.
        max_iterations: after these the steps are computed one after the other.
    """

    cell: CellFunctions
    reverse: bool
    full: bool
    tolerance: float
    max_iterations: int


@CustomGradient
def solve(
    solver: Solver, params: Params, initial: State, state: State, steps: Steps
) -> tuple[State, Array]:
    """Return the states after all steps, and the number of iterations.

    Args:
        solver: what is constant over the iterations.
        params: of the cell.
        initial: the state that a reset restarts from.
        state: the state before the first step in processing order.
        steps: what the loop would read, one step or more.

    Returns:
        The states ``[T, B, ...]``, and the number of iterations: `max_iterations` + 1
        if the steps were computed one after the other.
    """
    first, restore = _flat(state)
    f = partial(_step, solver.cell, restore)

    def apply(before: Array) -> Array:
        return jax.vmap(partial(f, params, initial))(before, steps)

    def improve(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        guess, _, iterations = carry
        before = shifted(guess, first, reverse=solver.reverse)
        a, s = _linearise(solver, f, params, initial, before, steps)
        if solver.full:
            b = s - jnp.einsum("tbij,tbj->tbi", a, before)
            new = _matrix_scan(a, b, first, solver.reverse)
        else:
            b = s - a * before
            new = linear_scan(a, b, first, reverse=solver.reverse)
        size = jnp.abs(new).max(initial=1)
        return new, jnp.abs(new - guess).max(initial=0) / size, iterations + 1

    def continues(carry: tuple[Array, ...]) -> Array:
        # A NaN compares as False and ends the iteration, too.
        _, change, iterations = carry
        return (change > solver.tolerance) & (iterations < solver.max_iterations)

    # One step from the first state at every position: one evaluation, no iteration.
    guess = apply(jnp.broadcast_to(first, (steps.x.shape[0], *first.shape)))
    change = jnp.full((), jnp.inf, first.dtype)
    # Their number depends on the rows, and so may differ between devices.
    start = vary_alike(guess, change, jnp.zeros((), jnp.int32))
    states, change, iterations = jax.lax.while_loop(continues, improve, start)

    def body(s: Array, step: Steps) -> tuple[Array, Array]:
        s = f(params, initial, s, step)
        return s, s

    def in_turn() -> tuple[Array, Array]:
        _, states = jax.lax.scan(body, first, steps, reverse=solver.reverse)
        return states, jnp.full_like(iterations, solver.max_iterations + 1)

    converged = change <= solver.tolerance
    states, iterations = jax.lax.cond(converged, lambda: (states, iterations), in_turn)
    return jax.vmap(restore)(states), iterations


def _forward(
    solver: Solver, params: Params, initial: State, state: State, steps: Steps
) -> tuple[tuple[State, Array], Any]:
    solved: Any = solve(solver, params, initial, state, steps)
    states, iterations = solved
    return (states, iterations), (params, initial, state, steps, states)


def _backward(solver: Solver, kept: Any, cotangents: Any) -> tuple[Any, ...]:
    """Solve ``g_t = d_s_t + g_(t+1) A_(t+1)``; g is the cotangent of f's results."""
    params, initial, state, steps, states = kept
    first, restore = _flat(state)
    f = partial(_step, solver.cell, restore)
    flat_states = jax.vmap(lambda s: _flat(s)[0])(states)
    d_states = jax.vmap(lambda s: _flat(s)[0])(cotangents[0])
    before = shifted(flat_states, first, reverse=solver.reverse)
    zero = jnp.zeros_like(first)
    backwards = not solver.reverse
    if solver.full:
        a, _ = _linearise(solver, f, params, initial, before, steps)
        later = shifted(a, jnp.zeros_like(a[0]), reverse=backwards)
        g = _matrix_scan(jnp.swapaxes(later, -1, -2), d_states, zero, backwards)
    else:

        def body(later: Array, step: Any) -> tuple[Array, Array]:
            before, step, d_state = step
            g = d_state + later
            _, pull = jax.vjp(lambda s: f(params, initial, s, step), before)
            return pull(g)[0], g

        _, g = jax.lax.scan(body, zero, (before, steps, d_states), reverse=backwards)

    def apply(params: Params, initial: State, before: Array, x: Array) -> Array:
        return jax.vmap(partial(f, params, initial))(before, steps._replace(x=x))

    _, pull = jax.vjp(apply, params, initial, before, steps.x)
    d_params, d_initial, d_before, d_x = pull(g)
    d_first = d_before[-1 if solver.reverse else 0]
    return d_params, d_initial, restore(d_first), Steps(d_x, None, None, None)


def _tangents(solver: Solver, kept: Any, tangents: Any) -> tuple[State, Any]:
    """Solve ``d_s_t = A_t d_s_(t-1) + b_t``, b the tangents of f at fixed states."""
    params, initial, state, steps, states = kept
    d_params, d_initial, d_state, d_steps = tangents
    (first, restore), (d_first, _) = _flat(state), _flat(d_state)
    f = partial(_step, solver.cell, restore)
    flat_states = jax.vmap(lambda s: _flat(s)[0])(states)
    before = shifted(flat_states, first, reverse=solver.reverse)

    def apply(params: Params, initial: State, x: Array) -> Array:
        return jax.vmap(partial(f, params, initial))(before, steps._replace(x=x))

    inputs = params, initial, steps.x
    _, b = jax.jvp(apply, inputs, (d_params, d_initial, d_steps.x))
    if solver.full:
        a, _ = _linearise(solver, f, params, initial, before, steps)
        d_states = _matrix_scan(a, b, d_first, solver.reverse)
    else:

        def body(d_s: Array, step: Any) -> tuple[Array, Array]:
            before, step, b = step
            _, d_s = jax.jvp(lambda s: f(params, initial, s, step), (before,), (d_s,))
            return d_s + b, d_s + b

        _, d_states = jax.lax.scan(
            body, d_first, (before, steps, b), reverse=solver.reverse
        )
    return jax.vmap(restore)(d_states), np.zeros((), jax.dtypes.float0)


solve.define(_forward, _backward, _tangents)


def _step(
    cell: CellFunctions,
    restore: Restore,
    params: Params,
    initial: State,
    s: Array,
    step: Steps,
) -> Array:
    """Return f: the state after a step, masked and reset, as one array ``[B, N]``."""
    state = restore(s)
    if step.restart is not None:
        state = select(step.restart, initial, state)
    p = cell.project(params, step.x)
    q = None if cell.recur is None else cell.recur(params, state)
    new = cell.update(params, state, p, q, step.noise)
    if step.mask is not None:
        new = select(step.mask, new, state)
    return _flat(new)[0]


def _linearise(
    solver: Solver,
    f: Callable[..., Array],
    params: Params,
    initial: State,
    before: Array,
    steps: Steps,
) -> tuple[Array, Array]:
    """Return the Jacobians of all steps, or their diagonals, and the values of f."""

    def at_step(s: Array, step: Steps) -> tuple[Array, Array]:
        """Return both for one step of all rows, which are independent."""

        def push(direction: Array) -> tuple[Array, Array]:
            tangent = jnp.broadcast_to(direction, s.shape)
            return jax.jvp(lambda s: f(params, initial, s, step), (s,), (tangent,))

        directions = jnp.eye(s.shape[-1], dtype=s.dtype)
        if solver.full:
            value, columns = jax.vmap(push)(directions)
            return jnp.moveaxis(columns, 0, -1), value[0]
        entries = jax.lax.map(
            lambda k: push(directions[k])[1][:, k], jnp.arange(s.shape[-1])
        )
        return entries.T, f(params, initial, s, step)

    return jax.vmap(at_step)(before, steps)


def _matrix_scan(a: Array, b: Array, first: Array, reverse: bool) -> Array:
    """Return ``s_t = a_t s_(t-1) + b_t`` for all steps; a ``[T, B, N, N]``."""

    def advance(s: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        a, b = step
        s = jnp.einsum("bij,bj->bi", a, s) + b
        return s, s

    if platform() == "cpu":  # not wide enough for a tree of matrix products
        return jax.lax.scan(advance, first, (a, b), reverse=reverse)[1]

    def compose(
        earlier: tuple[Array, Array], later: tuple[Array, Array]
    ) -> tuple[Array, Array]:
        (a, b), (c, d) = earlier, later
        return c @ a, jnp.einsum("...ij,...j->...i", c, b) + d

    a, b = jax.lax.associative_scan(compose, (a, b), reverse=reverse)
    return jnp.einsum("tbij,bj->tbi", a, first) + b


def _flat(state: State) -> tuple[Array, Restore]:
    """Return a state as one array ``[B, N]``, and the function that restores it."""
    parts, tree = jax.tree.flatten(state)
    sizes = [part.shape[-1] for part in parts]
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes) - 1)]

    def restore(flat: Array) -> State:
        return jax.tree.unflatten(tree, jnp.split(flat, ends, axis=-1))

    return jnp.concatenate(parts, axis=-1), restore
