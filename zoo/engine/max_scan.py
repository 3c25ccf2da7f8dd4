"""The recurrence ``m_t = max(a_t + m_(t-1), b_t)``, linear in the (max, +) algebra."""

import jax
import jax.numpy as jnp

from zoo.engine.broadcast import spread
from zoo.engine.linear_scan import shifted
from zoo.engine.masks import Span
from zoo.types import Array

_Step = tuple[Array, Array]  # a and b


def max_scan(
    a: Array, b: Array, m: Array, initial: Array, span: Span
) -> tuple[Array, Array]:
    """Return ``m_t = max(a_t + m_(t-1), b_t)`` for all steps.

    Args:
        a: summands ``[B, T, ...]``.
        b: lower bounds ``[B, T, ...]``; -inf at padding.
        m: the value before the first step in processing order, ``[B, ...]``.
        initial: the value that a reset restarts from.
        span: mask, reset and direction.

    Returns:
        The value before each step, after its reset, and the value after it.
    """
    minus_infinity = jnp.asarray(-jnp.inf, b.dtype)
    sums, bounds = a, b
    if span.restart is not None:
        restarts = spread(span.restart, b)
        bounds = jnp.where(restarts, jnp.maximum(a + initial[:, None], b), b)
        sums = jnp.where(restarts, minus_infinity, a)
    if span.mask is not None:
        sums = jnp.where(spread(span.mask, a), sums, jnp.zeros((), a.dtype))
    sums, bounds = jax.lax.associative_scan(
        _compose, (sums, bounds), reverse=span.reverse, axis=1
    )
    after = jnp.maximum(sums + m[:, None], bounds)
    before = shifted(after, m, axis=1, reverse=span.reverse)
    if span.restart is not None:
        before = jnp.where(spread(span.restart, b), initial[:, None], before)
    return before, after


def _compose(earlier: _Step, later: _Step) -> _Step:
    """Return two steps as one."""
    (a, b), (c, d) = earlier, later
    return a + c, jnp.maximum(c + b, d)
