"""Linear recurrences, ``h_t = a_t * h_(t-1) + b_t``, over all steps.

The factors do not depend on the state. Two consecutive steps therefore compose to one
step of the same form, ``(a, b) then (a', b') = (a * a', a' * b + b')``, and the steps
can be combined in any order: as a tree of depth log T (Blelloch 1990; Martin and Cundy
2017, arXiv:1709.04057), or on a GPU by a kernel in one pass over memory. A CPU is not
wide enough for a tree and computes one step after the other, in a loop without any
matrix product. The gradient of a linear recurrence is a linear recurrence in the other
direction, so that no inner node of the tree is stored.

Complex numbers are *pairs*: the first half of the last axis holds the real parts, the
second half the imaginary parts. Products with real matrices can then compute them and
read them.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.engine import native
from zoo.engine.broadcast import align, spread
from zoo.engine.custom_gradient import CustomGradient
from zoo.engine.masks import Span
from zoo.engine.platform import platform
from zoo.types import Array


def times(a: Array, b: Array, *, pairs: bool = False) -> Array:
    """Return ``a * b``.

    Args:
        a: an array ``[..., N]``, or the last axes of one.
        b: an array ``[..., N]``.
        pairs: whether both are complex pairs.
    """
    a = align(a, b)
    if not pairs:
        return a * b
    (a_re, a_im), (b_re, b_im) = jnp.split(a, 2, -1), jnp.split(b, 2, -1)
    return jnp.concatenate([a_re * b_re - a_im * b_im, a_re * b_im + a_im * b_re], -1)


def span_scan(
    a: Array, b: Array, h: Array, initial: Array, span: Span, *, pairs: bool = False
) -> Array:
    """Return the states of all steps, with padding and resets.

    Args:
        a: factors ``[B, T, ...]``, or an array that broadcasts to that.
        b: summands ``[B, T, ...]``.
        h: the state before the first step in processing order, ``[B, ...]``.
        initial: the state that a reset restarts from.
        span: mask, reset and direction.
        pairs: whether all of these are complex pairs, ``[B, T, 2 N]``.

    Returns:
        ``[B, T, ...]``, in the order of `b`.
    """
    if span.restart is not None:
        restarts = spread(span.restart, b)
        b = jnp.where(restarts, times(a, initial[:, None], pairs=pairs) + b, b)
        a = jnp.where(restarts, jnp.zeros((), a.dtype), a)
    if span.mask is not None:
        real = spread(span.mask, b)
        one = jnp.ones(b.shape[-1], a.dtype)
        if pairs:
            one = one.at[len(one) // 2 :].set(0)
        a = jnp.where(real, a, one)
        b = jnp.where(real, b, jnp.zeros((), b.dtype))
    return linear_scan(
        a, b, h, axis=1, reverse=span.reverse, pairs=pairs, kernel=span.kernel
    )


def linear_scan(
    a: Array,
    b: Array,
    h: Array,
    *,
    axis: int = 0,
    reverse: bool = False,
    pairs: bool = False,
    kernel: bool = False,
) -> Array:
    """Return the states of all steps.

    ::

        h_t = a_t * h_(t-1) + b_t

    Args:
        a: factors ``[T, ...]``, or an array that broadcasts to that.
        b: summands ``[T, ...]``.
        h: the state before the first step in processing order, ``[...]``.
        axis: the time axis.
        reverse: run from the last step to the first.
        pairs: whether all of these are complex pairs; the arrays are then
            ``[..., T, 2 N]``, with one axis after time.
        kernel: whether to call the kernel for GPUs; the arrays are then float32.

    Returns:
        ``[T, ...]``, in the order of `b`.
    """
    a = align(a, b)
    states: Any = _linear_scan(_Form(axis, reverse, pairs, kernel), a, b, h)
    return states


def shifted(steps: Array, edge: Array, *, axis: int = 0, reverse: bool) -> Array:
    """Return for each step the value of the previous one in processing order.

    Args:
        steps: a value for each step.
        edge: the value before the first step.
        axis: the time axis.
        reverse: whether the last step is processed first.
    """
    T, edge = steps.shape[axis], jnp.expand_dims(edge, axis)
    if reverse:
        later = jax.lax.slice_in_dim(steps, 1, T, axis=axis)
        return jnp.concatenate([later, edge], axis)
    earlier = jax.lax.slice_in_dim(steps, 0, T - 1, axis=axis)
    return jnp.concatenate([edge, earlier], axis)


_Step = tuple[Array, Array]  # a and b


class _Form(NamedTuple):
    """How a linear recurrence runs over its arrays.

    Attributes:
        axis: the time axis.
        reverse: run from the last step to the first.
        pairs: whether the numbers are complex pairs.
        kernel: whether a kernel computes it.
        adjoint: compute ``h_t = conj(a_s) * h_s + b_t`` instead, where s is the step
            before t in processing order and the initial h is zero. In the opposite
            direction this is the transpose of the linear map from b to the states.
    """

    axis: int
    reverse: bool
    pairs: bool
    kernel: bool
    adjoint: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the kernel."""
        return {name: v for name, v in self._asdict().items() if name != "kernel"}

    def conj(self, a: Array) -> Array:
        """Return the complex conjugate."""
        if not self.pairs:
            return a
        re, im = jnp.split(a, 2, -1)
        return jnp.concatenate([re, -im], -1)

    def before(self, steps: Array, edge: Array) -> Array:
        """Return for each step the value of the previous one in processing order."""
        return shifted(steps, edge, axis=self.axis, reverse=self.reverse)

    def factors(self, a: Array) -> Array:
        """Return the factor of each step, or the one factor of all steps."""
        if not self.adjoint:
            return a
        a = self.conj(a)
        constant = a.shape[self.axis] == 1
        return a if constant else self.before(a, jnp.zeros_like(self.first(a)))

    def first(self, steps: Array) -> Array:
        """Return the value of the first step, or the one value for all steps."""
        return steps.take(-1 if self.reverse else 0, self.axis)


