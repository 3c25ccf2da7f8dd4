"""All steps of a non-linear cell at once, by Newton's method.

A sequence of states is the root of ``s_t - f(s_(t-1), x_t)`` at all t together. Each
iteration makes f linear around the last guess and solves the linear recurrence that is
left, for all steps at once, or on a CPU in turn (DEER, Lim et al. 2023,
arXiv:2309.12252); with the diagonal of the Jacobian alone it is cheap in memory, but
needs more iterations (quasi-DEER, Gonzalez et al. 2024, arXiv:2407.19115). Near the
root the error is squared in each iteration; where f is chaotic, or the sequence long,
it may not get there, and the steps are taken one after the other after all.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine.linear_scan import linear_scan, shifted
from zoo.engine.loop import CellFunctions, Loop, Steps, plain, select, spread
from zoo.engine.platform import platform
from zoo.engine.scan import restarts, time_first
from zoo.layers import Recurrent
from zoo.layers.noise import Noise
from zoo.types import Array, ArrayLike, State


class Solver(NamedTuple):
    """What is fixed before anything runs.

    Attributes:
        cell: what one step does.
        reverse: run from the last step to the first.
        full: whole Jacobians, not their diagonals.
        tolerance: the largest change of a state that is none.
        max_iterations: after which the steps are taken one after the other.
    """

    cell: CellFunctions
    reverse: bool
    full: bool
    tolerance: float
    max_iterations: int


def deer(
    layer: Recurrent,
    x: ArrayLike,
    mask: ArrayLike | None = None,
    state: State = None,
    *,
    reset: ArrayLike | None = None,
    jacobian: Literal["full", "diagonal"] = "full",
    tolerance: float = 1e-6,
    max_iterations: int = 50,
) -> tuple[State, Array, Array]:
    """Run a layer of one cell over a batch of sequences, all steps at once.

    The same result as ``layer(x, mask, state, reset=reset)``, to the tolerance times
    how much a step makes of an error. Gradients, in reverse mode, are those of the
    solution and not of the iterations: with full Jacobians a linear recurrence the
    other way, all steps at once; with diagonal ones a loop from step to step.

    With N numbers in the state, ``jacobian="full"`` keeps B T N N numbers and
    multiplies matrices of N x N: it is for small states, on a machine that is wide.
    ``"diagonal"`` keeps B T N, and takes more iterations the more the units see each
    other. ``benchmarks/deer.py`` measures where either wins.

    Args:
        layer: a layer of one cell, in either direction.
        x: as for a call of the layer.
        mask: as for a call of the layer.
        state: as for a call of the layer.
        reset: as for a call of the layer.
        jacobian: ``"full"``, or ``"diagonal"`` for its diagonal alone.
        tolerance: the iterations end when no state changes by more than this times the
            largest state, or times one.
        max_iterations: the most iterations; after them, or where a number is not
            finite, the steps are taken one after the other.

    Returns:
        The final state and y as the layer returns them, and the number of iterations:
        `max_iterations` + 1 if the steps were taken one after the other.

    Raises:
        ValueError: if the layer is not of one cell, its state holds integers or
            states of other cells, or an argument is not as told.
    """
    if not isinstance(layer, Recurrent):
        raise ValueError(
            f"layer must be a zoo.Recurrent, of one cell, got {type(layer).__name__}"
        )
    checks.one_of("jacobian", jacobian, ("full", "diagonal"))
    checks.positive("max_iterations", max_iterations)
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance!r}")
    x = layer._checked_input("x", x, "[B, T, D]")
    for name, flags in (("mask", mask), ("reset", reset)):
        if flags is not None:
            checks.shape(name, flags, x.shape[:2], "[B, T]")
            checks.boolean(name, flags)
    initial = layer.init_state(x.shape[0])
    if state is None:
        state = initial
    layer._check_state(state, x.shape[0])
    for part in jax.tree.leaves(state):
        if not jnp.issubdtype(part.dtype, jnp.floating) or part.ndim != 2:
            raise ValueError(
                f"the state of {type(layer.cell).__name__} must hold arrays [B, N] of "
                f"floating point numbers to be solved for, got {part.dtype} of shape "
                f"{part.shape}"
            )
    cell, params = layer._functions()
    if mask is not None:
        mask = jnp.asarray(mask)
    if reset is not None:
        reset = restarts(jnp.asarray(reset), mask, reverse=layer.reverse)
    steps = time_first(x, mask, reset, Noise())
    solver = Solver(
        cell, layer.reverse, jacobian == "full", float(tolerance), max_iterations
    )
    if not x.shape[1]:
        loop = Loop(cell, layer.reverse, False, False, 1, False)
        state, (y, _) = plain(loop, params, initial, state, steps)
        return state, jnp.moveaxis(y, 0, 1), jnp.zeros((), jnp.int32)
    solved: Any = _solve(solver, params, initial, state, steps)
    states, iterations = solved
    y = cell.output(params, states, cell.project(params, steps.x))
    if steps.mask is not None:
        y = jnp.where(spread(steps.mask, y), y, jnp.zeros((), y.dtype))
    end = 0 if layer.reverse else -1
    last = jax.tree.map(lambda part: part[end], states)
    return last, jnp.moveaxis(y, 0, 1), iterations


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _solve(solver, params, initial, state, steps):
    """Return the states after all steps, and the number of iterations."""
    first, restore = _joined(state)
    f = partial(_step, solver.cell, restore)

    def after(before):
        return jax.vmap(partial(f, params, initial))(before, steps)

    def improve(found):
        guess, _, iterations = found
        before = shifted(guess, first, reverse=solver.reverse)
        a, s = _linearised(solver, f, params, initial, before, steps)
        if solver.full:
            b = s - jnp.einsum("tbij,tbj->tbi", a, before)
            new = _matrix_scan(a, b, first, solver.reverse)
        else:
            b = s - a * before
            new = linear_scan(a, b, first, reverse=solver.reverse)
        size = jnp.maximum(jnp.abs(new).max(), 1)
        return new, jnp.abs(new - guess).max() / size, iterations + 1

    def goes_on(found):
        # A change that is no number ends it, too: it compares as False.
        return (found[1] > solver.tolerance) & (found[2] < solver.max_iterations)

    # From a step of every state at the first: one evaluation, no iteration.
    guess = after(jnp.broadcast_to(first, (steps.x.shape[0], *first.shape)))
    change = jnp.full((), jnp.inf, first.dtype)
    found, change, iterations = jax.lax.while_loop(
        goes_on, improve, (guess, change, jnp.zeros((), jnp.int32))
    )

    def body(s, step):
        s = f(params, initial, s, step)
        return s, s

    def in_turn():
        _, found = jax.lax.scan(body, first, steps, reverse=solver.reverse)
        return found, jnp.full((), solver.max_iterations + 1, jnp.int32)

    done = change <= solver.tolerance
    found, iterations = jax.lax.cond(done, lambda: (found, iterations), in_turn)
    return jax.vmap(restore)(found), iterations


def _forward(solver, params, initial, state, steps):
    solved: Any = _solve(solver, params, initial, state, steps)
    states, iterations = solved
    return (states, iterations), (params, initial, state, steps, states)


def _backward(solver, kept, gradients):
    """Solve ``g_t = by_s_t + g_(t+1) A_(t+1)``: g is the gradient by f's results."""
    params, initial, state, steps, states = kept
    first, restore = _joined(state)
    f = partial(_step, solver.cell, restore)
    found = jax.vmap(lambda s: _joined(s)[0])(states)
    by_found = jax.vmap(lambda s: _joined(s)[0])(gradients[0])
    before = shifted(found, first, reverse=solver.reverse)
    nothing = jnp.zeros_like(first)
    back = not solver.reverse
    if solver.full:
        a, _ = _linearised(solver, f, params, initial, before, steps)
        later = shifted(a, jnp.zeros_like(a[0]), reverse=back)
        g = _matrix_scan(jnp.swapaxes(later, -1, -2), by_found, nothing, back)
    else:

        def body(later, step):
            before, step, by_found = step
            g = by_found + later
            _, by = jax.vjp(lambda s: f(params, initial, s, step), before)
            return by(g)[0], g

        _, g = jax.lax.scan(body, nothing, (before, steps, by_found), reverse=back)

    def after(params, initial, before, x):
        each = steps._replace(x=x)
        return jax.vmap(partial(f, params, initial))(before, each)

    _, by = jax.vjp(after, params, initial, before, steps.x)
    by_params, by_initial, by_before, by_x = by(g)
    by_first = by_before[-1 if solver.reverse else 0]
    return by_params, by_initial, restore(by_first), Steps(by_x, None, None, None)


