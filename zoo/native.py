"""All steps of a layer in one call, on CPUs, by the wheel `rnn-zoo-native`.

XLA runs a loop as it stands: each step is a product, whose matrix is read anew, and
passes over what the product made. A kernel packs the matrices once, squashes the gates
before they leave the nearest cache, gives each thread its own rows, and takes no step
for padding. It is called through XLA's foreign functions, under `jax.jit` as anywhere,
and has the gradient; the gradient of the gradient comes from the loop in JAX.
"""

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.types import Array, Params, State


class Kernel(NamedTuple):
    """How a kernel is called.

    Attributes:
        name: of the cell that it computes, see `PLANES`.
        weights: ``params -> (W, U, b)``; b has a block for each of `PLANES`, those of
            W in its order, then those that W has not.
        dtype: of what is multiplied, float32 or bfloat16. Sums are float32.
    """

    name: str
    weights: Callable[[Params], tuple[Array, Array, Array]]
    dtype: jnp.dtype

    @property
    def attributes(self) -> dict[str, Any]:
        """Return what a call tells of it."""
        return {"cell": self.name, "bfloat16": self.dtype == jnp.bfloat16}


# What a kernel makes of each token, by units: i f g o; n r z, and the product that r
# multiplies; r z n, and the product of r and h; h.
PLANES = {
    "lstm": 4,
    "gru": 4,
    "reset_before_gru": 4,
    "rnn_tanh": 1,
    "rnn_relu": 1,
}


# Of the calls below: kernels that were built for others are not called.
INTERFACE = 3


class Call(NamedTuple):
    """What is fixed before anything runs.

    Attributes:
        kernel: the kernel.
        reverse: run from the last step to the first.
        frugal: keep only the states for the backward pass, which makes the gates again.
        again: ``(params, x, state, initial, flags) -> (state, y)``, the same in JAX.
    """

    kernel: Kernel
    reverse: bool
    frugal: bool
    again: Callable[..., tuple[State, Array]]


class Flags(NamedTuple):
    """Which tokens are real, and which begin a sequence.

    Attributes:
        mask: bool ``[B, T]``, or None.
        reset: bool ``[B, T]``, or None.
        restart: bool ``[B, T]``, or None: before which tokens the loop restarts, of the
            resets and the direction.
    """

    mask: Array | None
    reset: Array | None
    restart: Array | None


@cache
def missing(dtype: jnp.dtype) -> str | None:
    """Return why kernels cannot be called here, None if they can.

    Args:
        dtype: of what is multiplied.
    """
    if jax.default_backend() != "cpu":
        return "the kernels are for CPUs"
    if jax.local_device_count() > 1:
        return "XLA does not divide a kernel among devices"
    try:
        kernels = _kernels()
    except ModuleNotFoundError:
        return "rnn-zoo-native is not installed"
    if getattr(kernels, "INTERFACE", None) != INTERFACE:
        return "rnn-zoo-native is of another version: install it again"
    if dtype == jnp.bfloat16 and not kernels.BFLOAT16:
        return "no instructions of bfloat16 (AVX512_BF16)"
    return None


def _kernels() -> Any:
    """Return the module that registers the kernels, an optional one."""
    return import_module("zoo_native")


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def layer(
    call: Call, params: Params, x: Array, state: State, initial: State, flags: Flags
) -> tuple[State, Array]:
    """Run a layer.

    Args:
        call: what is fixed.
        params: the parameters.
        x: inputs ``[B, T, D]``; what stands at padding is never looked at.
        state: the state before the first step that is met.
        initial: the state that a reset restarts from; None if there is no reset.
        flags: mask and resets.

    Returns:
        The state after the last step that is met, and y ``[B, T, H]``, zero at padding.
    """
    state, y, _ = _forward(call, params, x, state, initial, flags, keep=False)
    return state, y


