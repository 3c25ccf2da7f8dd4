"""Functions with a custom backward pass, under the transformations of JAX."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from zoo.engine.custom_gradient import CustomGradient
from zoo.types import Array


class Scaled(NamedTuple):
    """Numbers, and how often they were scaled."""

    value: Array
    count: Array


@CustomGradient
def scaled(power: int, x: Scaled, w: Array, unused: Any) -> Scaled:
    """Return ``w^power x``."""
    return Scaled(w**power * x.value, x.count + 1)


def forward(power: int, x: Scaled, w: Array, unused: Any) -> Any:
    return Scaled(w**power * x.value, x.count + 1), (x.value, w)


def backward(power: int, kept: Any, d: Scaled) -> Any:
    x, w = kept
    assert d.count.dtype == jax.dtypes.float0
    # Twice the gradient, which tells this rule from the derivatives of JAX.
    d_w = 2 * power * (w ** (power - 1) * x * d.value).sum()
    return Scaled(2 * w**power * d.value, None), d_w, None  # pyright: ignore


scaled.define(forward, backward)

X, W = jnp.arange(1.0, 4.0), jnp.float32(3)


def loss(x: Array, w: Array) -> Array:
    result = scaled(2, Scaled(x, jnp.zeros((), jnp.int32)), w, {"a": None, "b": W})
    return (result.value**2).sum()


def plain(x: Array, w: Array) -> Array:
    return ((w**2 * x) ** 2).sum()


def doubled(tree: Any) -> Any:
    return jax.tree.map(lambda a: 2 * a, tree)


GRADIENT = jax.grad(plain, (0, 1))(X, W)


def test_reverse_mode_calls_the_backward_pass():
    gradient = jax.grad(loss, (0, 1))
    for transform in (lambda f: f, jax.jit, jax.checkpoint):
        assert_close(transform(gradient)(X, W), doubled(GRADIENT), REFERENCE)
    assert_close(jax.grad(loss)(X, W), 2 * GRADIENT[0], REFERENCE)
    _, linear = jax.linearize(loss, X, W)
    transposed = jax.linear_transpose(linear, X, W)(jnp.ones(()))
    assert_close(transposed, doubled(GRADIENT), REFERENCE)


def test_forward_mode_differentiates_the_function():
    jacobian = jax.jacfwd(loss, (0, 1))
    for transform in (lambda f: f, jax.jit, jax.checkpoint):
        assert_close(transform(jacobian)(X, W), GRADIENT, REFERENCE)
    _, linear = jax.linearize(loss, X, W)
    expected = (GRADIENT[0] * X).sum() + GRADIENT[1]
    assert_close(linear(X, jnp.ones(())), expected, REFERENCE)


def test_the_backward_pass_under_vmap():
    xs, ws = jnp.stack([X, 2 * X, -X], axis=1), jnp.arange(1.0, 4.0)
    cases = [((1, 0), (xs, ws)), ((1, None), (xs, W)), ((None, 0), (X, ws))]
    for axes, arguments in cases:

        def total(f: Any, axes: Any = axes) -> Any:
            return lambda *moved: jax.vmap(f, axes)(*moved).sum()

        expected = jax.grad(total(plain), (0, 1))(*arguments)
        actual = jax.jit(jax.grad(total(loss), (0, 1)))(*arguments)
        assert_close(actual, doubled(expected), REFERENCE)
        # One argument moves, and the other one does not.
        for k in (0, 1):
            actual = jax.grad(total(loss), k)(*arguments)
            assert_close(actual, 2 * expected[k], REFERENCE)
            assert_close(jax.jacfwd(total(loss), k)(*arguments), expected[k], REFERENCE)


def test_second_derivatives():
    tangents = (jnp.ones(3), jnp.ones(()))

    def product(f: Any) -> Any:
        return jax.grad(lambda a: jax.jvp(f, a, tangents)[1])((X, W))

    # Forward over reverse differentiates the backward pass, so that it is doubled.
    forward_over_reverse = jax.jvp(jax.grad(loss, (0, 1)), (X, W), tangents)[1]
    assert_close(forward_over_reverse, doubled(product(plain)), REFERENCE)
    by_tangents = jax.grad(lambda t: jax.jvp(loss, (X, W), t)[1])(tangents)
    assert_close(by_tangents, doubled(GRADIENT), REFERENCE)


def test_custom_tangents():
    @CustomGradient
    def cube(scale: float, x: Array) -> Array:
        return scale * x**3

    def keep(scale: float, x: Array) -> Any:
        return scale * x**3, 3 * scale * x**2

    def linear(scale: float, slope: Array, d: Any) -> Any:
        return slope * d

    cube.define(
        keep,
        lambda scale, slope, d: (linear(scale, slope, d),),
        lambda scale, slope, d: linear(scale, slope, *d),
    )
    expected = jax.jacfwd(lambda x: 0.5 * x**3)
    for jacobian in (jax.jacfwd, jax.jacrev):
        actual = jacobian(lambda x: cube(0.5, x))
        assert_close(actual(X), expected(X), REFERENCE)
        for outer in (jax.jacfwd, jax.jacrev):
            assert_close(outer(actual)(X), jax.jacfwd(expected)(X), REFERENCE)


def test_reverse_mode_never_traces_the_tangents():
    @CustomGradient
    def identity(_: None, x: Array) -> Array:
        return x

    def fail(*_: Any) -> Any:
        raise AssertionError("the tangents are evaluated")

    identity.define(lambda _, x: (x, ()), lambda *arguments: arguments[2:], fail)

    def total(x: Array) -> Array:
        return identity(None, x).sum()

    for f in (total, lambda x: jax.vmap(total)(x).sum()):
        actual = jax.jit(jax.grad(f))(np.ones((2, 3)))
        assert_identical(actual, np.ones((2, 3)))
    with pytest.raises(AssertionError, match="the tangents are evaluated"):
        jax.jvp(total, (X,), (X,))
