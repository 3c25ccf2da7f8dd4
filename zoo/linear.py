"""Linear recurrences, ``h_t = a_t * h_(t-1) + b_t``: in a loop, or all steps at once.

The factors do not depend on the state, so that two steps in a row are one step of the
same form, ``(a, b) then (a', b') = (a * a', a' * b + b')``: the steps may be taken
together in any order, as a tree of depth log T (Blelloch 1990; Martin and Cundy 2017,
arXiv:1709.04057). The gradient of a linear recurrence is a linear recurrence the other
way, so that no inner node of the tree is stored.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from zoo import native
from zoo.loop import Span, spread
from zoo.types import Array


def span_scan(a: Array, b: Array, h: Array, initial: Array, span: Span) -> Array:
    """Return the states of all steps, with padding and resets.

    Args:
        a: factors ``[T, B, ...]``, real or complex.
        b: what is added ``[T, B, ...]``.
        h: the state before the step that is met first, ``[B, ...]``.
        initial: the state that a reset restarts from.
        span: mask, reset and direction.

    Returns:
        ``[T, B, ...]``, in the order of `a`.
    """
    if span.reset is not None:
        begins = spread(span.reset, b)
        b = jnp.where(begins, a * initial + b, b)
        a = jnp.where(begins, jnp.zeros((), a.dtype), a)
    if span.mask is not None:
        real = spread(span.mask, b)
        a = jnp.where(real, a, jnp.ones((), a.dtype))
        b = jnp.where(real, b, jnp.zeros((), b.dtype))
    return linear_scan(a, b, h, reverse=span.reverse)


def linear_scan(
    a: Array, b: Array, h: Array, *, reverse: bool = False, parallel: bool = True
) -> Array:
    """Return the states of all steps.

    ::

        h_t = a_t * h_(t-1) + b_t

    Args:
        a: factors ``[T, ...]``, real or complex.
        b: what is added ``[T, ...]``.
        h: the state before the first step that is met, ``[...]``.
        reverse: go from the last step to the first.
        parallel: take all steps together, else one after the other.

    Returns:
        ``[T, ...]``, in the order of `a`.
    """
    states: Any = _linear_scan(a, b, h, reverse, parallel)
    return states


def max_scan(
    a: Array, b: Array, m: Array, initial: Array, span: Span
) -> tuple[Array, Array]:
    """Return ``m_t = max(a_t + m_(t-1), b_t)`` of all steps: linear, with max for plus.

    Args:
        a: what is added ``[T, B, ...]``.
        b: the least value ``[T, B, ...]``; -inf at padding.
        m: the value before the step that is met first, ``[B, ...]``.
        initial: the value that a reset restarts from.
        span: mask, reset and direction.

    Returns:
        The value before each step, as a reset has left it, and that after it.
    """
    none = jnp.asarray(-jnp.inf, b.dtype)
    sums, least = a, b
    if span.reset is not None:
        begins = spread(span.reset, b)
        least = jnp.where(begins, jnp.maximum(a + initial, b), b)
        sums = jnp.where(begins, none, a)
    if span.mask is not None:
        sums = jnp.where(spread(span.mask, a), sums, jnp.zeros((), a.dtype))
    sums, least = jax.lax.associative_scan(
        _join_max, (sums, least), reverse=span.reverse
    )
    after = jnp.maximum(sums + m, least)
    before = _shifted(after, m, span.reverse)
    if span.reset is not None:
        before = jnp.where(spread(span.reset, b), initial, before)
    return before, after


def _join_max(first: tuple[Array, Array], then: tuple[Array, Array]):
    """Return two steps as one."""
    (a, b), (c, d) = first, then
    return a + c, jnp.maximum(c + b, d)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _linear_scan(a, b, h, reverse, parallel):
    if parallel and native.takes_linear(b.dtype):
        return native.gpu.linear(a, b, h, reverse=reverse)
    if parallel:
        factors, states = jax.lax.associative_scan(_join, (a, b), reverse=reverse)
        return factors * h + states

    def body(h, step):
        a, b = step
        h = a * h + b
        return h, h

    return jax.lax.scan(body, h, (a, b), reverse=reverse)[1]


def _join(first: tuple[Array, Array], then: tuple[Array, Array]):
    """Return two steps as one."""
    (a, b), (c, d) = first, then
    return a * c, c * b + d


def _forward(a, b, h, reverse, parallel):
    states = linear_scan(a, b, h, reverse=reverse, parallel=parallel)
    return states, (a, h, states)


def _backward(reverse, parallel, kept, by_states):
    """Go the other way: ``g_t = by_h_t + a_(t+1) * g_(t+1)``."""
    a, h, states = kept
    # The factor of the step that was met after this one; the last met has none.
    later = _shifted(a, jnp.zeros_like(h), not reverse)
    none = jnp.zeros_like(h)
    back = {"reverse": not reverse, "parallel": parallel}
    g = linear_scan(later, by_states, none, **back)
    before = _shifted(states, h, reverse)
    first = -1 if reverse else 0
    return g * before, g, a[first] * g[first]


def _shifted(steps: Array, edge: Array, reverse: bool) -> Array:
    """Return for each step the value of the one before it, in the direction told."""
    if reverse:
        return jnp.concatenate([steps[1:], edge[None]])
    return jnp.concatenate([edge[None], steps[:-1]])


_linear_scan.defvjp(_forward, _backward)