_solve.defvjp(_forward, _backward)


def _step(
    cell: CellFunctions, restore, params, initial, s: Array, step: Steps
) -> Array:
    """Return f: the state after a step, masked and reset, as one array ``[B, N]``."""
    state = restore(s)
    if step.reset is not None:
        state = select(step.reset, initial, state)
    p = cell.project(params, step.x)
    q = None if cell.recur is None else cell.recur(params, state)
    new = cell.update(params, state, p, q, Noise())
    if step.mask is not None:
        new = select(step.mask, new, state)
    return _joined(new)[0]


def _linearised(solver, f, params, initial, before, steps) -> tuple[Array, Array]:
    """Return the Jacobians of all steps, or their diagonals, and f itself."""

    def one(s, step):
        """Return both for a single step of all rows, which do not see each other."""

        def along(direction):
            each = jnp.broadcast_to(direction, s.shape)
            return jax.jvp(lambda s: f(params, initial, s, step), (s,), (each,))

        directions = jnp.eye(s.shape[-1], dtype=s.dtype)
        if solver.full:
            value, columns = jax.vmap(along)(directions)
            return jnp.moveaxis(columns, 0, -1), value[0]
        entries = jax.lax.map(
            lambda k: along(directions[k])[1][:, k], jnp.arange(s.shape[-1])
        )
        return entries.T, f(params, initial, s, step)

    return jax.vmap(one)(before, steps)


def _matrix_scan(a: Array, b: Array, first: Array, reverse: bool) -> Array:
    """Return ``s_t = a_t s_(t-1) + b_t`` of all steps; a ``[T, B, N, N]``."""

    def advance(s, step):
        a, b = step
        s = jnp.einsum("bij,bj->bi", a, s) + b
        return s, s

    if platform() == "cpu":  # not wide enough for a tree, which multiplies matrices
        return jax.lax.scan(advance, first, (a, b), reverse=reverse)[1]

    def join(one, then):
        (a, b), (c, d) = one, then
        return c @ a, jnp.einsum("...ij,...j->...i", c, b) + d

    a, b = jax.lax.associative_scan(join, (a, b), reverse=reverse)
    return jnp.einsum("tbij,bj->tbi", a, first) + b


def _joined(state: State) -> tuple[Array, Any]:
    """Return a state as one array ``[B, N]``, and what takes it apart again."""
    parts, tree = jax.tree.flatten(state)
    sizes = [part.shape[-1] for part in parts]
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes) - 1)]

    def restore(joined: Array) -> State:
        return jax.tree.unflatten(tree, jnp.split(joined, ends, axis=-1))

    return jnp.concatenate(parts, axis=-1), restore
