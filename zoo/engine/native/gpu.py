"""The GPU kernels, which compute the loop of a layer.

Outside of the loop are the product of all inputs with W, and the products that give the
gradients of the matrices: large ones, which XLA computes. Inside is a product with the
state at every step. U stays on the chip during all steps, divided among several
multiprocessors, which exchange the new states.
"""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from zoo.engine.broadcast import align
from zoo.engine.masks import zero_padding
from zoo.engine.matmul import product
from zoo.engine.native.call import (
    Call,
    Gradients,
    LayerInputs,
    call_kernel,
    shapes_of,
    state_arrays,
    wheel,
)
from zoo.types import Array, State

# A call may compute several layers in parallel, those of `jax.vmap`.
VMAP = "broadcast_all"
OPTIONS: Any = {"shared": ("U", "bias"), "vmap": VMAP}


def forward(
    call: Call, inputs: LayerInputs, *, keep: bool
) -> tuple[list[Array], Array, list[Array]]:
    """Run a layer.

    Args:
        call: the static arguments.
        inputs: weights, inputs and states.
        keep: whether there will be a backward pass.

    Returns:
        h and c after the last step, y ``[B, T, H]``, and what else `backward` needs:
        empty arrays without `keep`, or if it recomputes the pass.
    """
    (W, U, b), x, state, initial, flags = inputs
    (B, T, _), (H, columns) = x.shape, U.shape
    cell_state = "c" in state._fields
    keep = keep and not call.recompute
    planes = len(wheel().TABLE.kernels[call.kernel.name].planes)
    shapes = {
        "y": (B, T, H),
        "last_h": (B, H),
        "last_c": (B, H) if cell_state else (0,),
        "gates": (B, T, planes * H) if keep else (0,),
        "cells": (B, T, H) if keep and cell_state else (0,),
        "states": (B, T, H) if keep else (0,),
    }
    p = _dot(call, zero_padding(x, flags.mask), W)
    p += align(b[:columns], p)
    arguments = {"p": p, "U": U, "bias": b[columns:], **flags.arrays}
    arguments |= state_arrays(state) | state_arrays(initial, "initial_")
    results = call_kernel(
        "zoo_gpu_forward", arguments, shapes, **OPTIONS, **call.attributes
    )
    last = [results["last_h"], results["last_c"]]
    kept = [results["gates"], results["cells"], results["states"]]
    return last, results["y"], kept


def backward(
    call: Call,
    inputs: LayerInputs,
    kept: list[Array],
    d_last: State,
    d_y: Array,
) -> Gradients:
    """Return the gradients.

    Args:
        call: as for `forward`.
        inputs: as for `forward`.
        kept: what `forward` returned.
        d_last: the cotangent of the state after the last step.
        d_y: the cotangent of y.
    """
    if call.recompute:
        # The barrier makes the pass depend on the cotangent. Otherwise XLA would merge
        # it with the first forward pass, and keep what that computed.
        inputs, d_y = jax.lax.optimization_barrier((inputs, d_y))
        _, _, kept = forward(call._replace(recompute=False), inputs, keep=True)
    (W, U, b), x, state, initial, flags = inputs
    gates, cells, states = kept
    H, columns = U.shape
    state_inputs = state_arrays(state) | state_arrays(initial, "initial_")
    arguments = {"U": U, "gates": gates, "cells": cells, "states": states, "d_y": d_y}
    arguments |= flags.arrays | state_arrays(d_last, "d_last_")
    d = call_kernel(
        "zoo_gpu_backward",
        arguments,
        shapes_of({"gates": gates, **state_inputs}),
        **OPTIONS,
        **call.attributes,
    )
    # The gradients of the gates' p = xW + b, then of a plane that has no block in W.
    d_gates = d["d_gates"]
    d_p, d_extra = d_gates[..., :columns], d_gates[..., columns:]

    def matrix_gradient(operand: Array, d_product: Array) -> Array:
        return _dot(call, _flatten_tokens(operand).T, _flatten_tokens(d_product))

    if wheel().TABLE.kernels[call.kernel.name].staged:
        # The last gate multiplies the last plane, which the backward pass leaves.
        blocks = (
            matrix_gradient(states, d_p[..., :-H]),
            matrix_gradient(d_extra, d_p[..., -H:]),
        )
        d_U = jnp.concatenate(blocks, -1)
    elif len(b) > columns:
        # The q = hU of the last gate is not added to p: it has its own gradient.
        d_U = matrix_gradient(states, jnp.concatenate([d_p[..., :-H], d_extra], -1))
    else:
        d_U = matrix_gradient(states, d_p)
    d_W = matrix_gradient(zero_padding(x, flags.mask), d_p)
    return Gradients(
        (d_W, d_U, d_gates.sum((0, 1))),
        _dot(call, d_p, W.T),
        [d["d_h"], d["d_c"]],
        [d["d_initial_h"], d["d_initial_c"]],
    )


def linear(
    a: Array,
    b: Array,
    h: Array,
    *,
    axis: int,
    reverse: bool,
    pairs: bool,
    adjoint: bool,
    weights: tuple[Array, Array] | None = None,
) -> tuple[Array, Array]:
    """Return the states of a linear recurrence, and their weighted sum over time.

    See `zoo.engine.linear_scan` for the recurrence. The weights are those of the
    following step, as in the gradient of a factor that all steps share.

    Args:
        a: factors, with as many axes as `b`; axes of size one are broadcast.
        b: what is added, float32.
        h: the state before the first step.
        axis: the axis of time.
        reverse: whether the last step comes first.
        pairs: whether the numbers are complex, as pairs of real and imaginary parts.
        adjoint: whether the recurrence is transposed.
        weights: an array like `b`, and one like `h` that continues it past the last
            step. Only if `a` has one entry for all steps, and there are steps.

    Returns:
        The states, and the sum over time of each state times the conjugate of the
        weight of the following step; an empty array without weights.
    """
    # Sequences, time, and lanes.
    outer, T, inner = b.shape[:axis], b.shape[axis], b.shape[axis + 1 :]
    L, N = prod(outer), prod(inner)
    # The kernel broadcasts factors over the sequences and over time by itself.
    a_outer = outer if prod(a.shape[:axis]) > 1 else a.shape[:axis]
    a = jnp.broadcast_to(a, (*a_outer, a.shape[axis], *inner))
    a = a.astype(b.dtype).reshape(prod(a_outer), -1, N)
    arguments = {"a": a, "b": b.reshape(L, T, N), "h": h.reshape(L, N)}
    if weights is None:
        arguments["weights"] = arguments["last_weight"] = jnp.zeros(0, b.dtype)
    else:
        arguments["weights"] = weights[0].reshape(L, T, N)
        arguments["last_weight"] = weights[1].reshape(L, N)
    results = call_kernel(
        "zoo_gpu_linear",
        arguments,
        {"states": (L, T, N), "weighted_sum": (0,) if weights is None else (L, N)},
        shared=() if len(a) == L else ("a",),
        vmap=VMAP,
        reverse=reverse,
        complex=pairs,
        adjoint=adjoint,
    )
    weighted_sum = results["weighted_sum"]
    if weights is not None:
        weighted_sum = weighted_sum.reshape(h.shape)
    return results["states"].reshape(b.shape), weighted_sum


def _flatten_tokens(a: Array) -> Array:
    """Return ``[B * T, N]`` of ``[B, T, N]``."""
    return a.reshape(-1, a.shape[-1])


def _dot(call: Call, a: Array, b: Array) -> Array:
    """Multiply in the precision of the kernel; sums are float32."""
    return product(a, b, call.kernel.dtype, jnp.float32)
