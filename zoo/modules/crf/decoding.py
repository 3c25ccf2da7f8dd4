"""The best paths of a CRF."""

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine.varying import vary_alike
from zoo.modules.crf.inputs import prepare, time_first
from zoo.modules.crf.transitions import FORBIDDEN, Transitions
from zoo.types import Array, ArrayLike


def viterbi(
    logits: Array, transitions: Transitions, mask: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Return the best path of each row, by the Viterbi algorithm.

    Args:
        logits: ``[B, T, K]``.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        The labels, int32 ``[B, T]``, 0 at padding; and their score ``[B]``.

    Raises:
        ValueError: if a shape is wrong.
        TypeError: if `logits` are not floating point, or `mask` is not bool.
    """
    labels, scores = k_best(logits, transitions, 1, mask)
    return labels[:, 0], scores[:, 0]


def k_best(
    logits: Array, transitions: Transitions, k: int, mask: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Return the k best paths of each row.

    Args:
        logits: ``[B, T, K]``.
        transitions: of K labels.
        k: number of paths.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        The labels, int32 ``[B, k, T]``, the best path first, 0 at padding; and the
        scores ``[B, k]``, -inf where a row has fewer than k allowed paths.

    Raises:
        ValueError: if a shape is wrong, or `k` is not positive.
        TypeError: if `logits` are not floating point, or `mask` is not bool.
    """
    checks.positive("k", k)
    logits, *scores, mask = prepare(logits, transitions, mask)
    B, _, K = logits.shape
    lowest = jnp.asarray(-jnp.inf, logits.dtype)
    # Without gradients, forbidden transitions can be -inf, which marks missing paths.
    between, start, end = (jnp.where(a <= FORBIDDEN / 2, lowest, a) for a in scores)
    # best[b, j, n]: score of the n-th best path so far that ends in label j.
    missing = jnp.full((B, K, k - 1), lowest)
    same = jnp.arange(K * k, dtype=jnp.int32).reshape(K, k)

    def step(best: Array, inputs: tuple[Array, ...]) -> tuple[Array, Array]:
        logits_t, real, first = inputs
        candidates = best[:, :, :, None] + between[None, :, None, :]  # [B, K, k, K]
        candidates = jnp.moveaxis(candidates.reshape(B, K * k, K), 1, 2)
        extended, pointers = jax.lax.top_k(candidates, k)  # [B, K, k]
        initial = jnp.concatenate(
            [jnp.broadcast_to(start[None, :, None], (B, K, 1)), missing], axis=2
        )
        new = jnp.where(first[:, None, None], initial, extended) + logits_t[:, :, None]
        is_extension = (real & ~first)[:, None, None]
        pointers = jnp.where(is_extension, pointers.astype(jnp.int32), same[None])
        return jnp.where(real[:, None, None], new, best), pointers

    empty = jnp.concatenate([jnp.zeros((B, K, 1), logits.dtype), missing], axis=2)
    empty, logits = vary_alike(empty, logits)
    best, pointers = jax.lax.scan(step, empty, time_first(logits, mask))
    total, last = jax.lax.top_k((best + end[None, :, None]).reshape(B, K * k), k)

    def follow(position: Array, pointers: Array) -> tuple[Array, Array]:
        before = jnp.take_along_axis(pointers.reshape(B, K * k), position, axis=1)
        return before, position // jnp.asarray(k, position.dtype)

    _, labels = jax.lax.scan(follow, last.astype(jnp.int32), pointers, reverse=True)
    labels = jnp.moveaxis(labels, 0, 2)  # [B, k, T]
    # A row without tokens has one path, the empty one.
    no_tokens = jnp.where(jnp.arange(k) == 0, jnp.zeros((), total.dtype), lowest)
    total = jnp.where(mask.any(axis=1)[:, None], total, no_tokens)
    real = mask[:, None, :] & (total > lowest)[:, :, None]
    return jnp.where(real, labels, jnp.zeros((), labels.dtype)), total
