"""The kernels for GPUs, which run the loop of a layer.

The products with all inputs, and those of the gradients of the matrices, stand outside
of the loop: they are large, and XLA's. What is left is a product with the state at
every step. U stays on the chip for all of them, divided among some multiprocessors,
which send each other the new states.
"""

from math import prod

import jax
import jax.numpy as jnp

from zoo.engine.matmul import product
from zoo.engine.native.call import (
    PLANES,
    STAGED,
    Call,
    Flags,
    Given,
    Gradients,
    foreign,
    parts,
)
from zoo.types import Array, State

# A call may have more layers than one, those of `jax.vmap`, which run side by side.
VMAP = "broadcast_all"


def forward(
    call: Call, given: Given, *, keep: bool
) -> tuple[list[Array], Array, list[Array]]:
    """Run a layer.

    Args:
        call: what is fixed.
        given: weights, inputs and states.
        keep: whether there will be a backward pass.

    Returns:
        h and c after the last step, y ``[B, T, H]``, and what `backward` needs besides:
        empty arrays without `keep`, and where the pass is to be made again.
    """
    (W, U, b), x, state, initial, flags = given
    (B, T, _), (H, columns) = x.shape, U.shape
    cell_state = "c" in state._fields
    keep = keep and not call.frugal
    p = _dot(call, _real(x, flags), W) + b[:columns]
    last_h, last_c = (B, H), (B, H) if cell_state else (0,)
    gates = (B, T, PLANES[call.kernel.name] * H) if keep else (0,)
    cells = (B, T, H) if keep and cell_state else (0,)
    before = (B, T, H) if keep else (0,)
    shapes = [(B, T, H), last_h, last_c, gates, cells, before]
    y, h, c, *kept = foreign("zoo_gpu_forward", shapes, VMAP)(
        p, U, b[columns:], *parts(state), *parts(initial), *flags.given,
        **call.attributes,
    )  # fmt: skip
    return [h, c], y, kept


def backward(
    call: Call,
    given: Given,
    kept: list[Array],
    by_last: State,
    by_y: Array,
) -> Gradients:
    """Return the gradients.

    Args:
        call: as for `forward`.
        given: as for `forward`.
        kept: what `forward` returned.
        by_last: the gradient by the state after the last step.
        by_y: the gradient by y.
    """
    if call.frugal:
        # After the gradient by y, and behind a barrier, or XLA would keep what is the
        # same from before.
        given, by_y = jax.lax.optimization_barrier((given, by_y))
        _, _, kept = forward(call._replace(frugal=False), given, keep=True)
    (W, U, b), x, state, initial, flags = given
    gates, cells, before = kept
    H, columns = U.shape
    shapes = [a.shape for a in (gates, *parts(state), *parts(initial))]
    # The gates are the fourth argument; their gradients take their place.
    planes, *by = foreign("zoo_gpu_backward", shapes, VMAP, {3: 0})(
        U, *flags.given, gates, cells, before, by_y, *parts(by_last), **call.attributes
    )
    by_p, more = planes[..., :columns], planes[..., columns:]

    def matrix(read, by):
        return _dot(call, _of_tokens(read).T, _of_tokens(by))

    if call.kernel.name in STAGED:
        of_h = matrix(before, by_p[..., :-H]), matrix(more, by_p[..., -H:])
        by_U = jnp.concatenate(of_h, -1)
    elif len(b) > columns:
        # The last gate has a q that does not enter as p + q.
        by_U = matrix(before, jnp.concatenate([by_p[..., :-H], more], -1))
    else:
        by_U = matrix(before, by_p)
    by_weights = matrix(_real(x, flags), by_p), by_U, planes.sum((0, 1))
    return Gradients(by_weights, _dot(call, by_p, W.T), by[:2], by[2:])


def linear(
    a: Array,
    b: Array,
    h: Array,
    *,
    axis: int,
    reverse: bool,
    pairs: bool,
    adjoint: bool,
    beside: tuple[Array, Array] | None = None,
) -> tuple[Array, Array]:
    """Return the states of a linear recurrence (`zoo.engine.linear_scan`), and totals.

    Args:
        a: factors, of as many axes as `b`; one entry may stand for all along any.
        b: what is added, float32.
        h: the state before the step that is met first.
        axis: that of time.
        reverse: whether the last step is met first.
        pairs: whether numbers are complex.
        adjoint: whether the recurrence is transposed.
        beside: an array like `b`, and one like `h` that stands behind its last step;
            only if `a` has one entry for all steps, of which there are some.

    Returns:
        The states, and the sum, over time, of each times the conjugate of what stands
        beside the step that is met next; without `beside` an empty array.
    """
    # Sequences, time, and lanes.
    outer, T, inner = b.shape[:axis], b.shape[axis], b.shape[axis + 1 :]
    L, N = prod(outer), prod(inner)
    # One entry for all is left as it is where the kernel knows of it.
    own = outer if prod(a.shape[:axis]) > 1 else a.shape[:axis]
    a = jnp.broadcast_to(a, (*own, a.shape[axis], *inner))
    a = a.astype(b.dtype).reshape(prod(own), -1, N)
    others, edge = (jnp.zeros(0, b.dtype),) * 2
    if beside is not None:
        others, edge = beside[0].reshape(L, T, N), beside[1].reshape(L, N)
    shapes = [(L, T, N), (0,) if beside is None else (L, N)]
    states, totals = foreign("zoo_gpu_linear", shapes, VMAP)(
        a, b.reshape(L, T, N), h.reshape(L, N), others, edge,
        reverse=reverse, pairs=pairs, adjoint=adjoint,
    )  # fmt: skip
    if beside is not None:
        totals = totals.reshape(h.shape)
    return states.reshape(b.shape), totals


def _real(x: Array, flags: Flags) -> Array:
    """Return inputs with zeros at padding: NaN times 0 is NaN."""
    return x if flags.mask is None else jnp.where(flags.mask[..., None], x, 0)


def _of_tokens(a: Array) -> Array:
    """Return ``[B * T, N]`` of ``[B, T, N]``."""
    return a.reshape(-1, a.shape[-1])


def _dot(call: Call, a: Array, b: Array) -> Array:
    """Multiply in the precision of the kernel; sums are float32."""
    return product(a, b, call.kernel.dtype, jnp.float32)
