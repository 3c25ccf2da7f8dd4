"""Noise for training, as pure functions of a key; ``key=None`` means evaluation.

Every draw a recurrent layer needs is made before its loop over time: the loop itself is
free of randomness, so a mask that should last a whole sequence cannot change on the
way.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from zoo.types import Array, Key


def bernoulli(key: Key, p: float | Array, shape: Sequence[int]) -> Array:
    """Draw True with probability `p`, as `jax.random.bernoulli` does, to the bit.

    Args:
        key: a key.
        p: a probability, or one for each entry.
        shape: of what is drawn.

    Returns:
        An array of bools.
    """
    # Along one axis: to number the entries of several, XLA compiles for longer on a
    # CPU, and for every shape of a batch anew.
    p = jnp.broadcast_to(p, shape).reshape(-1) if jnp.ndim(p) else p
    return jax.random.bernoulli(key, p, (math.prod(shape),)).reshape(shape)


def dropout_mask(key: Key, shape: Sequence[int], rate: float, dtype: Any) -> Array:
    """Draw a mask of 0 (with probability `rate`) and 1/(1-rate).

    Args:
        key: a key.
        shape: of the mask.
        rate: the probability of a zero, in [0, 1).
        dtype: of the mask.

    Returns:
        An array of `shape` whose mean is one in expectation.
    """
    keep = bernoulli(key, 1.0 - rate, shape)
    return jnp.where(keep, 1.0 / (1.0 - rate), 0.0).astype(dtype)


def dropout(key: Key | None, x: Array, rate: float) -> Array:
    """Drop single entries: ``x * mask / (1 - rate)``, each entry drawn anew.

    Srivastava et al. 2014.

    Args:
        key: a key, or None for evaluation, which returns `x`.
        x: an array of any shape.
        rate: the probability that an entry is dropped, in [0, 1).

    Returns:
        An array like `x`.
    """
    if key is None or rate == 0.0:
        return x
    return x * dropout_mask(key, x.shape, rate, x.dtype)


def locked_dropout(key: Key | None, x: Array, rate: float) -> Array:
    """Drop features for a whole sequence: one mask ``[B, 1, ...]`` for all its steps.

    Also known as variational dropout. Gal and Ghahramani 2015, arXiv:1512.05287.

    Args:
        key: a key, or None for evaluation, which returns `x`.
        x: an array ``[B, T, ...]``.
        rate: the probability that a feature of a row is dropped, in [0, 1).

    Returns:
        An array like `x`.
    """
    if key is None or rate == 0.0:
        return x
    return x * dropout_mask(key, (x.shape[0], 1, *x.shape[2:]), rate, x.dtype)


def split(key: Key | None, n: int) -> Sequence[Key | None]:
    """Split a key for `n` uses; at evaluation all of them are None.

    Args:
        key: a key, or None.
        n: how many are needed.
    """
    return [None] * n if key is None else list(jax.random.split(key, n))


def word_dropout(
    key: Key | None, ids: Array, rate: float | Array, unknown: int
) -> Array:
    """Replace tokens by the unknown token, so that its embedding gets trained.

    Args:
        key: a key, or None for evaluation, which returns `ids`.
        ids: token numbers of any shape.
        rate: the probability that a token is replaced, in [0, 1), or one for each token
            like `ids`: ``a / (a + count)`` spares the frequent ones (Kiperwasser and
            Goldberg 2016, arXiv:1603.04351).
        unknown: the number of the unknown token.

    Returns:
        An array like `ids`.
    """
    if key is None or (isinstance(rate, float) and rate == 0.0):
        return ids
    drop = bernoulli(key, rate, ids.shape)
    return jnp.where(drop, jnp.asarray(unknown, ids.dtype), ids)


def weight_drop(key: Key | None, weights: Array, rate: float) -> Array:
    """Drop single weights of a recurrent matrix, the same ones at every step.

    Wan et al. 2013 (DropConnect); Merity et al. 2017 (AWD-LSTM), arXiv:1708.02182.

    Args:
        key: a key, or None for evaluation, which returns `weights`.
        weights: a matrix.
        rate: the probability that a weight is dropped, in [0, 1).

    Returns:
        An array like `weights`.
    """
    return dropout(key, weights, rate)


def zoneout(hold: Array | None, old: Array, new: Array, rate: float) -> Array:
    """Let units keep their old state at random.

    ``hold ? old : new`` in training, and the expectation ``rate*old + (1-rate)*new`` at
    evaluation. Krueger et al. 2016, arXiv:1606.01305.

    Args:
        hold: bool like `old`, True with probability `rate`; None for evaluation.
        old: the state before the step.
        new: the state after the step.
        rate: the probability that a unit is held, in [0, 1).

    Returns:
        An array like `new`.
    """
    if rate == 0.0:
        return new
    if hold is None:
        r = jnp.asarray(rate, new.dtype)
        return r * old + (1 - r) * new
    return jnp.where(hold, old, new)