@CustomGradient
def _linear_scan(form: _Form, a: Array, b: Array, h: Array) -> Array:
    if form.kernel:
        states, _ = native.gpu.linear(a, b, h, **form.options)
        return states
    a = form.factors(a)
    if platform() == "cpu":
        return _loop(form, a, b, h)
    a = jnp.broadcast_to(a, b.shape)

    def compose(earlier: _Step, later: _Step) -> _Step:
        (a, b), (c, d) = earlier, later
        return times(c, a, pairs=form.pairs), times(c, b, pairs=form.pairs) + d

    tree = partial(jax.lax.associative_scan, reverse=form.reverse, axis=form.axis)
    factors, states = tree(compose, (a, b))
    return times(factors, jnp.expand_dims(h, form.axis), pairs=form.pairs) + states


def _loop(form: _Form, a: Array, b: Array, h: Array) -> Array:
    """Return the states of all steps, one after the other."""
    b = jnp.moveaxis(b, form.axis, 0)
    a = jnp.moveaxis(a, form.axis, 0)
    constant = len(a) < len(b)

    def body(h: Array, step: Any) -> tuple[Array, Array]:
        factor, summand = (a[0], step) if constant else step
        h = times(factor, h, pairs=form.pairs) + summand
        return h, h

    _, states = jax.lax.scan(body, h, b if constant else (a, b), reverse=form.reverse)
    return jnp.moveaxis(states, 0, form.axis)


def _forward(form: _Form, a: Array, b: Array, h: Array) -> tuple[Array, Any]:
    states: Any = _linear_scan(form, a, b, h)
    return states, (a, h, states)


def _backward(form: _Form, kept: Any, d_states: Array) -> tuple[Array, ...]:
    a, h, states = kept
    zero = jnp.zeros_like(h)
    transposed = form._replace(reverse=not form.reverse, adjoint=not form.adjoint)
    if form.adjoint:
        g: Any = _linear_scan(transposed, a, d_states, zero)
        d_a = times(states, form.conj(transposed.before(g, zero)), pairs=form.pairs)
        d_h = zero
    else:
        constant = a.shape[form.axis] < d_states.shape[form.axis]
        gradients = _summed_gradients if constant and form.kernel else _gradients
        both: Any = gradients(transposed, a, d_states, states, h)
        g, d_a = both
        first = form.conj(form.first(a))
        d_h = times(first, form.first(g), pairs=form.pairs)
    broadcast = [axis for axis, size in enumerate(a.shape) if size < d_a.shape[axis]]
    return d_a.sum(broadcast, keepdims=True), g, d_h


def _tangents(form: _Form, kept: Any, tangents: Any) -> Array:
    """Return the tangents of the states, which are a linear recurrence as well."""
    a, h, states = kept
    d_a, d_b, d_h = tangents
    d_b = d_b + times(form.factors(d_a), form.before(states, h), pairs=form.pairs)
    return _linear_scan(form, a, d_b, d_h)


_linear_scan.define(_forward, _backward, _tangents)


def _gradients(
    form: _Form, a: Array, b: Array, states: Array, h: Array
) -> tuple[Array, Array]:
    """Return the states g of a transposed recurrence, and the gradients of a.

    g is the gradient with respect to b.
    """
    g: Any = _linear_scan(form, a, b, jnp.zeros_like(h))
    forward = form._replace(reverse=not form.reverse)
    return g, times(form.conj(forward.before(states, h)), g, pairs=form.pairs)


@CustomGradient
def _summed_gradients(
    form: _Form, a: Array, b: Array, states: Array, h: Array
) -> tuple[Array, Array]:
    """Return what `_gradients` does by a kernel, with those of a summed over time."""
    zero = jnp.zeros_like(h)
    g, d_a = native.gpu.linear(a, b, zero, **form.options, weights=(states, h))
    return g, jnp.expand_dims(d_a, form.axis)


def _keep_arguments(form: _Form, *arguments: Array) -> tuple[Any, Any]:
    return _summed_gradients(form, *arguments), arguments


def _backward_of_summed(form: _Form, arguments: Any, cotangents: Any) -> Any:
    (_, d_a), pull = jax.vjp(partial(_gradients, form), *arguments)
    # The cotangent of a sum over time is the same for all steps.
    d_g, d_sum = cotangents
    return pull((d_g, jnp.broadcast_to(d_sum, d_a.shape)))


def _tangents_of_summed(form: _Form, arguments: Any, tangents: Any) -> Any:
    _, (d_g, d_a) = jax.jvp(partial(_gradients, form), arguments, tangents)
    return d_g, d_a.sum(form.axis, keepdims=True)


_summed_gradients.define(_keep_arguments, _backward_of_summed, _tangents_of_summed)
