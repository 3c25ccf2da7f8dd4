"""The likelihood of a CRF: path scores, the log-partition function and marginals."""

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine.varying import vary_alike
from zoo.modules.crf.inputs import prepare, previous_token, time_first
from zoo.modules.crf.transitions import Transitions
from zoo.types import Array, ArrayLike

LONG = 1024  # steps; the backward pass of longer rows recomputes the forward pass


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
    logits, between, start, end, mask = prepare(logits, transitions, mask)
    checks.shape("labels", labels, logits.shape[:2], "[B, T]")
    if not jnp.issubdtype(jnp.result_type(labels), jnp.integer):
        raise TypeError(f"labels must be ints, got {jnp.result_type(labels)}")
    labels = jnp.where(mask, labels, jnp.zeros((), labels.dtype))
    zero = jnp.zeros((), logits.dtype)
    emission = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    before = previous_token(mask)
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
    return _log_partition(logits, transitions, mask, recompute=False)


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
    # For each step of a long row K values are stored, not K*K.
    T = logits.shape[1]
    recompute = isinstance(T, int) and T > LONG  # a symbolic T has no value
    return jax.grad(
        lambda x: _log_partition(x, transitions, mask, recompute=recompute).sum()
    )(logits)


def _log_partition(
    logits: Array,
    transitions: Transitions,
    mask: ArrayLike | None,
    *,
    recompute: bool,
) -> Array:
    """Return `log_partition`; `recompute` is whether its gradient repeats the steps."""
    logits, between, start, end, mask = prepare(logits, transitions, mask)

    def step(alpha: Array, inputs: tuple[Array, ...]) -> tuple[Array, None]:
        logits_t, real, first = inputs
        reached = jax.nn.logsumexp(alpha[:, :, None] + between[None], axis=1)
        new = jnp.where(first[:, None], start[None], reached) + logits_t
        return jnp.where(real[:, None], new, alpha), None

    alpha = jnp.zeros((logits.shape[0], logits.shape[2]), logits.dtype)
    alpha, logits = vary_alike(alpha, logits)
    body = jax.checkpoint(step) if recompute else step
    alpha, _ = jax.lax.scan(body, alpha, time_first(logits, mask))
    total = jax.nn.logsumexp(alpha + end[None], axis=1)
    return jnp.where(mask.any(axis=1), total, jnp.zeros((), total.dtype))
