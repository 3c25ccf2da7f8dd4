"""All steps of a layer in one call, by the kernels of `rnn-zoo-native`.

XLA runs a loop step by step. On a CPU, each step reads the matrix from memory again,
and every elementwise operation is a pass over the results of the product. A kernel
packs the matrices once, applies the activation functions while the results are in the
first cache, gives each thread its own rows, and skips padding. On a GPU, each step of a
loop is launched and waited for. A kernel is launched once and keeps the recurrent
matrix on the chip; the one for linear recurrences, which have no such matrix, makes one
pass over memory (called by `zoo.engine.linear_scan`).

Kernels are XLA custom calls with a custom backward pass. Forward mode and second
derivatives fall back to the loop in JAX; those of linear recurrences call the kernel.
"""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from zoo.engine.custom_gradient import CustomGradient
from zoo.engine.native import cpu, gpu
from zoo.engine.native.call import (
    Call,
    Flags,
    Kernel,
    LayerInputs,
    bias_blocks,
    wheel,
)
from zoo.engine.platform import platform
from zoo.types import Array, Params, State

__all__ = ["Call", "Flags", "Kernel", "bias_blocks", "gpu", "layer", "missing"]
__all__ += ["loaded", "takes_linear", "tf32"]

# Identifies native/zoo_native/kernels.json, for which this package is written: a hash
# of its contents (`zoo_native.INTERFACE`).
INTERFACE = "9eb2e3846714"

# The speed is that of the training steps of one LSTM in docs/generated/speed.md.
NOT_INSTALLED = (
    "rnn-zoo-native is not installed (pip install ./native); with it, LSTMs train 1.4 "
    "to 2.2 times as fast on a CPU"
)


def tf32() -> bool:
    """Return whether XLA is to multiply float32 as TF32 on a GPU."""
    precision = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    return precision in (None, "default", "fastest", "high", "tensorfloat32")


@cache
def missing(platform: str, name: str, dtype: jnp.dtype, H: int) -> str | None:
    """Return why a kernel cannot be called, None if it can.

    Args:
        platform: the platform to run on.
        name: the name of the kernel.
        dtype: the type of the operands.
        H: units.
    """
    if platform not in ("cpu", "gpu"):
        return "the kernels are for CPUs and GPUs"
    try:
        kernels = wheel()
    except ModuleNotFoundError:
        return NOT_INSTALLED
    interface = getattr(kernels, "INTERFACE", None)
    if interface != INTERFACE:
        return (
            f"rnn-zoo-native was built from another table of kernels ({interface}, "
            f"{INTERFACE} is required): install it again"
        )
    bfloat16 = dtype == jnp.bfloat16
    if platform == "gpu":
        return kernels.gpu_unavailable(name, bfloat16, H)
    return kernels.cpu_unavailable(bfloat16)


def loaded(platform: str) -> str:
    """Return the name of the kernels that are loaded, such as ``"AVX-512 (v4)"``.

    Args:
        platform: the platform to run on, where kernels can be called.
    """
    if platform == "gpu":
        return "CUDA"
    kernels = wheel()
    return f"{kernels.VECTORS} ({kernels.LEVEL})"


def takes_linear(dtype: jnp.dtype) -> bool:
    """Return whether the kernel for linear recurrences can be called.

    Args:
        dtype: the type of the state.
    """
    if platform() != "gpu" or dtype != jnp.float32:
        return False
    # Any GPU that runs kernels at all runs the smallest one, and this one.
    return missing("gpu", "rnn_tanh", jnp.dtype(jnp.float32), 1) is None


@CustomGradient
def layer(
    call: Call, params: Params, x: Array, state: State, initial: State, flags: Flags
) -> tuple[State, Array]:
    """Run a layer.

    Args:
        call: the static arguments.
        params: the parameters.
        x: inputs ``[B, T, D]``; padding is never read.
        state: the state before the first step.
        initial: the state after a reset; None without resets.
        flags: mask and resets.

    Returns:
        The state after the last step, and y ``[B, T, H]``, zero at padding.
    """
    state, y, _ = _forward(call, params, x, state, initial, flags, keep=False)
    return state, y


def _forward(
    call: Call,
    params: Params,
    x: Array,
    state: State,
    initial: State,
    flags: Flags,
    *,
    keep: bool,
) -> tuple[State, Array, list[Array]]:
    """Call the forward kernel.

    Returns:
        The last state, y, and what else the backward pass needs, empty without `keep`.
    """
    inputs = LayerInputs(call.kernel.weights(params), x, state, initial, flags)
    forward = cpu.forward if call.platform == "cpu" else gpu.forward
    last, y, kept = forward(call, inputs, keep=keep)
    return _as_state(state, last), y, kept


def _as_state(like: State, arrays: list[Array]) -> State:
    """Return h and c as a state of the same type as another; None if that is None."""
    if like is None:
        return None
    return like._replace(**dict(zip(like._fields, arrays, strict=False)))


