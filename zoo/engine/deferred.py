"""The loop with the gradients of matrices computed after it.

Differentiated by JAX, a loop adds to each weight gradient at every step: a product of
few rows that reads and writes the full matrix. `deferred_loop` defines its own backward
pass. Its loop, which runs against the direction of the forward pass,
computes only the cotangents of p and q; each matrix gets its gradient afterwards, in
one product over all steps. What `update` computes from p and q is recomputed rather
than stored.

``d_a`` is the gradient of the loss with respect to a.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.engine.custom_gradient import CustomGradient
from zoo.engine.loop import (
    CellFunctions,
    Loop,
    Result,
    Steps,
    finish,
    forward,
    join,
    plain_loop,
)
from zoo.engine.masks import select
from zoo.types import Array, Params, State


@CustomGradient
def deferred_loop(
    loop: Loop, params: Params, initial: State, state: State, steps: Steps
) -> Result:
    """Run the loop, with the gradients of matrices computed after it.

    Args:
        loop: as for `plain_loop`; its cell has a `recur`.
        params: as for `plain_loop`.
        initial: as for `plain_loop`.
        state: as for `plain_loop`.
        steps: as for `plain_loop`; the noise gets no gradient.

    Returns:
        As `plain_loop`.
    """
    return plain_loop(loop, params, initial, state, steps)


def _keep(
    loop: Loop, params: Params, initial: State, state: State, steps: Steps
) -> tuple[Result, Any]:
    """The forward pass of `deferred_loop`."""
    state, (y, states, kept) = forward(loop, True, params, initial, state, steps)
    return (state, (y, states)), (params, initial, steps, kept)


class _Backward(NamedTuple):
    """What is constant over the loop of the backward pass.

    Attributes:
        loop: of the forward pass.
        params: of the cell.
        differentiable: indices of the floating-point leaves of a state.
        direct: indices of the parameters that act outside of the products.
        matrices: indices of the matrices that are transposed before the loop.
        transposed: those matrices, transposed.
    """

    loop: Loop
    params: Params
    differentiable: Sequence[int]
    direct: Sequence[int]
    matrices: Sequence[int]
    transposed: Sequence[Array]


def _backward_step(fixed: _Backward, carry: Any, step: Any) -> tuple[Any, Any]:
    """Return the cotangents before a step, and those of its joined products."""
    d_state, d_initial, d_direct = carry
    joined, step, before, d_y, d_states = step
    cell = fixed.loop.cell
    if d_states is not None:
        d_state = _add(d_state, _pick(d_states, fixed.differentiable))
    if fixed.loop.recompute:
        p = cell.project(fixed.params, step.x)
        joined = join(cell, fixed.params, before, p)
    more, d_before, d_joined = _through_update(fixed, step, before, joined)(
        (d_state, d_y)
    )
    (d_recur,) = _through_recur(fixed, before)(_split(cell, d_joined)[1])
    d_before = _add(d_before, d_recur)
    if step.restart is not None:
        zero = jax.tree.map(jnp.zeros_like, d_before)
        d_initial = _add(d_initial, select(step.restart, d_before, zero))
        d_before = select(step.restart, zero, d_before)
    return (d_before, d_initial, _add(d_direct, more)), d_joined


def _through_update(
    fixed: _Backward, step: Steps, before: State, joined: Any
) -> Callable[..., Any]:
    """Return the VJP of `finish` with respect to parameters, state and products."""

    def update(
        direct: list[Array], leaves: list[Array], joined: Any
    ) -> tuple[list[Array], Array]:
        params = _put(fixed.params, fixed.direct, direct)
        state = _put(before, fixed.differentiable, leaves)
        new, y = finish(fixed.loop.cell, params, state, joined, step)
        return _pick(new, fixed.differentiable), y

    direct = _pick(fixed.params, fixed.direct)
    leaves = _pick(before, fixed.differentiable)
    return jax.vjp(update, direct, leaves, joined)[1]


def _through_recur(fixed: _Backward, before: State) -> Callable[..., Any]:
    """Return the VJP of `CellFunctions.recur` with respect to the state."""
    recur_of = fixed.loop.cell.recur
    assert recur_of is not None

    def recur(leaves: list[Array]) -> Any:
        swapped = [a.T for a in fixed.transposed]
        params = _put(fixed.params, fixed.matrices, swapped)
        return recur_of(params, _put(before, fixed.differentiable, leaves))

    return jax.vjp(recur, _pick(before, fixed.differentiable))[1]


def _backward(loop: Loop, kept: Any, cotangents: Any) -> tuple[Any, ...]:
    """The backward pass of `deferred_loop`."""
    params, initial, steps, (before, joined) = kept
    d_last, (d_y, d_states) = cotangents
    # A state may also hold ints, which have no gradient.
    differentiable = [
        i
        for i, part in enumerate(jax.tree.leaves(before))
        if jnp.issubdtype(part.dtype, jnp.inexact)
    ]
    # The gradients of parameters outside of the products, such as peepholes, are
    # small: the loop adds them up.
    direct = _direct_parameters(loop.cell, params, steps, before)
    zeros = jax.tree.map(
        jnp.zeros_like, (_pick(initial, differentiable), _pick(params, direct))
    )
    # The gradient multiplies with transposed matrices: they are transposed once and not
    # at every step, unless there is a single row, for which a CPU is faster without.
    leaves, rows = jax.tree.leaves(params), steps.x.shape[1]
    matrices = [i for i, leaf in enumerate(leaves) if jnp.ndim(leaf) == 2 and rows != 1]
    transposed = jax.lax.optimization_barrier([leaves[i].T for i in matrices])
    fixed = _Backward(loop, params, differentiable, direct, matrices, transposed)
    carry = (_pick(d_last, differentiable), *zeros)
    every_step = (joined, steps, before, d_y, d_states)
    body = partial(_backward_step, fixed)
    carry, d_joined = loop.run(body, carry, every_step, backwards=True)
    d_state, d_initial, d_direct = carry
    d_params, d_x = _through_products(loop.cell, params, steps.x, before, d_joined)
    d_params = _put(d_params, direct, _add(_pick(d_params, direct), d_direct))
    no_gradient = jax.tree.map(lambda _: None, before)
    return (
        d_params,
        None if initial is None else _put(no_gradient, differentiable, d_initial),
        _put(no_gradient, differentiable, d_state),
        Steps(d_x, None, None, None),
    )


deferred_loop.define(_keep, _backward)


def _through_products(
    cell: CellFunctions, params: Params, x: Array, before: State, d_joined: Any
) -> tuple[Params, Array]:
    """Return the gradients of matrices and inputs, in one product over all steps."""
    d_p, d_q = _split(cell, d_joined)
    _, pull = jax.vjp(cell.project, params, x)
    d_params, d_x = pull(d_p)
    recur = cell.recur
    assert recur is not None
    _, pull = jax.vjp(lambda params: recur(params, before), params)
    return _add(d_params, *pull(d_q)), d_x


def _direct_parameters(
    cell: CellFunctions, params: Params, steps: Steps, before: State
) -> list[int]:
    """Return which leaves of the parameters `finish` reads; shapes are enough."""
    step, state = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (steps, before)
    )
    joined = jax.eval_shape(
        lambda step, state: join(cell, params, state, cell.project(params, step.x)),
        step,
        state,
    )
    jaxpr = jax.make_jaxpr(lambda own, *rest: finish(cell, own, *rest))(
        params, state, joined, step
    )
    read = {id(var) for equation in jaxpr.jaxpr.eqns for var in equation.invars}
    count = len(jax.tree.leaves(params))
    return [i for i, var in enumerate(jaxpr.jaxpr.invars[:count]) if id(var) in read]


def _split(cell: CellFunctions, d_joined: Any) -> Any:
    """Return the gradients of p and q."""
    return (d_joined, d_joined) if cell.additive else d_joined


def _pick(tree: Any, indices: Sequence[int]) -> list[Array]:
    """Return some leaves of a tree; none if the tree is None."""
    leaves = jax.tree.leaves(tree)
    return [leaves[i] for i in indices] if leaves else []


def _put(tree: Any, indices: Sequence[int], new: Sequence[Any]) -> Any:
    """Return a tree with some leaves replaced."""
    leaves, structure = jax.tree.flatten(tree, is_leaf=lambda leaf: leaf is None)
    for i, leaf in zip(indices, new, strict=True):
        leaves[i] = leaf
    return jax.tree.unflatten(structure, leaves)


def _add(a: Any, b: Any) -> Any:
    return jax.tree.map(jnp.add, a, b)
