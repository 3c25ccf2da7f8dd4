"""Matrix products and convolutions with separate input and accumulation dtypes."""

import itertools
from collections.abc import Iterator
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
        dtype: of the factors.
        wide: of the sums and the result.
    """
    # A product of two matrices: for one over two axes, T and B, as in the gradient of
    # the weights, XLA would first copy an operand.
    y = jnp.matmul(
        x.reshape(-1, x.shape[-1]).astype(dtype),
        W.astype(dtype),
        preferred_element_type=wide,
    )
    y = y.reshape(*x.shape[:-1], W.shape[-1])
    # The result of one step of a loop is small: XLA may fuse it.
    return materialise_cotangent(y) if y.ndim > 2 else y


def materialise_cotangent(y: Array) -> Array:
    """Return `y` unchanged, but materialise its cotangent once.

    On a GPU XLA would otherwise recompute it inside each of the two matrix products
    that consume it in the backward pass, or where cuBLAS is faster, write it twice.

    Args:
        y: the result of a product.
    """
    return _identity(y) if platform() == "gpu" else y


@jax.custom_jvp
def _identity(y: Array) -> Array:
    return y


@_identity.defjvp
def _identity_tangent(primals: Any, tangents: Any) -> tuple[Array, Array]:
    return _identity(*primals), jax.lax.optimization_barrier(*tangents)


def convolution(x: Array, W: Array, dtype: Any, wide: Any) -> Array:
    """Return ``x * W`` over one to three axes of space, with "same" padding.

    Args:
        x: an array ``[B, *space, N]``.
        W: filters ``[*kernel, N, M]``.
        dtype: of the factors.
        wide: of the sums and the result.
    """
    convolve = _convolution if platform() == "cpu" else _xla_convolution
    return convolve(x.astype(dtype), W.astype(dtype), dtype, wide)


def _xla_convolution(x: Array, W: Array, dtype: Any, wide: Any) -> Array:
    axes = "DHW"[-(W.ndim - 2) :]
    return jax.lax.conv_general_dilated(
        x,
        W,
        window_strides=[1] * len(axes),
        padding="SAME",
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        preferred_element_type=wide,
    )


# Inside a loop on a CPU, XLA has fast code for a forward convolution but not for those
# of its gradient (jax-ml/jax issue 12868). The tangent is computed as a sum of matrix
# products instead.
_convolution = jax.custom_jvp(_xla_convolution, nondiff_argnums=(2, 3))


@_convolution.defjvp
def _tangent(dtype: Any, wide: Any, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x, W), (x_dot, W_dot) = primals, tangents
    y = _convolution(x, W, dtype, wide)
    return y, _sum_of_taps(x_dot, W, dtype, wide) + _sum_of_taps(x, W_dot, dtype, wide)


def _sum_of_taps(x: Array, W: Array, dtype: Any, wide: Any) -> Array:
    """Return the convolution as a sum of products, one for each entry of the kernel."""
    parts = (product(part, W[tap], dtype, wide) for tap, part in _shifted(x, W))
    return sum(parts, start=jnp.zeros((), wide))


def _shifted(x: Array, W: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield each entry of the kernel, and x shifted by its offset."""
    kernel, space = W.shape[:-2], x.shape[1:-1]
    widths = [((size - 1) // 2, size // 2) for size in kernel]
    padded = jnp.pad(x, [(0, 0), *widths, (0, 0)])
    for tap in itertools.product(*map(range, kernel)):
        window = (slice(k, k + size) for k, size in zip(tap, space, strict=True))
        yield tap, padded[:, *window]
