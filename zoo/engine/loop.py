"""One step after another, and the gradient of it.

Left to itself, the gradient of a loop adds to every matrix at every step: a product
with few rows, and the whole matrix read and written again. `collected` has a backward
pass of its own. Its loop, which runs the other way, only keeps the gradients of p and
q; each matrix gets its gradient afterwards, in one product over all steps. What
`update` made of p and q is computed again rather than stored.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.engine.native import Kernel
from zoo.types import Array, Params, State


class Span(NamedTuple):
    """Steps that are taken all at once.

    Attributes:
        mask: bool ``[B, T]``, or None.
        reset: bool ``[B, T]``, or None.
        reverse: whether the last step is met first.
    """

    mask: Array | None
    reset: Array | None
    reverse: bool


class CellFunctions(NamedTuple):
    """A cell as pure functions of its parameters.

    Attributes:
        project: ``(params, x[..., D]) -> p``, all that does not depend on the state.
        recur: ``(params, state[..., H]) -> q``, the products with the state; it may be
            given the states of many steps at once. None if they cannot be taken out of
            `update`, which is then given None for q.
        update: ``(params, state, p, q, noise) -> state``, the rest of one step.
        output: ``(params, state, p) -> y``, the read-out.
        additive: whether p and q enter only as p + q, so that one array need be kept.
        recompute: whether the backward pass is to have no more stored than the states.
        parallel: ``(params, p, state, initial, span) -> (state, y, states)``, all steps
            at once, rows before time, of a cell that is linear in its state; states may
            be None, and y at padding may be anything. None if each step has to wait for
            the one before.
        prefers: ``(B, T, gradient) -> bool``, whether `parallel` is to be called, and
            not the loop, of so many rows and steps; with its gradient, or without one.
        native: a kernel that runs all of the loop, None if there is none.
    """

    project: Callable[[Params, Array], Any]
    recur: Callable[[Params, State], Any] | None
    update: Callable[[Params, State, Any, Any, Any], State]
    output: Callable[[Params, State, Any], Array]
    additive: bool = False
    recompute: bool = False
    parallel: Callable[..., tuple[State, Array, State]] | None = None
    prefers: Callable[[int, int, bool], bool] = lambda B, T, gradient: True
    native: Kernel | None = None


class Loop(NamedTuple):
    """What is fixed before anything runs.

    Attributes:
        cell: what one step does.
        reverse: run from the last step to the first.
        states: also return the state after every step.
        ahead: project the inputs of all steps ahead of the loop.
        unroll: steps in one iteration of the loop.
        recompute: store only the states for the backward pass.
    """

    cell: CellFunctions
    reverse: bool
    states: bool
    ahead: bool
    unroll: int
    recompute: bool

    def run(self, body, carry, steps, *, backwards=False):
        """``jax.lax.scan`` in the direction of the loop, or against it."""
        reverse = self.reverse != backwards
        return jax.lax.scan(body, carry, steps, reverse=reverse, unroll=self.unroll)


class Steps(NamedTuple):
    """What the loop reads, an entry for each step ``[T, ...]``.

    Attributes:
        x: the inputs.
        mask: bool ``[T, B]``, or None.
        reset: bool ``[T, B]``, or None.
        noise: what `CellFunctions.update` is passed.
    """

    x: Array
    mask: Array | None
    reset: Array | None
    noise: Any


def plain(loop: Loop, params: Params, initial: State, state: State, steps: Steps):
    """Run the loop, with the gradient that JAX makes of it.

    Args:
        loop: what is fixed.
        params: passed to the functions of the cell.
        initial: the state that a reset restarts from.
        state: the state before the first step that the loop meets.
        steps: what it reads.

    Returns:
        The state after the last step, and ``(y, states)``; states may be None.
    """
    state, (y, states, _) = _forward(loop, False, params, initial, state, steps)
    return state, (y, states)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def collected(loop: Loop, params: Params, initial: State, state: State, steps: Steps):
    """Run the loop, with gradients of the matrices that are formed after it.

    Args:
        loop: as for `plain`; its cell has a `recur`.
        params: as for `plain`.
        initial: as for `plain`.
        state: as for `plain`.
        steps: as for `plain`; the noise gets no gradient.

    Returns:
        As `plain`.
    """
    return plain(loop, params, initial, state, steps)


def _forward(loop, keep, params, initial, state, steps):
    """Run the loop; with `keep`, also return what `_backward` needs of each step."""
    body = partial(_body, loop, keep, params, initial)
    if loop.recompute and not keep:
        # In a loop nothing can be merged with the step it repeats: no barrier is
        # needed.
        body = jax.checkpoint(body, prevent_cse=False)
    if loop.ahead:
        steps = steps._replace(x=loop.cell.project(params, steps.x))
    return loop.run(body, state, steps)


def _body(loop, keep, params, initial, state, step):
    """One step of the loop: the body of ``jax.lax.scan``."""
    p = step.x if loop.ahead else loop.cell.project(params, step.x)
    if step.reset is not None:
        state = select(step.reset, initial, state)
    joined = _join(loop.cell, params, state, p)
    new, y = _finish(loop.cell, params, state, joined, step)
    kept = (state, None if loop.recompute else joined) if keep else None
    return new, (y, new if loop.states else None, kept)


def _join(cell, params, state, p):
    """Return all that the products have made: p and q, or their sum."""
    q = None if cell.recur is None else cell.recur(params, state)
    return jax.tree.map(jnp.add, p, q) if cell.additive else (p, q)


def _apart(cell, by_joined):
    """Return the gradients of p and q."""
    return (by_joined, by_joined) if cell.additive else by_joined


def _finish(cell, params, state, joined, step):
    """Return the state and the output after one step whose products are known."""
    if cell.additive:
        p, q = joined, jax.tree.map(jnp.zeros_like, joined)
    else:
        p, q = joined
    new = cell.update(params, state, p, q, step.noise)
    if step.mask is not None:
        new = select(step.mask, new, state)
    y = cell.output(params, new, p)
    if step.mask is not None:
        y = jnp.where(spread(step.mask, y), y, jnp.zeros((), y.dtype))
    return new, y


def _keep(loop, params, initial, state, steps):
    """The forward pass of `collected`."""
    state, (y, states, kept) = _forward(loop, True, params, initial, state, steps)
    return (state, (y, states)), (params, initial, steps, kept)


def _backward(loop, kept, gradients):
    """The backward pass of `collected`; ``by_a`` is the gradient of the loss by a."""
    params, initial, steps, (before, joined) = kept
    by_last, (by_y, by_states) = gradients
    cell = loop.cell
    # A state may also hold ints, which have no gradient.
    moving = [
        i
        for i, part in enumerate(jax.tree.leaves(before))
        if jnp.issubdtype(part.dtype, jnp.inexact)
    ]

    def join(step, before):
        return _join(cell, params, before, cell.project(params, step.x))

    def body(carry, step):
        by_state, by_initial, by_direct = carry
        now, step, before, by_y, by_states = step
        if by_states is not None:
            by_state = _add(by_state, _pick(by_states, moving))
        if loop.recompute:
            now = join(step, before)

        def finish(direct, moved, now):
            own, state = _put(params, used, direct), _put(before, moving, moved)
            new, y = _finish(cell, own, state, now, step)
            return _pick(new, moving), y

        def recur(moved):
            own = _put(params, square, [a.T for a in turned])
            return cell.recur(own, _put(before, moving, moved))

        moved = _pick(before, moving)
        _, by = jax.vjp(finish, _pick(params, used), moved, now)
        more, by_before, by_now = by((by_state, by_y))
        _, by = jax.vjp(recur, moved)
        by_before = _add(by_before, *by(_apart(cell, by_now)[1]))
        if step.reset is not None:
            zero = jax.tree.map(jnp.zeros_like, by_before)
            by_initial = _add(by_initial, select(step.reset, by_before, zero))
            by_before = select(step.reset, zero, by_before)
        by_direct = _add(by_direct, more)
        return (by_before, by_initial, by_direct), by_now

    # Parameters that act outside of the products, peepholes for one, are small: their
    # gradients are added up in the loop.
    first, first_before = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (steps, before)
    )
    each = jax.eval_shape(join, first, first_before)
    used = _used(cell, params, first, first_before, each)
    zeros = jax.tree.map(jnp.zeros_like, (_pick(initial, moving), _pick(params, used)))
    # The gradient multiplies with the transposed matrix: turned once and not at every
    # step, unless there is a single row, for which a CPU is faster as it stands.
    leaves, rows = jax.tree.leaves(params), steps.x.shape[1]
    square = [i for i, leaf in enumerate(leaves) if jnp.ndim(leaf) == 2 and rows > 1]
    turned = jax.lax.optimization_barrier([leaves[i].T for i in square])
    carry = (_pick(by_last, moving), *zeros)
    all_steps = (joined, steps, before, by_y, by_states)
    carry, by_joined = loop.run(body, carry, all_steps, backwards=True)
    by_state, by_initial, by_direct = carry

    by_p, by_q = _apart(cell, by_joined)
    _, by = jax.vjp(cell.project, params, steps.x)
    by_params, by_x = by(by_p)
    _, by = jax.vjp(lambda params: cell.recur(params, before), params)
    by_params = _add(by_params, *by(by_q))
    by_params = _put(by_params, used, _add(_pick(by_params, used), by_direct))
    nothing = jax.tree.map(lambda _: None, before)
    return (
        by_params,
        None if initial is None else _put(nothing, moving, by_initial),
        _put(nothing, moving, by_state),
        Steps(by_x, None, None, None),
    )


collected.defvjp(_keep, _backward)


def _used(cell, params, step, before, joined):
    """Return which leaves of the parameters `_finish` looks at; shapes are enough."""
    jaxpr = jax.make_jaxpr(lambda own, *rest: _finish(cell, own, *rest))(
        params, before, joined, step
    )
    read = {id(var) for equation in jaxpr.jaxpr.eqns for var in equation.invars}
    count = len(jax.tree.leaves(params))
    return [i for i, var in enumerate(jaxpr.jaxpr.invars[:count]) if id(var) in read]


def _pick(tree, which):
    """Return some leaves of a tree; none of no tree."""
    leaves = jax.tree.leaves(tree)
    return [leaves[i] for i in which] if leaves else []


def _put(tree, which, new):
    """Return a tree with some leaves replaced."""
    leaves, structure = jax.tree.flatten(tree, is_leaf=lambda leaf: leaf is None)
    for i, leaf in zip(which, new, strict=True):
        leaves[i] = leaf
    return jax.tree.unflatten(structure, leaves)


def _add(a, b):
    return jax.tree.map(jnp.add, a, b)


def spread(flags: Array, like: Array) -> Array:
    """Give flags the trailing axes of what they are to select.

    Args:
        flags: bool ``[B]`` or ``[B, T]``.
        like: an array whose first axes are those of `flags`.
    """
    return flags.reshape(flags.shape + (1,) * (like.ndim - flags.ndim))


def select(flags: Array, yes: State, no: State) -> State:
    """Choose between two states row by row.

    Args:
        flags: bool ``[B]``.
        yes: the state where they are True.
        no: the state where they are False.
    """
    return jax.tree.map(lambda a, b: jnp.where(spread(flags, a), a, b), yes, no)
