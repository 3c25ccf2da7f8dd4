"""Trajectories of the state of a recurrent network, by principal components."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.layers import Layer, Stacked
from zoo.types import Array, ArrayLike, floating


class Trajectories(NamedTuple):
    """The states of all steps in their principal components.

    Attributes:
        points: the projected states ``[B, T, K]``, 0 at padding.
        directions: the principal directions as unit vectors, ``[K, H]``.
        mean: the mean state, which is subtracted first, ``[H]``.
        explained: fraction of the variance along each direction, ``[K]``.
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

    with the leading right singular vectors of the centred states. Signs are chosen so
    that the largest entry of each direction is positive.

    Args:
        layer: a layer of one direction; of a stack, the last layer is used.
        x: inputs ``[B, T, D]``.
        mask: bool ``[B, T]``, True = a real token; by default all are.
        part: the part of the state, ``"h"`` or another.
        dimensions: K, at most H.

    Raises:
        ValueError: if the layer is bidirectional, has no such part, or has fewer
            dimensions.
    """
    if layer.direction == "both":
        raise ValueError("layer must run in one direction, got direction='both'")
    states = nnx.view(layer, deterministic=True).states(x, mask)
    last = states[-1] if isinstance(layer, Stacked) else states
    parts = floating(last)
    values = parts[checks.one_of("part", part, parts)]
    values = values.reshape(*values.shape[:2], -1)
    H = values.shape[-1]
    if checks.positive("dimensions", dimensions) > H:
        raise ValueError(f"dimensions must be at most H = {H}, got {dimensions}")
    real = jnp.ones(values.shape[:2], bool) if mask is None else jnp.asarray(mask)
    weight = real[..., None].astype(values.dtype)
    mean = (values * weight).sum(axis=(0, 1), keepdims=True) / jnp.maximum(
        weight.sum(), 1
    )
    centred = (values - mean) * weight
    highest = jax.lax.Precision.HIGHEST
    covariance = jnp.einsum("bti,btj->ij", centred, centred, precision=highest)
    sizes, vectors = jnp.linalg.eigh(covariance)  # in ascending order
    sizes = jnp.maximum(sizes, 0)
    directions = vectors.T[::-1][:dimensions]
    largest = jnp.abs(directions).argmax(axis=1, keepdims=True)
    directions *= jnp.sign(jnp.take_along_axis(directions, largest, axis=1))
    total = jnp.maximum(sizes.sum(), jnp.finfo(sizes.dtype).tiny)
    explained = sizes[::-1][:dimensions] / total
    points = jnp.matmul(centred, directions.T, precision=highest)
    return Trajectories(points, directions, mean[0, 0], explained)
