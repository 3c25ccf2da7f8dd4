"""What a plan depends on, apart from the schedule: the cell, the call, the device."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from zoo.engine import native
from zoo.engine.platform import platform


class Traits(NamedTuple):
    """What a cell with its regularisers allows.

    Attributes:
        name: the class of the cell, for the reasons of a plan.
        linear: whether the cell is linear in its state, so that all steps can be
            computed in parallel.
        prefers_parallel: ``(B, T, *, gradient, recompute) -> bool``: whether that is
            faster than the loop on this device.
        parallel_states: whether the parallel form also returns the states of all steps.
        linear_dtype: dtype of the state of a diagonal linear recurrence, which a kernel
            may compute in one pass; None for other cells.
        zoneout: whether a zoneout rate is set, which needs one state after the other.
        separable: whether the products with the state can be taken out of the update.
        recompute: whether recomputing a step in the backward pass is faster than
            storing it.
        kernel: the name of the kernel that computes the cell, or None.
        hidden_size: H.
        dtype: of what is multiplied.
        param_dtype: of the parameters.
    """

    name: str
    linear: bool = False
    prefers_parallel: Callable[..., bool] = lambda B, T, *, gradient, recompute: True
    parallel_states: bool = True
    linear_dtype: jnp.dtype | None = None
    zoneout: bool = False
    separable: bool = True
    recompute: bool = False
    kernel: str | None = None
    hidden_size: int = 1
    dtype: jnp.dtype = jnp.dtype(jnp.float32)
    param_dtype: jnp.dtype = jnp.dtype(jnp.float32)


class Work(NamedTuple):
    """What a call asks for.

    Attributes:
        B: rows; may be a symbolic dimension.
        T: steps; may be a symbolic dimension.
        states: whether the states of all steps are asked for.
        regularised: whether a regulariser acts on every step.
        joint: whether both directions of a layer share the loop.
    """

    B: int
    T: int
    states: bool = False
    regularised: bool = False
    joint: bool = False

    @property
    def symbolic(self) -> bool:
        """Whether a size is unknown, as in `jax.export` with symbolic shapes."""
        return any(export.is_symbolic_dim(size) for size in (self.B, self.T))


class Device(NamedTuple):
    """Where a call runs.

    Attributes:
        platform: ``"cpu"``, ``"gpu"`` or another.
        tf32: whether float32 is multiplied as TF32 on a GPU.
        kernel_unavailable: ``(name, dtype, H) -> str | None``: why a kernel cannot
            run, or None if it can.
        linear_kernel: ``dtype -> bool``: whether a kernel computes linear recurrences
            of this dtype.
        several: whether there are several devices, among which the rows may be divided.
    """

    platform: str
    tf32: bool = True
    kernel_unavailable: Callable[[str, jnp.dtype, int], str | None] = (
        lambda name, dtype, H: "rnn-zoo-native is not installed"
    )
    linear_kernel: Callable[[jnp.dtype], bool] = lambda dtype: False
    several: bool = False


def current_device() -> Device:
    """Return the device that the next call of a layer runs on."""
    where = platform()

    def kernel_unavailable(name: str, dtype: jnp.dtype, H: int) -> str | None:
        return native.missing(where, name, dtype, H)

    return Device(
        where,
        native.tf32(),
        kernel_unavailable,
        native.takes_linear,
        jax.device_count() > 1,
    )
