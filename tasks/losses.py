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


def cross_entropy(
    logits: Array, labels: ArrayLike, mask: ArrayLike, *, smoothing: float = 0.0
) -> tuple[Array, Array]:
    """Return the sum of the cross-entropies, and the number of labels in it.

    With label smoothing the target gives probability ``smoothing`` to all classes
    evenly: ``(1 - smoothing) log p[label] + smoothing mean(log p)`` is maximised.
    Szegedy et al. 2016, arXiv:1512.00567.

    Args:
        logits: scores ``[..., K]``.
        labels: class numbers ``[...]``.
        mask: bool ``[...]``, True = counts.
        smoothing: in ``[0, 1)``.
    """
    gain = log_likelihood(logits, labels)
    if smoothing:
        mean = jax.nn.log_softmax(logits).mean(axis=-1)
        gain = (1 - smoothing) * gain + smoothing * mean
    mask = jnp.asarray(mask)
    return -jnp.where(mask, gain, 0.0).sum(), mask.sum()
