"""Losses that several tasks share."""

import jax
import jax.numpy as jnp

from zoo.types import Array, ArrayLike


def log_likelihood(logits: Array, labels: ArrayLike) -> Array:
    """Return the log-probability of each label, ``[...]``.

    Args:
        logits: scores ``[..., K]``.
        labels: class numbers ``[...]``.
    """
    scores = jax.nn.log_softmax(logits)
    labels = jnp.asarray(labels)[..., None]
    return jnp.take_along_axis(scores, labels, axis=-1)[..., 0]


def smoothed_likelihood(
    logits: Array, labels: ArrayLike, *, smoothing: float = 0.0
) -> Array:
    """Return the log-probability of each label with label smoothing, ``[...]``.

    The target gives probability `smoothing` to all classes evenly: the result is ``(1 -
    smoothing) log p[label] + smoothing mean(log p)``. Szegedy et al. 2016,
    arXiv:1512.00567.

    Args:
        logits: scores ``[..., K]``.
        labels: class numbers ``[...]``.
        smoothing: in ``[0, 1)``.
    """
    gain = log_likelihood(logits, labels)
    if smoothing:
        mean = jax.nn.log_softmax(logits).mean(axis=-1)
        gain = (1 - smoothing) * gain + smoothing * mean
    return gain


def negative_sum(gain: Array, mask: ArrayLike) -> tuple[Array, Array]:
    """Return the negative sum of log-probabilities, and their number.

    Args:
        gain: log-probabilities ``[...]``.
        mask: bool ``[...]``, True = counts.
    """
    mask = jnp.asarray(mask)
    return -jnp.where(mask, gain, 0.0).sum(), mask.sum()


def cross_entropy(
    logits: Array, labels: ArrayLike, mask: ArrayLike
) -> tuple[Array, Array]:
    """Return the sum of the cross-entropies, and the number of labels in it.

    Args:
        logits: scores ``[..., K]``.
        labels: class numbers ``[...]``.
        mask: bool ``[...]``, True = counts.
    """
    return negative_sum(log_likelihood(logits, labels), mask)
