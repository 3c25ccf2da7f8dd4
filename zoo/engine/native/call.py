"""What a kernel is called with."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.types import Array, Params, State


class Kernel(NamedTuple):
    """Which kernel is called, and with which parameters.

    Attributes:
        name: of the cell that it computes, see `PLANES`.
        weights: ``params -> (W, U, b)``; b has a block for each of `PLANES`, those of
            W in its order, then those that W has not.
        dtype: of what is multiplied, float32 or bfloat16. Sums are float32.
    """

    name: str
    weights: Callable[[Params], tuple[Array, Array, Array]]
    dtype: jnp.dtype


# What a kernel makes of each token, by units, in an order of its own: i, f, g, o; r, z,
# n, and the product that r multiplies; r, z, n, and the product of r and h; f, n, and
# the product of f and h; f, n, and the product that f multiplies; h.
PLANES = {
    "lstm": 4,
    "gru": 4,
    "reset_before_gru": 4,
    "mgu": 3,
    "reset_after_mgu": 3,
    "rnn_tanh": 1,
    "rnn_relu": 1,
}

# Those whose last gate multiplies the last plane in place of the state.
STAGED = ("reset_before_gru", "mgu")


class Call(NamedTuple):
    """What is fixed before anything runs.

    Attributes:
        kernel: the kernel.
        platform: ``"cpu"`` or ``"gpu"``.
        reverse: run from the last step to the first.
        frugal: keep at most the states for the backward pass, which makes the rest
            again.
        again: ``(params, x, state, initial, flags) -> (state, y)``, the same in JAX.
    """

    kernel: Kernel
    platform: str
    reverse: bool
    frugal: bool
    again: Callable[..., tuple[State, Array]]

    @property
    def attributes(self) -> dict[str, Any]:
        """Return what a kernel is told."""
        return {
            "cell": self.kernel.name,
            "reverse": self.reverse,
            "bfloat16": self.kernel.dtype == jnp.bfloat16,
        }


class Flags(NamedTuple):
    """Which tokens are real, and before which the loop restarts.

    Attributes:
        mask: bool ``[B, T]``, or None.
        restart: bool ``[B, T]``, or None.
    """

    mask: Array | None
    restart: Array | None

    @property
    def given(self) -> list[Array]:
        """Return both; what there is not is empty."""
        none = jnp.zeros((0,), bool)
        return [none if flag is None else flag for flag in self]


class Given(NamedTuple):
    """What a layer is given.

    Attributes:
        weights: W, U and b.
        x: inputs ``[B, T, D]``.
        state: the state before the first step that is met.
        initial: the state that a reset restarts from, or None.
        flags: mask and resets.
    """

    weights: tuple[Array, Array, Array]
    x: Array
    state: State
    initial: State
    flags: Flags


class Gradients(NamedTuple):
    """The gradients of a layer.

    Attributes:
        weights: by W, U and b.
        x: by the inputs.
        state: by h and c before the first step, of which c may be empty.
        initial: by h and c that a reset restarts from, either of which may be empty.
    """

    weights: tuple[Array, Array, Array]
    x: Array
    state: list[Array]
    initial: list[Array]


def foreign(name: str, shapes: list, vmap: str, aliases: dict[int, int] | None = None):
    """Return a foreign function with results of float32.

    Args:
        name: that it is registered by.
        shapes: of the results.
        vmap: how `jax.vmap` is to call it, see `jax.ffi.ffi_call`.
        aliases: which arguments' places the results take.
    """
    out = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.ffi.ffi_call(
        name, out, input_output_aliases=aliases or {}, vmap_method=vmap
    )


def parts(state: State) -> list[Array]:
    """Return h and c; what there is not is empty.

    Args:
        state: of a cell, or None.
    """
    none = jnp.zeros((0,), jnp.float32)
    return [none if state is None else getattr(state, name, none) for name in "hc"]
