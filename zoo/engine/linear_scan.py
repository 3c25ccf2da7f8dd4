"""Linear recurrences, ``h_t = a_t * h_(t-1) + b_t``: all steps at once.

The factors do not depend on the state, so that two steps in a row are one step of the
same form, ``(a, b) then (a', b') = (a * a', a' * b + b')``: the steps may be taken
together in any order, as a tree of depth log T (Blelloch 1990; Martin and Cundy 2017,
arXiv:1709.04057), or on a GPU by a kernel, in one pass over memory. A CPU, which is not
wide enough for a tree, takes one after the other, in a loop that does nothing else. The
gradient of a linear recurrence is a linear recurrence the other way, so that no inner
node of the tree is stored.

Complex numbers are *pairs*: the first half of the last axis holds real parts, the
second the imaginary ones. So what they come from, and what is made of them, are
products of real matrices.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.engine import native
from zoo.engine.loop import Span, spread
from zoo.engine.platform import platform
from zoo.types import Array


def times(a: Array, b: Array, *, pairs: bool = False) -> Array:
    """Return ``a * b``.

    Args:
        a: numbers ``[..., N]``.
        b: numbers ``[..., N]``.
        pairs: whether they are complex, as told above.
    """
    if not pairs:
        return a * b
    (a_re, a_im), (b_re, b_im) = jnp.split(a, 2, -1), jnp.split(b, 2, -1)
    return jnp.concatenate([a_re * b_re - a_im * b_im, a_re * b_im + a_im * b_re], -1)


def span_scan(
    a: Array, b: Array, h: Array, initial: Array, span: Span, *, pairs: bool = False
) -> Array:
    """Return the states of all steps, with padding and resets.

    Args:
        a: factors ``[B, T, ...]``, or what can be broadcast to that.
        b: what is added ``[B, T, ...]``.
        h: the state before the step that is met first, ``[B, ...]``.
        initial: the state that a reset restarts from.
        span: mask, reset and direction.
        pairs: whether all of these are complex, ``[B, T, 2 N]``.

    Returns:
        ``[B, T, ...]``, in the order of `b`.
    """
    if span.reset is not None:
        begins = spread(span.reset, b)
        b = jnp.where(begins, times(a, initial[:, None], pairs=pairs) + b, b)
        a = jnp.where(begins, jnp.zeros((), a.dtype), a)
    if span.mask is not None:
        real = spread(span.mask, b)
        one = jnp.ones(b.shape[-1], a.dtype)
        if pairs:
            one = one.at[len(one) // 2 :].set(0)
        a = jnp.where(real, a, one)
        b = jnp.where(real, b, jnp.zeros((), b.dtype))
    return linear_scan(a, b, h, axis=1, reverse=span.reverse, pairs=pairs)


def linear_scan(
    a: Array,
    b: Array,
    h: Array,
    *,
    axis: int = 0,
    reverse: bool = False,
    pairs: bool = False,
) -> Array:
    """Return the states of all steps.

    ::

        h_t = a_t * h_(t-1) + b_t

    Args:
        a: factors ``[T, ...]``, or what can be broadcast to that.
        b: what is added ``[T, ...]``.
        h: the state before the first step that is met, ``[...]``.
        axis: that of time.
        reverse: go from the last step to the first.
        pairs: whether all of these are complex; the only axis after that of time is
            then the last, ``[..., T, 2 N]``.

    Returns:
        ``[T, ...]``, in the order of `b`.
    """
    a = a.reshape((1,) * (b.ndim - a.ndim) + a.shape)
    states: Any = _linear_scan(_Way(axis, reverse, pairs, False), a, b, h)
    return states


def shifted(steps: Array, edge: Array, *, axis: int = 0, reverse: bool) -> Array:
    """Return for each step the value of the one that is met before it.

    Args:
        steps: a value for each step.
        edge: that before the step that is met first.
        axis: that of time.
        reverse: whether the last step is met first.
    """
    T, edge = steps.shape[axis], jnp.expand_dims(edge, axis)
    if reverse:
        later = jax.lax.slice_in_dim(steps, 1, T, axis=axis)
        return jnp.concatenate([later, edge], axis)
    earlier = jax.lax.slice_in_dim(steps, 0, T - 1, axis=axis)
    return jnp.concatenate([edge, earlier], axis)


class _Way(NamedTuple):
    """How a linear recurrence is to be read.

    Attributes:
        axis: that of time.
        reverse: go from the last step to the first.
        pairs: whether numbers are complex.
        adjoint: ``h_t = conj(a_s) * h_s + b_t``, where s is the step met before t, and
            h is zero at first: the linear map from b to the states, transposed, if it
            goes the other way.
    """

    axis: int
    reverse: bool
    pairs: bool
    adjoint: bool

    def conj(self, a: Array) -> Array:
        """Return the conjugate."""
        if not self.pairs:
            return a
        re, im = jnp.split(a, 2, -1)
        return jnp.concatenate([re, -im], -1)

    def before(self, steps: Array, edge: Array) -> Array:
        """Return for each step the value of the one met before it."""
        return shifted(steps, edge, axis=self.axis, reverse=self.reverse)

    def first(self, steps: Array) -> Array:
        """Return the value of the step that is met first, or the one for all."""
        return steps.take(-1 if self.reverse else 0, self.axis)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _linear_scan(way: _Way, a: Array, b: Array, h: Array) -> Array:
    if native.takes_linear(b.dtype):
        states, _ = native.gpu.linear(a, b, h, **way._asdict())
        return states
    if way.adjoint:
        a = way.conj(a)
        if a.shape[way.axis] > 1:  # else the one factor: at first h is zero
            a = way.before(a, jnp.zeros_like(way.first(a)))
    if platform() == "cpu":
        return _one_by_one(way, a, b, h)
    a = jnp.broadcast_to(a, b.shape)

    def join(first, then):
        """Return two steps as one."""
        (a, b), (c, d) = first, then
        return times(c, a, pairs=way.pairs), times(c, b, pairs=way.pairs) + d

    tree = partial(jax.lax.associative_scan, reverse=way.reverse, axis=way.axis)
    factors, states = tree(join, (a, b))
    return times(factors, jnp.expand_dims(h, way.axis), pairs=way.pairs) + states


def _one_by_one(way, a, b, h):
    """Return the states of all steps, by a loop."""
    b = jnp.moveaxis(b, way.axis, 0)
    a = jnp.moveaxis(a, way.axis, 0)
    same = len(a) < len(b)

    def body(h, step):
        factor, added = (a[0], step) if same else step
        h = times(factor, h, pairs=way.pairs) + added
        return h, h

    _, states = jax.lax.scan(body, h, b if same else (a, b), reverse=way.reverse)
    return jnp.moveaxis(states, 0, way.axis)


def _forward(way, a, b, h):
    states = _linear_scan(way, a, b, h)
    return states, (a, h, states)


def _backward(way, kept, by_states):
    a, h, states = kept
    none = jnp.zeros_like(h)
    back = way._replace(reverse=not way.reverse, adjoint=not way.adjoint)
    if way.adjoint:
        g: Any = _linear_scan(back, a, by_states, none)
        by_a = times(states, way.conj(back.before(g, none)), pairs=way.pairs)
        by_h = none
    else:
        constant = a.shape[way.axis] < by_states.shape[way.axis]
        summed = constant and native.takes_linear(by_states.dtype)
        both: Any = (_summed if summed else _apart)(back, a, by_states, states, h)
        g, by_a = both
        first = way.conj(way.first(a))
        by_h = times(first, way.first(g), pairs=way.pairs)
    same = [axis for axis, size in enumerate(a.shape) if size < by_a.shape[axis]]
    return by_a.sum(same, keepdims=True), g, by_h


_linear_scan.defvjp(_forward, _backward)


def _apart(way, a, b, states, h):
    """Return the states g of a transposed recurrence, and the gradient by a of each."""
    g: Any = _linear_scan(way, a, b, jnp.zeros_like(h))
    back = way._replace(reverse=not way.reverse)
    return g, times(way.conj(back.before(states, h)), g, pairs=way.pairs)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _summed(way, a, b, states, h):
    """Do what `_apart` does, by a kernel, with the sum of the gradients by a."""
    weights = states, h
    g, by_a = native.gpu.linear(
        a, b, jnp.zeros_like(h), **way._asdict(), weights=weights
    )
    return g, jnp.expand_dims(by_a, way.axis)


def _keep_given(way, *given):
    return _summed(way, *given), given


def _backward_of_summed(way, given, by):
    (_, by_a), back = jax.vjp(partial(_apart, way), *given)
    # Of a sum over time: the same for all steps.
    return back((by[0], jnp.broadcast_to(by[1], by_a.shape)))


_summed.defvjp(_keep_given, _backward_of_summed)


def max_scan(
    a: Array, b: Array, m: Array, initial: Array, span: Span
) -> tuple[Array, Array]:
    """Return ``m_t = max(a_t + m_(t-1), b_t)`` of all steps: linear, with max for plus.

    Args:
        a: what is added ``[B, T, ...]``.
        b: the least value ``[B, T, ...]``; -inf at padding.
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
        least = jnp.where(begins, jnp.maximum(a + initial[:, None], b), b)
        sums = jnp.where(begins, none, a)
    if span.mask is not None:
        sums = jnp.where(spread(span.mask, a), sums, jnp.zeros((), a.dtype))
    sums, least = jax.lax.associative_scan(
        _join_max, (sums, least), reverse=span.reverse, axis=1
    )
    after = jnp.maximum(sums + m[:, None], least)
    before = shifted(after, m, axis=1, reverse=span.reverse)
    if span.reset is not None:
        before = jnp.where(spread(span.reset, b), initial[:, None], before)
    return before, after


def _join_max(first: tuple[Array, Array], then: tuple[Array, Array]):
    """Return two steps as one."""
    (a, b), (c, d) = first, then
    return a + c, jnp.maximum(c + b, d)
