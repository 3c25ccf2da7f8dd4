"""All steps of a layer in one call, by the wheel `rnn-zoo-native`.

XLA runs a loop as it stands. On a CPU each step is a product, whose matrix is read
anew, and passes over what the product made. A kernel packs the matrices once, squashes
the gates before they leave the nearest cache, gives each thread its own rows, and takes
no step for padding. On a GPU each step is launched and waited for. A kernel is launched
once, and keeps the recurrent matrix on the chip; one of a linear recurrence, without
such a matrix, passes over memory once (`zoo.engine.linear_scan` calls it).

It is called through XLA's foreign functions, under `jax.jit` as anywhere, and has the
gradient; the gradient of the gradient comes from the loop in JAX.
"""

from functools import cache, partial
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp

from zoo.engine.native import cpu, gpu
from zoo.engine.native.call import PLANES, Call, Flags, Given, Kernel
from zoo.engine.platform import platform
from zoo.types import Array, Params, State

__all__ = ["PLANES", "Call", "Flags", "Kernel", "gpu", "layer", "missing"]
__all__ += ["takes_linear", "tf32"]

# Of the calls of kernels: those that were built for others are not called.
INTERFACE = 6


def tf32() -> bool:
    """Return whether XLA is to multiply float32 as TF32 on a GPU."""
    asked = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    return asked in (None, "default", "fastest", "high", "tensorfloat32")


@cache
def missing(platform: str, name: str, dtype: jnp.dtype, H: int) -> str | None:
    """Return why a kernel cannot be called, None if it can.

    Args:
        platform: where.
        name: of the kernel.
        dtype: of what is multiplied.
        H: units.
    """
    if platform not in ("cpu", "gpu"):
        return "the kernels are for CPUs and GPUs"
    if jax.local_device_count() > 1:
        return "XLA does not divide a kernel among devices"
    try:
        kernels = _kernels()
    except ModuleNotFoundError:
        return "rnn-zoo-native is not installed"
    if getattr(kernels, "INTERFACE", None) != INTERFACE:
        return "rnn-zoo-native is of another version: install it again"
    bfloat16 = dtype == jnp.bfloat16
    if platform == "gpu":
        return kernels.obstacle_on_gpu(name, bfloat16, H)
    if bfloat16 and not kernels.BFLOAT16:
        return "no instructions of bfloat16 (AVX512_BF16)"
    return None


def takes_linear(dtype: jnp.dtype) -> bool:
    """Return whether a kernel takes all steps of a linear recurrence.

    Args:
        dtype: of the state.
    """
    if platform() != "gpu" or dtype != jnp.float32:
        return False
    # One that any GPU runs which runs one at all.
    return missing("gpu", "rnn_tanh", jnp.dtype(jnp.float32), 1) is None


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
    """Call the kernel; return also what `_gradient` needs, empty without `keep`."""
    given = Given(call.kernel.weights(params), x, state, initial, flags)
    if call.platform == "cpu":
        parts, y, kept = cpu.forward(_kernels(), call, given, keep=keep)
    else:
        parts, y, kept = gpu.forward(call, given, keep=keep)
    return _put(state, parts), y, kept


def _put(like, parts):
    """Return a state like another, of its h and c; None if there is no other."""
    if like is None:
        return None
    return like._replace(**dict(zip(like._fields, parts, strict=False)))


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
    y, *kept = kept
    weights, turn = jax.vjp(call.kernel.weights, params)
    given = Given(weights, x, state, initial, flags)
    if call.platform == "cpu":
        found = cpu.backward(call, given, y, kept, *by)
    else:
        found = gpu.backward(call, given, kept, *by)
    (by_params,) = turn(found.weights)
    return by_params, found.x, _put(state, found.state), _put(initial, found.initial)


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
