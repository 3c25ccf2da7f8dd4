"""The linear-chain conditional random field: scores of whole sequences of labels.

The score of a path is the sum of the logits of its labels and of the transitions
between neighbours,

    score(y) = start[y_1] + sum_t logits[t, y_t] + sum_t between[y_t, y_t+1] + end[y_T]

and its probability ``exp(score(y) - log_partition)``. Lafferty et al. 2001,
"Conditional random fields".

Every function takes logits ``[B, T, K]`` and any ``mask`` (bool ``[B, T]``, True = a
real token; None if all are): padding is skipped as if it were cut out, whatever stands
there. A row without tokens has one path, the empty one, with score zero. Sums run in
float32 at least.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo import checks
from zoo.types import Array, ArrayLike

# The score of a forbidden transition: exp(-1e4) is zero in float32 next to any path
# that is allowed, and unlike -inf it leaves gradients finite.
FORBIDDEN = -1e4


class Transitions(NamedTuple):
    """What a sequence of labels scores by itself; or, as bools, what it may be.

    Attributes:
        between: ``[K, K]``, from the row's label to the column's.
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
    """Return the score of one path a row.

    Args:
        logits: ``[B, T, K]``.
        labels: ints ``[B, T]``; at padding they may be anything.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B]``.

    Raises:
        ValueError: if a shape is not as told.
        TypeError: if `labels` are not ints, or a dtype is not as told.
    """
    logits, between, start, end, mask = _checked(logits, transitions, mask)
    checks.shape("labels", labels, logits.shape[:2], "[B, T]")
    if not jnp.issubdtype(jnp.result_type(labels), jnp.integer):
        raise TypeError(f"labels must be ints, got {jnp.result_type(labels)}")
    labels = jnp.where(mask, labels, jnp.zeros((), labels.dtype))
    zero = jnp.zeros((), logits.dtype)
    here = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    before = _before(mask)
    previous = jnp.take_along_axis(labels, jnp.maximum(before, 0), axis=1)
    arrival = jnp.where(before < 0, start[labels], between[previous, labels])
    total = jnp.where(mask, here + arrival, zero).sum(axis=1)
    last = mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
    final = end[jnp.take_along_axis(labels, last[:, None], axis=1)[:, 0]]
    return total + jnp.where(mask.any(axis=1), final, zero)


def log_partition(
    logits: Array, transitions: Transitions, mask: ArrayLike | None = None
) -> Array:
    """Return the logarithm of the sum over all paths: ``log sum_y exp(score(y))``.

    Args:
        logits: ``[B, T, K]``.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B]``; zero for a row without tokens.

    Raises:
        ValueError: if a shape is not as told.
        TypeError: if `logits` are not floating point, or `mask` is not bool.
    """
    logits, between, start, end, mask = _checked(logits, transitions, mask)

    def step(alpha, inputs):
        logits_t, real, first = inputs
        arrival = jax.nn.logsumexp(alpha[:, :, None] + between, axis=1)
        new = jnp.where(first[:, None], start, arrival) + logits_t
        return jnp.where(real[:, None], new, alpha), None

    alpha = jnp.zeros((logits.shape[0], logits.shape[2]), logits.dtype)
    alpha, _ = jax.lax.scan(step, alpha, _by_time(logits, mask))
    total = jax.nn.logsumexp(alpha + end, axis=1)
    return jnp.where(mask.any(axis=1), total, jnp.zeros((), total.dtype))


def log_likelihood(
    logits: Array,
    labels: Array,
    transitions: Transitions,
    mask: ArrayLike | None = None,
) -> Array:
    """Return the logarithm of the probability of one path a row.

    Args:
        logits: ``[B, T, K]``.
        labels: ints ``[B, T]``; at padding they may be anything.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B]``, in nats, never above zero but by rounding.

    Raises:
        ValueError: if a shape is not as told.
        TypeError: if `labels` are not ints, or a dtype is not as told.
    """
    return score(logits, labels, transitions, mask) - log_partition(
        logits, transitions, mask
    )


def marginals(
    logits: Array, transitions: Transitions, mask: ArrayLike | None = None
) -> Array:
    """Return the probability of each label at each token, over all paths.

    Args:
        logits: ``[B, T, K]``.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B, T, K]``; sums to one over K at tokens, zero at padding.

    Raises:
        ValueError: if a shape is not as told.
        TypeError: if `logits` are not floating point, or `mask` is not bool.
    """
    # d log_partition / d logits is the expected count of a label: the backward pass is
    # the backward half of the forward-backward algorithm.
    return jax.grad(lambda x: log_partition(x, transitions, mask).sum())(logits)


