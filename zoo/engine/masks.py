"""Masks and resets: which steps are real tokens, and where a sequence begins."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from zoo.engine.broadcast import spread
from zoo.types import Array, ArrayLike, State


class Span(NamedTuple):
    """The flags and the direction of steps that are computed in parallel.

    Attributes:
        mask: bool ``[B, T]``, True = a real token; None if all are.
        restart: bool ``[B, T]``, True = the state restarts before this token; or None.
        reverse: whether the last step is processed first.
        kernel: whether a kernel computes a linear recurrence over these steps.
    """

    mask: Array | None
    restart: Array | None
    reverse: bool
    kernel: bool = False


def mask_from_lengths(lengths: ArrayLike, T: int) -> Array:
    """Return the mask of rows with these lengths: ``mask[b, t] = t < lengths[b]``.

    Example::

        mask = zoo.mask_from_lengths(np.array([3, 5]), 5)     # [2, 5]

    Args:
        lengths: int ``[B]``, from 0 to T.
        T: number of steps.

    Returns:
        bool ``[B, T]``, True = a real token.

    Raises:
        ValueError: if `lengths` does not have exactly one axis, or one is not in that
            range; lengths that are traced are not checked.
        TypeError: if `lengths` are not ints.
    """
    lengths = jnp.asarray(lengths)
    if lengths.ndim != 1:
        raise ValueError(f"lengths must have shape [B], got {lengths.shape}")
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise TypeError(f"lengths must be ints, got {lengths.dtype}")
    if not isinstance(lengths, Tracer) and isinstance(T, int):
        wrong = [int(n) for n in np.asarray(lengths) if not 0 <= n <= T]
        if wrong:
            raise ValueError(f"lengths must lie in [0, T = {T}], got {wrong[0]}")
    return jnp.arange(T, dtype=lengths.dtype)[None] < lengths[:, None]


def restarts(reset: Array, mask: Array | None, *, reverse: bool) -> Array:
    """Return before which tokens the loop restarts the state.

    Args:
        reset: bool ``[B, T]``, True = the first token of a sequence; ignored at
            padding.
        mask: bool ``[B, T]``, or None.
        reverse: whether the loop processes the last token first.
    """
    real = jnp.ones_like(reset) if mask is None else mask
    return (_flag_of_next_token(reset, real) if reverse else reset) & real


def _flag_of_next_token(flags: Array, mask: Array) -> Array:
    """Return for each step the flag of the next real token, False if there is none.

    A reversed loop has processed that token just before. A restart after one token is a
    restart before the following one, with or without padding between them.
    """
    T = flags.shape[1]
    positions = jnp.where(mask, jnp.arange(T), T)
    later = jnp.pad(positions[:, 1:], ((0, 0), (0, 1)), constant_values=T)
    following = jax.lax.cummin(later, axis=1, reverse=True)
    padded = jnp.pad(flags, ((0, 0), (0, 1)))
    return jnp.take_along_axis(padded, following, axis=1)


def select(flags: Array, yes: State, no: State) -> State:
    """Choose between two states row by row.

    Args:
        flags: bool ``[B]``.
        yes: the state where they are True.
        no: the state where they are False.
    """
    return jax.tree.map(lambda a, b: jnp.where(spread(flags, a), a, b), yes, no)


def zero_padding(x: Array, mask: Array | None) -> Array:
    """Return an array with zeros at padding.

    Args:
        x: an array ``[B, ...]`` or ``[B, T, ...]``, with the axes of `mask` first.
        mask: True = a real token; None if all are.
    """
    return x if mask is None else jnp.where(spread(mask, x), x, jnp.zeros((), x.dtype))
