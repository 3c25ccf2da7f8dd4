"""Checked inputs of the CRF's recursions."""

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine.varying import vary_alike
from zoo.modules.crf.transitions import Transitions
from zoo.types import Array, ArrayLike


def prepare(
    logits: Array, transitions: Transitions, mask: ArrayLike | None
) -> tuple[Array, Array, Array, Array, Array]:
    """Check the arguments; return arrays of one dtype, with zeros at padding.

    They vary over the same axes of a mesh, for the loops.
    """
    if jnp.ndim(logits) != 3:
        raise ValueError(f"logits must have shape [B, T, K], got {jnp.shape(logits)}")
    checks.floating("logits", logits)
    B, T, K = jnp.shape(logits)
    wide = jnp.result_type(logits) == jnp.float64
    dtype = jnp.dtype(jnp.float64 if wide else jnp.float32)
    shapes = ((K, K), (K,), (K,))
    for name, a, expected in zip(Transitions._fields, transitions, shapes, strict=True):
        checks.shape(f"transitions.{name}", a, expected, "of K = " + str(K))
    scores = [jnp.asarray(a).astype(dtype) for a in transitions]
    if mask is None:
        mask = jnp.ones((B, T), bool)
    checks.mask("mask", mask, (B, T), "[B, T]")
    mask = jnp.asarray(mask)
    logits = jnp.where(mask[..., None], logits.astype(dtype), jnp.zeros((), dtype))
    return vary_alike(logits, *scores, mask)


def previous_token(mask: Array) -> Array:
    """Return the index of the last real token before each step, or -1: ``[B, T]``."""
    steps = jnp.where(mask, jnp.arange(mask.shape[1]), -1)
    latest = jax.lax.cummax(steps, axis=1)
    return jnp.pad(latest[:, :-1], ((0, 0), (1, 0)), constant_values=-1)


def time_first(logits: Array, mask: Array) -> tuple[Array, Array, Array]:
    """Return the scanned inputs with T first: logits, mask, and the first tokens."""
    first = mask & (previous_token(mask) < 0)
    return jnp.moveaxis(logits, 1, 0), mask.T, first.T