@CustomGradient
def _layer_and_residuals(
    call: Call, params: Params, x: Array, state: State, initial: State, flags: Flags
) -> tuple[State, Array, list[Array]]:
    """Run a layer, and return also what the backward pass needs."""
    return _forward(call, params, x, state, initial, flags, keep=True)


def _layer_forward(call: Call, *arguments: Any) -> tuple[Any, Any]:
    """The forward rule of `layer`, which is differentiable itself."""
    outputs: Any = _layer_and_residuals(call, *arguments)
    last, y, kept = outputs
    return (last, y), (*arguments, (y, *kept))


def _residuals_forward(call: Call, *arguments: Any) -> tuple[Any, Any]:
    """The forward rule of `_layer_and_residuals`."""
    outputs: Any = _layer_and_residuals(call, *arguments)
    _, y, kept = outputs
    return outputs, (*arguments, (y, *kept))


def _layer_backward(call: Call, residuals: Any, cotangents: Any) -> Any:
    """The backward rule of both. The flags have no gradient."""
    # The cotangents of what was kept are ignored: it is a function of the other
    # residuals, with respect to which `_second_derivative` differentiates.
    gradients: Any = _gradient(call, *residuals, cotangents[:2])
    return *gradients, None


def _layer_tangents(call: Call, residuals: Any, tangents: Any) -> tuple[State, Array]:
    """The tangents of `layer`: those of the loop."""
    *arguments, flags, _ = residuals
    loop = partial(_loop, call, flags)
    return jax.jvp(loop, tuple(arguments), tuple(tangents[:4]))[1]


def _tangents_and_zeros(call: Call, residuals: Any, tangents: Any) -> Any:
    """The tangents of `_layer_and_residuals`; `_gradient` ignores those of the rest."""
    last, y = _layer_tangents(call, residuals, tangents)
    _, *kept = residuals[-1]
    return last, y, jax.tree.map(jnp.zeros_like, kept)


layer.define(_layer_forward, _layer_backward, _layer_tangents)
_layer_and_residuals.define(_residuals_forward, _layer_backward, _tangents_and_zeros)


@CustomGradient
def _gradient(
    call: Call,
    params: Params,
    x: Array,
    state: State,
    initial: State,
    flags: Flags,
    kept: tuple[Array, ...],
    cotangents: tuple[State, Array],
) -> tuple[Params, Array, State, State]:
    """Return the gradients with respect to params, x, state and initial."""
    y, *residuals = kept
    d_last, d_y = cotangents
    weights, weights_vjp = jax.vjp(call.kernel.weights, params)
    inputs = LayerInputs(weights, x, state, initial, flags)
    if call.platform == "cpu":
        d = cpu.backward(call, inputs, y, residuals, d_last, d_y)
    else:
        d = gpu.backward(call, inputs, residuals, d_last, d_y)
    (d_params,) = weights_vjp(d.weights)
    return d_params, d.x, _as_state(state, d.state), _as_state(initial, d.initial)


def _gradient_forward(call: Call, *arguments: Any) -> tuple[Any, Any]:
    """The forward rule of `_gradient`."""
    return _gradient(call, *arguments), arguments


def _loop(
    call: Call, flags: Flags, params: Params, x: Array, state: State, initial: State
) -> tuple[State, Array]:
    """Do what `layer` does, by the loop in JAX."""
    return call.loop(params, x, state, initial, flags)


def _gradient_of_loop(call: Call, flags: Flags, *arguments: Any) -> tuple[Any, ...]:
    """Do what `_gradient` does, by the loop in JAX."""
    *inputs, cotangents = arguments
    return jax.vjp(partial(_loop, call, flags), *inputs)[1](cotangents)


def _gradient_tangents(call: Call, arguments: Any, tangents: Any) -> tuple[Any, ...]:
    """The tangents of `_gradient`: those of the gradient of the loop."""
    # What was kept is a function of the inputs, which have their tangents already.
    *inputs, flags, _, cotangents = arguments
    *d_inputs, _, _, d_cotangents = tangents
    gradient = partial(_gradient_of_loop, call, flags)
    primals, directions = (*inputs, cotangents), (*d_inputs, d_cotangents)
    return jax.jvp(gradient, primals, directions)[1]


def _second_derivative(call: Call, arguments: Any, cotangents: Any) -> Any:
    """The backward rule of `_gradient`: differentiate the gradient of the loop."""
    params, x, state, initial, flags, kept, first_cotangents = arguments
    gradient = partial(_gradient_of_loop, call, flags)
    _, vjp = jax.vjp(gradient, params, x, state, initial, first_cotangents)
    *d_arguments, d_cotangents = vjp(cotangents)
    # What was kept is a function of the arguments, which have their gradients already.
    zeros = jax.tree.map(jnp.zeros_like, kept)
    return *d_arguments, None, zeros, d_cotangents


_gradient.define(_gradient_forward, _second_derivative, _gradient_tangents)
