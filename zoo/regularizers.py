"""Dropout and zoneout as pure functions of a key; ``key=None`` means evaluation.

A recurrent layer draws all random numbers before its time loop. The loop itself is
deterministic, so a dropout mask for a sequence cannot change between its steps.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from zoo.types import Array, Key


def bernoulli(key: Key, p: float | Array, shape: Sequence[int]) -> Array:
    """Draw True with probability `p`: bit for bit the same as `jax.random.bernoulli`.

    Args:
        key: a random key.
        p: a probability, or one for each entry.
        shape: the shape of the result.

    Returns:
        A bool array.
    """
    # Drawing along one axis compiles faster on a CPU than along several, and a batch of
    # every new shape is a new compilation.
    p = jnp.broadcast_to(p, shape).reshape(-1) if jnp.ndim(p) else p
    return jax.random.bernoulli(key, p, (math.prod(shape),)).reshape(shape)


def dropout_mask(key: Key, shape: Sequence[int], rate: float, dtype: Any) -> Array:
    """Draw a dropout mask: 0 with probability `rate`, and 1/(1-rate) otherwise.

    Args:
        key: a random key.
        shape: the shape of the mask.
        rate: the probability of a zero, in [0, 1).
        dtype: the dtype of the mask.

    Returns:
        An array of `shape`. The expectation of each entry is one.
    """
    keep = bernoulli(key, 1.0 - rate, shape)
    return jnp.where(keep, 1.0 / (1.0 - rate), 0.0).astype(dtype)


def dropout(key: Key | None, x: Array, rate: float) -> Array:
    """Set each entry to zero with probability `rate`, and scale the others.

    Srivastava et al. 2014.

    Args:
        key: a random key, or None for evaluation, which returns `x`.
        x: an array of any shape.
        rate: the probability that an entry is dropped, in [0, 1).

    Returns:
        An array like `x`.
    """
    if key is None or rate == 0.0:
        return x
    return x * dropout_mask(key, x.shape, rate, x.dtype)


def locked_dropout(key: Key | None, x: Array, rate: float) -> Array:
    """Apply dropout with the same mask ``[B, 1, ...]`` at all steps of a sequence.

    Also known as variational dropout. Gal and Ghahramani 2015, arXiv:1512.05287.

    Args:
        key: a random key, or None for evaluation, which returns `x`.
        x: an array ``[B, T, ...]``.
        rate: the probability that a feature of a row is dropped, in [0, 1).

    Returns:
        An array like `x`.
    """
    if key is None or rate == 0.0:
        return x
    return x * dropout_mask(key, (x.shape[0], 1, *x.shape[2:]), rate, x.dtype)


def split(key: Key | None, n: int) -> Sequence[Key | None]:
    """Split a key into `n` keys; the split of None is `n` times None.

    Args:
        key: a random key, or None for evaluation.
        n: the number of keys.
    """
    return [None] * n if key is None else list(jax.random.split(key, n))


def word_dropout(
    key: Key | None, ids: Array, rate: float | Array, unknown: int
) -> Array:
    """Replace random tokens by the unknown token, which trains its embedding.

    Args:
        key: a random key, or None for evaluation, which returns `ids`.
        ids: token ids of any shape.
        rate: the probability that a token is replaced, in [0, 1), or an array like
            `ids` of probabilities. ``a / (a + count)`` replaces frequent tokens less
            often (Kiperwasser and Goldberg 2016, arXiv:1603.04351).
        unknown: the id of the unknown token.

    Returns:
        An array like `ids`.
    """
    if key is None or (isinstance(rate, float) and rate == 0.0):
        return ids
    drop = bernoulli(key, rate, ids.shape)
    return jnp.where(drop, jnp.asarray(unknown, ids.dtype), ids)


def weight_drop(key: Key | None, weights: Array, rate: float) -> Array:
    """Apply dropout to the entries of a recurrent matrix, once for all steps.

    Wan et al. 2013 (DropConnect); Merity et al. 2017 (AWD-LSTM), arXiv:1708.02182.

    Args:
        key: a random key, or None for evaluation, which returns `weights`.
        weights: a matrix.
        rate: the probability that a weight is dropped, in [0, 1).

    Returns:
        An array like `weights`.
    """
    return dropout(key, weights, rate)


def zoneout(hold: Array | None, old: Array, new: Array, rate: float) -> Array:
    """Keep the old state of random units.

    The result is ``where(hold, old, new)`` in training, and its expectation ``rate*old
    + (1-rate)*new`` at evaluation. Krueger et al. 2016, arXiv:1606.01305.

    Args:
        hold: bool array like `old`, True with probability `rate`; None for
            evaluation.
        old: the state before the step.
        new: the state after the step.
        rate: the probability that a unit keeps its old state, in [0, 1).

    Returns:
        An array like `new`.
    """
    if rate == 0.0:
        return new
    if hold is None:
        r = jnp.asarray(rate, new.dtype)
        return r * old + (1 - r) * new
    return jnp.where(hold, old, new)
