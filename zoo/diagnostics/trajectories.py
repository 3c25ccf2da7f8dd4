"""Where the state of a recurrent network moves."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.layers import Layer, Stacked
from zoo.types import Array, ArrayLike, floating


class Trajectories(NamedTuple):
    """The states of all steps, seen from where they spread the most.

    Attributes:
        points: ``[B, T, K]``, 0 at padding.
        directions: the principal directions, of length one, ``[K, H]``.
        mean: what is taken off before, ``[H]``.
        explained: the share of the variance along each direction, ``[K]``.
    """

    points: Array
    directions: Array
    mean: Array
    explained: Array


def trajectories(
    layer: Layer,
    x: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    part: str = "h",
    dimensions: int = 2,
) -> Trajectories:
    """Project the states of all steps onto their principal directions.

    ::

        points = (s - mean(s)) directions^T

    with the leading right singular vectors of the centred states. The sign of a
    direction is that which makes its largest entry positive.

    Args:
        layer: one that runs in one direction; of a stack the last layer is taken.
        x: inputs ``[B, T, D]``.
        mask: bool ``[B, T]``, True = a real token; by default all are.
        part: the part of the state, ``"h"`` or another.
        dimensions: K, at most H.

    Raises:
        ValueError: if the layer reads in both directions, has no such part, or not so
            many dimensions.
    """
    if layer.direction == "both":
        raise ValueError("layer must run in one direction, got direction='both'")
    states = layer.states(x, mask)
    last = states[-1] if isinstance(layer, Stacked) else states
    parts = floating(last)
    values = parts[checks.one_of("part", part, parts)]
    values = values.reshape(*values.shape[:2], -1)
    H = values.shape[-1]
    if checks.positive("dimensions", dimensions) > H:
        raise ValueError(f"dimensions must be at most H = {H}, got {dimensions}")
    real = jnp.ones(values.shape[:2], bool) if mask is None else jnp.asarray(mask)
    weight = real[..., None].astype(values.dtype)
    mean = (values * weight).sum(axis=(0, 1)) / jnp.maximum(weight.sum(), 1)
    centred = (values - mean) * weight
    whole = jax.lax.Precision.HIGHEST
    covariance = jnp.einsum("bti,btj->ij", centred, centred, precision=whole)
    sizes, vectors = jnp.linalg.eigh(covariance)  # the smallest first
    sizes = jnp.maximum(sizes, 0)
    directions = vectors.T[::-1][:dimensions]
    largest = jnp.abs(directions).argmax(axis=1, keepdims=True)
    directions *= jnp.sign(jnp.take_along_axis(directions, largest, axis=1))
    total = jnp.maximum(sizes.sum(), jnp.finfo(sizes.dtype).tiny)
    explained = sizes[::-1][:dimensions] / total
    points = jnp.matmul(centred, directions.T, precision=whole)
    return Trajectories(points, directions, mean, explained)
