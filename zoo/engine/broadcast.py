"""Explicit axes of size 1, so that ``jax_numpy_rank_promotion="raise"`` works."""

from zoo.types import Array


def spread(flags: Array, like: Array) -> Array:
    """Append axes of size 1, so that the flags broadcast against an array.

    Args:
        flags: bool ``[B]`` or ``[B, T]``.
        like: an array whose first axes are those of `flags`.
    """
    return flags.reshape(flags.shape + (1,) * (like.ndim - flags.ndim))


def align(values: Array, like: Array) -> Array:
    """Prepend axes of size 1, so that an array broadcasts against a larger one.

    Args:
        values: an array such as a bias ``[H]``.
        like: an array whose last axes are those of `values`, such as ``[B, T, H]``.
    """
    return values.reshape((1,) * (like.ndim - values.ndim) + values.shape)
