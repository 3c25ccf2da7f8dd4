"""Products with a matrix, or filters, in one precision, summed in another."""

from collections.abc import Iterator
from itertools import product as each
from typing import Any

import jax
import jax.numpy as jnp

from zoo.engine.platform import platform
from zoo.types import Array


def product(x: Array, W: Array, dtype: Any, wide: Any) -> Array:
    """Return ``x W``.

    Args:
        x: an array ``[..., N]``.
        W: a matrix ``[N, M]``.
        dtype: of what is multiplied.
        wide: of the sums, and of what is returned.
    """
    # Of two matrices: for a product over two axes, T and B, as in the gradient of the
    # weights, XLA would first copy an operand.
    y = jnp.matmul(
        x.reshape(-1, x.shape[-1]).astype(dtype),
        W.astype(dtype),
        preferred_element_type=wide,
    )
    y = y.reshape(*x.shape[:-1], W.shape[-1])
    # What a step of a loop gives back is small: XLA may do with it as it likes.
    return once(y) if y.ndim > 2 else y


def once(y: Array) -> Array:
    """Return y, whose gradient is computed once, and not for each product it enters.

    On a GPU XLA makes what enters a product a part of it, and where cuBLAS is faster,
    another pass over memory for each.

    Args:
        y: what products have made, of which the backward pass has two each.
    """
    return _once(y) if platform() == "gpu" else y


@jax.custom_jvp
def _once(y: Array) -> Array:
    return y


@_once.defjvp
def _once_tangent(primals, tangents):
    return _once(*primals), jax.lax.optimization_barrier(*tangents)


def convolution(x: Array, W: Array, dtype: Any, wide: Any) -> Array:
    """Return ``x * W`` over one to three axes of space, the sizes of which stay.

    Args:
        x: an array ``[B, *space, N]``.
        W: filters ``[*kernel, N, M]``.
        dtype: of what is multiplied.
        wide: of the sums, and of what is returned.
    """
    convolve = _convolution if platform() == "cpu" else _by_xla
    return convolve(x.astype(dtype), W.astype(dtype), dtype, wide)


def _by_xla(x: Array, W: Array, dtype: Any, wide: Any) -> Array:
    axes = "DHW"[-(W.ndim - 2) :]
    return jax.lax.conv_general_dilated(
        x,
        W,
        window_strides=[1] * len(axes),
        padding="SAME",
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        preferred_element_type=wide,
    )


# In a loop on a CPU, XLA brings no convolution but this one into the form that its fast
# code takes (jax-ml/jax issue 12868). The gradients come from another form of the same
# map, whose products are of matrices.
_convolution = jax.custom_jvp(_by_xla, nondiff_argnums=(2, 3))


@_convolution.defjvp
def _tangent(dtype, wide, primals, tangents):
    (x, W), (by_x, by_W) = primals, tangents
    y = _convolution(x, W, dtype, wide)
    return y, _by_taps(by_x, W, dtype, wide) + _by_taps(x, by_W, dtype, wide)


def _by_taps(x: Array, W: Array, dtype: Any, wide: Any) -> Array:
    """Do what `_by_xla` does: a product for each entry of the filters."""
    parts = (product(part, W[tap], dtype, wide) for tap, part in _shifted(x, W))
    return sum(parts, start=jnp.zeros((), wide))


def _shifted(x: Array, W: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield each place in the filters, and what it is multiplied with, like x."""
    kernel, space = W.shape[:-2], x.shape[1:-1]
    widths = [((size - 1) // 2, size // 2) for size in kernel]
    padded = jnp.pad(x, [(0, 0), *widths, (0, 0)])
    for tap in each(*map(range, kernel)):
        window = (slice(at, at + size) for at, size in zip(tap, space, strict=True))
        yield tap, padded[:, *window]