def _forward(call, params, x, state, initial, flags, *, keep):
    """Call the kernel; return also what `_backward` needs, empty without `keep`."""
    name = call.kernel.name
    W, U, b = call.kernel.weights(params)
    (B, T, _), H = x.shape, len(U)
    cell_state = "c" in state._fields
    lanes = _kernels().LANES
    plane = -(-H // lanes) * lanes  # of whole vectors
    last_h, last_c = (B, H), (B, H) if cell_state else (0,)
    gates = (B, T, PLANES[name] * plane) if keep and not call.frugal else (0,)
    cells = (B, T, plane) if keep and cell_state else (0,)
    shapes = (B, T, H), last_h, last_c, gates, cells
    y, h, c, *kept = _call("zoo_forward", shapes)(
        x, W, U, b, *_parts(state), *_parts(initial), *_given(flags),
        reverse=call.reverse, **call.kernel.attributes,
    )  # fmt: skip
    last = state._replace(h=h, c=c) if cell_state else state._replace(h=h)
    return last, y, kept


def _call(name, shapes, aliases=None):
    out = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.ffi.ffi_call(
        name, out, input_output_aliases=aliases or {}, vmap_method="sequential"
    )


def _parts(state):
    """Return h and c; what there is not is empty."""
    none = jnp.zeros((0,), jnp.float32)
    return [none if state is None else getattr(state, name, none) for name in "hc"]


def _given(flags):
    none = jnp.zeros((0,), bool)
    return [none if flag is None else flag for flag in (flags.mask, flags.restart)]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _kept(call, params, x, state, initial, flags):
    """Run a layer, and return also what the backward pass needs."""
    return _forward(call, params, x, state, initial, flags, keep=True)


def _keep(call, *arguments):
    """The forward pass of `layer`. It can be differentiated too."""
    found: Any = _kept(call, *arguments)
    last, y, kept = found
    return (last, y), (*arguments, (y, *kept))


def _keep_more(call, *arguments):
    """The forward pass of `_kept`."""
    found: Any = _kept(call, *arguments)
    _, y, kept = found
    return found, (*arguments, (y, *kept))


def _backward(call, residuals, by):
    # What was kept is a function of the rest: nobody else asks for its gradient.
    found: Any = _gradient(call, *residuals, by[:2])
    return *found, None


layer.defvjp(_keep, _backward)
_kept.defvjp(_keep_more, _backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gradient(call, params, x, state, initial, flags, kept, by):
    """Return the gradients by params, x, state and initial."""
    y, gates, cells = kept
    by_last, by_y = by
    (W, U, b), turn = jax.vjp(call.kernel.weights, params)
    h, c = _parts(state)
    by_initial = [part.shape for part in _parts(initial)]
    shapes = [a.shape for a in (gates, x, W, U, b, h, c)] + by_initial
    # The gates are the twelfth argument; their gradients take their place.
    _, by_x, by_W, by_U, by_b, *by_states = _call("zoo_backward", shapes, {11: 0})(
        x, W, U, b, h, c, *_parts(initial), *_given(flags),
        y, gates, cells, by_y, *_parts(by_last),
        reverse=call.reverse, **call.kernel.attributes,
    )  # fmt: skip

    def put(like, parts):
        if like is None:
            return None
        return like._replace(**dict(zip(like._fields, parts, strict=False)))

    (by_params,) = turn((by_W, by_U, by_b))
    return by_params, by_x, put(state, by_states[:2]), put(initial, by_states[2:])


def _keep_gradient(call, *arguments):
    return _gradient(call, *arguments), arguments


def _gradient_of_gradient(call, arguments, by_gradient):
    params, x, state, initial, flags, kept, by = arguments

    def gradient(params, x, state, initial, by):
        def again(params, x, state, initial):
            return call.again(params, x, state, initial, flags)

        return jax.vjp(again, params, x, state, initial)[1](by)

    _, back = jax.vjp(gradient, params, x, state, initial, by)
    *by_arguments, by_by = back(by_gradient)
    # What was kept is a function of the rest, by which the gradient was just taken.
    nothing = jax.tree.map(jnp.zeros_like, kept)
    return *by_arguments, None, nothing, by_by


_gradient.defvjp(_keep_gradient, _gradient_of_gradient)
