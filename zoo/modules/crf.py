"""The linear-chain conditional random field (CRF).

The score of a path (a sequence of labels) is the sum of the logits of its labels and of
the transitions between neighbours,

    score(y) = start[y_1] + sum_t logits[t, y_t] + sum_t between[y_t, y_t+1] + end[y_T]

and its probability is ``exp(score(y) - log_partition)``. Lafferty et al. 2001,
"Conditional random fields".

Every function takes logits ``[B, T, K]`` and any ``mask`` (bool ``[B, T]``, True = a
real token; None if all are). Padding, wherever it is and whatever it holds, is skipped.
A row without tokens has one path, the empty one, with score zero. Sums are float32 or
wider.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo import checks
from zoo.types import Array, ArrayLike

# The score of a forbidden transition. exp(-1e4) is zero in float32 next to any allowed
# path and, unlike -inf, leaves gradients finite.
FORBIDDEN = -1e4


class Transitions(NamedTuple):
    """Transition scores between labels; or, as bools, which transitions are allowed.

    Attributes:
        between: ``[K, K]``, from the label of the row to that of the column.
        start: ``[K]``, of the first label.
        end: ``[K]``, of the last label.
    """

    between: ArrayLike
    start: ArrayLike
    end: ArrayLike


def score(
    logits: Array,
    labels: Array,
    transitions: Transitions,
    mask: ArrayLike | None = None,
) -> Array:
    """Return the score of one path per row.

    Args:
        logits: ``[B, T, K]``.
        labels: ints ``[B, T]``; padding may hold anything.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B]``.

    Raises:
        ValueError: if a shape is wrong.
        TypeError: if `labels` are not ints, `logits` not floating point, or `mask` not
            bool.
    """
    logits, between, start, end, mask = _checked(logits, transitions, mask)
    checks.shape("labels", labels, logits.shape[:2], "[B, T]")
    if not jnp.issubdtype(jnp.result_type(labels), jnp.integer):
        raise TypeError(f"labels must be ints, got {jnp.result_type(labels)}")
    labels = jnp.where(mask, labels, jnp.zeros((), labels.dtype))
    zero = jnp.zeros((), logits.dtype)
    emission = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    before = _previous_token(mask)
    previous = jnp.take_along_axis(labels, jnp.maximum(before, 0), axis=1)
    transition = jnp.where(before < 0, start[labels], between[previous, labels])
    total = jnp.where(mask, emission + transition, zero).sum(axis=1)
    last = mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
    final = end[jnp.take_along_axis(labels, last[:, None], axis=1)[:, 0]]
    return total + jnp.where(mask.any(axis=1), final, zero)


def log_partition(
    logits: Array, transitions: Transitions, mask: ArrayLike | None = None
) -> Array:
    """Return the log-partition function ``log sum_y exp(score(y))`` over all paths.

    Args:
        logits: ``[B, T, K]``.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B]``; zero for a row without tokens.

    Raises:
        ValueError: if a shape is wrong.
        TypeError: if `logits` are not floating point, or `mask` is not bool.
    """
    logits, between, start, end, mask = _checked(logits, transitions, mask)

    def step(alpha: Array, inputs: tuple[Array, ...]) -> tuple[Array, None]:
        logits_t, real, first = inputs
        reached = jax.nn.logsumexp(alpha[:, :, None] + between, axis=1)
        new = jnp.where(first[:, None], start, reached) + logits_t
        return jnp.where(real[:, None], new, alpha), None

    alpha = jnp.zeros((logits.shape[0], logits.shape[2]), logits.dtype)
    alpha, _ = jax.lax.scan(step, alpha, _time_first(logits, mask))
    total = jax.nn.logsumexp(alpha + end, axis=1)
    return jnp.where(mask.any(axis=1), total, jnp.zeros((), total.dtype))


def log_likelihood(
    logits: Array,
    labels: Array,
    transitions: Transitions,
    mask: ArrayLike | None = None,
) -> Array:
    """Return the log-probability of one path per row.

    Args:
        logits: ``[B, T, K]``.
        labels: ints ``[B, T]``; padding may hold anything.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B]``, in nats; at most zero, up to rounding.

    Raises:
        ValueError: if a shape is wrong.
        TypeError: if `labels` are not ints, `logits` not floating point, or `mask` not
            bool.
    """
    return score(logits, labels, transitions, mask) - log_partition(
        logits, transitions, mask
    )


def marginals(
    logits: Array, transitions: Transitions, mask: ArrayLike | None = None
) -> Array:
    """Return the marginal probability of each label at each token.

    Args:
        logits: ``[B, T, K]``.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B, T, K]``; sums to one over K at tokens, zero at padding.

    Raises:
        ValueError: if a shape is wrong.
        TypeError: if `logits` are not floating point, or `mask` is not bool.
    """
    # d log_partition / d logits is the expected count of a label: the VJP is the
    # backward half of the forward-backward algorithm.
    return jax.grad(lambda x: log_partition(x, transitions, mask).sum())(logits)


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
    logits, *scores, mask = _checked(logits, transitions, mask)
    B, _, K = logits.shape
    lowest = jnp.asarray(-jnp.inf, logits.dtype)
    # Without gradients, forbidden transitions can be -inf, which marks missing paths.
    between, start, end = (jnp.where(a <= FORBIDDEN / 2, lowest, a) for a in scores)
    # best[b, j, n]: score of the n-th best path so far that ends in label j.
    missing = jnp.full((B, K, k - 1), lowest)
    same = jnp.arange(K * k, dtype=jnp.int32).reshape(K, k)

    def step(best: Array, inputs: tuple[Array, ...]) -> tuple[Array, Array]:
        logits_t, real, first = inputs
        candidates = best[:, :, :, None] + between[:, None, :]  # [B, K, k, K]
        candidates = jnp.moveaxis(candidates.reshape(B, K * k, K), 1, 2)
        extended, pointers = jax.lax.top_k(candidates, k)  # [B, K, k]
        initial = jnp.concatenate(
            [jnp.broadcast_to(start[:, None], (B, K, 1)), missing], axis=2
        )
        new = jnp.where(first[:, None, None], initial, extended) + logits_t[:, :, None]
        is_extension = (real & ~first)[:, None, None]
        pointers = jnp.where(is_extension, pointers.astype(jnp.int32), same)
        return jnp.where(real[:, None, None], new, best), pointers

    empty = jnp.concatenate([jnp.zeros((B, K, 1), logits.dtype), missing], axis=2)
    best, pointers = jax.lax.scan(step, empty, _time_first(logits, mask))
    total, last = jax.lax.top_k((best + end[:, None]).reshape(B, K * k), k)

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


def constrain(transitions: Transitions, allowed: Transitions) -> Transitions:
    """Set the scores of forbidden transitions to `FORBIDDEN`.

    Args:
        transitions: of K labels.
        allowed: bools of the same shapes, for example from `bio_constraints`.

    Returns:
        Transitions whose forbidden entries have no gradient. A path with a forbidden
        transition has probability zero, if any path is allowed.

    Raises:
        ValueError: if the shapes differ.
    """
    parts = []
    for name, a, b in zip(Transitions._fields, transitions, allowed, strict=True):
        checks.shape(f"allowed.{name}", b, jnp.shape(a), "as of transitions")
        a = jnp.asarray(a)
        parts.append(jnp.where(jnp.asarray(b), a, jnp.asarray(FORBIDDEN, a.dtype)))
    return Transitions(*parts)


def bio_constraints(labels: Sequence[str]) -> Transitions:
    """Return the transitions that BIO2 allows: ``I-X`` only after ``B-X`` or ``I-X``.

    Args:
        labels: K names: ``O``, ``B-X`` and ``I-X`` of any types X.

    Returns:
        Arrays of bools.

    Raises:
        ValueError: if a name is neither of these.
    """
    for name in labels:
        if name != "O" and (name[:2] not in ("B-", "I-") or len(name) < 3):
            raise ValueError(f"labels must be O, B-X or I-X (BIO2), got {name!r}")
    inside = np.array([name.startswith("I-") for name in labels], bool)
    kinds = [name[2:] for name in labels]
    same = np.array([[a == b and a != "" for b in kinds] for a in kinds], bool)
    return Transitions(same | ~inside[None, :], ~inside, np.ones(len(kinds), bool))


def _checked(
    logits: Array, transitions: Transitions, mask: ArrayLike | None
) -> tuple[Array, Array, Array, Array, Array]:
    """Return the arguments as arrays of one dtype, with zeros at padding."""
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
    checks.shape("mask", mask, (B, T), "[B, T]")
    checks.boolean("mask", mask)
    mask = jnp.asarray(mask)
    logits = jnp.where(mask[..., None], logits.astype(dtype), jnp.zeros((), dtype))
    between, start, end = scores
    return logits, between, start, end, mask


def _previous_token(mask: Array) -> Array:
    """Return the index of the last real token before each step, or -1: ``[B, T]``."""
    steps = jnp.where(mask, jnp.arange(mask.shape[1]), -1)
    latest = jax.lax.cummax(steps, axis=1)
    return jnp.pad(latest[:, :-1], ((0, 0), (1, 0)), constant_values=-1)


def _time_first(logits: Array, mask: Array) -> tuple[Array, Array, Array]:
    """Return the inputs of the steps: logits, real tokens, first tokens; T first."""
    first = mask & (_previous_token(mask) < 0)
    return jnp.moveaxis(logits, 1, 0), mask.T, first.T
