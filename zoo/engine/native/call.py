"""What a kernel is called with, and how it is called."""

from collections.abc import Callable, Collection
from importlib import import_module
from math import prod
from typing import Any, NamedTuple

import jax.numpy as jnp

from zoo.engine.native.division import CustomCall, divided
from zoo.types import Array, Params, State


class Kernel(NamedTuple):
    """Which kernel computes a cell, and with which parameters.

    Attributes:
        name: the name of the kernel.
        weights: ``params -> (W, U, b)``; b has `bias_blocks` blocks, first those of the
            gates in the order of W, then those of the products that have none in W.
        dtype: the type of the operands, float32 or bfloat16. Sums are float32.
    """

    name: str
    weights: Callable[[Params], tuple[Array, Array, Array]]
    dtype: jnp.dtype


class Call(NamedTuple):
    """The static arguments of a call.

    Attributes:
        kernel: the kernel.
        platform: ``"cpu"`` or ``"gpu"``.
        reverse: whether to run from the last step to the first.
        recompute: keep at most y and c for the backward pass, and recompute the rest.
        loop: ``(params, x, state, initial, flags) -> (state, y)``, the same computed by
            the loop in JAX.
    """

    kernel: Kernel
    platform: str
    reverse: bool
    recompute: bool
    loop: Callable[..., tuple[State, Array]]

    @property
    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the custom call."""
        return {
            "cell": self.kernel.name,
            "reverse": self.reverse,
            "bfloat16": self.kernel.dtype == jnp.bfloat16,
        }


class Flags(NamedTuple):
    """Which tokens are real, and before which the state is reset.

    Attributes:
        mask: bool ``[B, T]``, or None.
        restart: bool ``[B, T]``, or None.
    """

    mask: Array | None
    restart: Array | None

    @property
    def arrays(self) -> dict[str, Array]:
        """Return both by the names of the arguments; an absent one is empty."""
        empty = jnp.zeros((0,), bool)
        return {
            "mask": empty if self.mask is None else self.mask,
            "reset": empty if self.restart is None else self.restart,
        }


class LayerInputs(NamedTuple):
    """The arrays that a layer is computed from.

    Attributes:
        weights: W, U and b.
        x: inputs ``[B, T, D]``.
        state: the state before the first step.
        initial: the state after a reset, or None.
        flags: mask and resets.
    """

    weights: tuple[Array, Array, Array]
    x: Array
    state: State
    initial: State
    flags: Flags


class Gradients(NamedTuple):
    """The gradients with respect to the inputs of a layer.

    Attributes:
        weights: with respect to W, U and b.
        x: with respect to the inputs.
        state: with respect to h and c before the first step; that of c may be empty.
        initial: with respect to h and c after a reset; either may be empty.
    """

    weights: tuple[Array, Array, Array]
    x: Array
    state: list[Array]
    initial: list[Array]


def wheel() -> Any:
    """Return the module ``zoo_native``.

    Raises:
        ModuleNotFoundError: if rnn-zoo-native is not installed.
    """
    return import_module("zoo_native")


def bias_blocks(name: str) -> int:
    """Return how many blocks of H numbers the bias of a kernel has.

    Args:
        name: the name of the kernel.
    """
    return len(wheel().TABLE.kernels[name].planes)


def call_kernel(
    name: str,
    arguments: dict[str, Array],
    shapes: dict[str, tuple[int, ...]],
    *,
    shared: Collection[str],
    vmap: str,
    **attributes: Any,
) -> dict[str, Array]:
    """Call a kernel and return its results by name.

    The signature in the wheel's table gives the order of arguments and results, and
    which result reuses the memory of which argument.

    Args:
        name: the name of the call.
        arguments: the arguments, by name.
        shapes: the shapes of the results, by name. They are float32.
        shared: the arguments that all rows share. All others, and all results but the
            gradients with respect to these, have the rows as their first axis.
        vmap: how `jax.vmap` batches the call, see `CustomCall`.
        **attributes: static arguments.
    """
    signature = wheel().TABLE.calls[name]
    order, results = list(signature.arguments), signature.results
    summed = {"d_" + argument for argument in shared}
    call = CustomCall(
        name,
        tuple(attributes.items()),
        tuple(
            (order.index(argument), results.index(result))
            for argument, result in signature.aliases.items()
        ),
        tuple(shapes[result] for result in results),
        tuple(arguments[k].size > 0 and k not in shared for k in order),
        tuple(prod(shapes[k]) > 0 and k not in summed for k in results),
        vmap,
    )
    values = divided(call, *(arguments[argument] for argument in order))
    return dict(zip(results, values, strict=True))


def state_arrays(state: State, prefix: str = "") -> dict[str, Array]:
    """Return h and c of a state by name; an absent one is empty.

    Args:
        state: the state of a cell, or None.
        prefix: what precedes the names.
    """
    empty = jnp.zeros((0,), jnp.float32)
    return {
        prefix + name: empty if state is None else getattr(state, name, empty)
        for name in "hc"
    }


def shapes_of(arrays: dict[str, Array], prefix: str = "d_") -> dict[str, tuple]:
    """Return the shapes of the gradients with respect to arrays.

    Args:
        arrays: the arrays, by name.
        prefix: what precedes the names of the gradients.
    """
    return {prefix + name: array.shape for name, array in arrays.items()}