def viterbi(
    logits: Array, transitions: Transitions, mask: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Return the best path of each row.

    Args:
        logits: ``[B, T, K]``.
        transitions: of K labels.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        labels, int32 ``[B, T]``, 0 at padding; and their score ``[B]``.

    Raises:
        ValueError: if a shape is not as told.
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
        k: how many.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        labels, int32 ``[B, k, T]``, the best path first, 0 at padding; and their scores
        ``[B, k]``, -inf where a row has not so many paths that are allowed.

    Raises:
        ValueError: if a shape is not as told, or `k` is not positive.
        TypeError: if `logits` are not floating point, or `mask` is not bool.
    """
    checks.positive("k", k)
    logits, *scores, mask = _checked(logits, transitions, mask)
    B, _, K = logits.shape
    lowest = jnp.asarray(-jnp.inf, logits.dtype)
    # No gradient is asked for here: what is forbidden can be -inf, and be told apart.
    between, start, end = (jnp.where(a <= FORBIDDEN / 2, lowest, a) for a in scores)
    # best[b, j, n]: the n-th best path so far that ends in label j.
    none = jnp.full((B, K, k - 1), lowest)
    same = jnp.arange(K * k, dtype=jnp.int32).reshape(K, k)

    def step(best, inputs):
        logits_t, real, first = inputs
        ways = best[:, :, :, None] + between[:, None, :]  # [B, K, k, K]
        ways = jnp.moveaxis(ways.reshape(B, K * k, K), 1, 2)
        found, came_from = jax.lax.top_k(ways, k)  # [B, K, k]
        alone = jnp.concatenate(
            [jnp.broadcast_to(start[:, None], (B, K, 1)), none], axis=2
        )
        new = jnp.where(first[:, None, None], alone, found) + logits_t[:, :, None]
        moved = (real & ~first)[:, None, None]
        back = jnp.where(moved, came_from.astype(jnp.int32), same)
        return jnp.where(real[:, None, None], new, best), back

    begin = jnp.concatenate([jnp.zeros((B, K, 1), logits.dtype), none], axis=2)
    best, back = jax.lax.scan(step, begin, _by_time(logits, mask))
    total, last = jax.lax.top_k((best + end[:, None]).reshape(B, K * k), k)

    def follow(at, pointers):
        before = jnp.take_along_axis(pointers.reshape(B, K * k), at, axis=1)
        return before, at // jnp.asarray(k, at.dtype)

    _, labels = jax.lax.scan(follow, last.astype(jnp.int32), back, reverse=True)
    labels = jnp.moveaxis(labels, 0, 2)  # [B, k, T]
    # The empty path is one path.
    empty = jnp.where(jnp.arange(k) == 0, jnp.zeros((), total.dtype), lowest)
    total = jnp.where(mask.any(axis=1)[:, None], total, empty)
    real = mask[:, None, :] & (total > lowest)[:, :, None]
    return jnp.where(real, labels, jnp.zeros((), labels.dtype)), total


def constrain(transitions: Transitions, allowed: Transitions) -> Transitions:
    """Forbid transitions: their score becomes `FORBIDDEN`.

    Args:
        transitions: of K labels.
        allowed: bools of the same shapes, such as `bio_constraints` gives.

    Returns:
        Transitions whose forbidden entries have no gradient. A path through one has no
        probability, as long as another path is allowed.

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
    """Return which transitions BIO2 labels allow: ``I-X`` only after ``B-X``, ``I-X``.

    Args:
        labels: K names: ``O``, ``B-X`` and ``I-X`` of any types X.

    Returns:
        numpy bools.

    Raises:
        ValueError: if a name is another.
    """
    for name in labels:
        if name != "O" and (name[:2] not in ("B-", "I-") or len(name) < 3):
            raise ValueError(f"labels must be O, B-X or I-X (BIO2), got {name!r}")
    inside = np.array([name.startswith("I-") for name in labels], bool)
    kinds = [name[2:] for name in labels]
    same = np.array([[a == b and a != "" for b in kinds] for a in kinds], bool)
    return Transitions(same | ~inside[None, :], ~inside, np.ones(len(kinds), bool))


def _checked(logits, transitions, mask):
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
    return logits, *scores, mask


def _before(mask):
    """Return at each step the number of the last real token before it, or -1."""
    steps = jnp.where(mask, jnp.arange(mask.shape[1]), -1)
    latest = jax.lax.cummax(steps, axis=1)
    return jnp.pad(latest[:, :-1], ((0, 0), (1, 0)), constant_values=-1)


def _by_time(logits, mask):
    """Return what a step is given: logits, whether it is real, whether the first."""
    first = mask & (_before(mask) < 0)
    return jnp.moveaxis(logits, 1, 0), mask.T, first.T
