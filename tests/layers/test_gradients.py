"""Gradients of layers: every schedule, second derivatives, states with ints."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import SCHEDULE_GRADIENT, assert_close, assert_identical
from tests.helpers.typed import present
from zoo.types import Array, Params

D, H = 3, 4
X = np.random.default_rng(0).normal(size=(2, 5, D)).astype(np.float32)


@pytest.mark.parametrize(
    "schedule",
    [
        {"remat": "step", "project": "ahead", "unroll": 3},
        {"remat": "step", "project": "loop"},
        {"remat": "chunk:2", "project": "loop"},
        {"remat": "step", "gradient": "loop"},
        {"remat": "chunk:2", "gradient": "loop", "project": "ahead"},
    ],
    ids=str,
)
def test_every_schedule_gives_the_same_gradients(schedule):
    mask = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 0]], bool)

    def gradient(**options):
        layer = zoo.Recurrent(zoo.LSTMCell(D, H, rngs=nnx.Rngs(1)), **options)
        params, apply = zoo.functional(layer)
        return jax.jit(jax.grad(lambda p: (apply(p, X, mask)[1] ** 2).sum()))(params)

    assert_close(gradient(**schedule), gradient(), SCHEDULE_GRADIENT)


@pytest.mark.parametrize("project", ["ahead", "loop"])
@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.GRUCell, zoo.IndRNNCell])
def test_no_step_copies_an_array_of_all_steps(cell, project):
    # Such a copy would make the cost of the gradient quadratic in T.
    T = 37
    layer = zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(0)), project=project, backend="scan")
    params, apply = zoo.functional(layer)
    gradient = jax.grad(lambda params, x: (apply(params, x)[1] ** 2).sum(), (0, 1))
    compiled = jax.jit(gradient).lower(params, jnp.zeros((2, T, D))).compile()
    program = present(compiled.as_text())
    loops = re.findall(r"body=%?([\w.-]+)", program)
    bodies = dict(re.findall(r"^%?([\w.-]+) \(.*?\{\n(.*?)^\}", program, re.M | re.S))
    assert len(loops) == 2  # forward and backward
    for name in loops:
        assert not re.search(rf"\w\[{T},[^=]* copy\(", bodies[name])


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.GRUCell])
def test_second_derivatives_of_both_backward_passes(cell):
    def second_derivative(gradient):
        layer = zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(1)), gradient=gradient)
        params, apply = zoo.functional(layer)

        def squared_norm(params, x):
            d_x = jax.grad(lambda x: (apply(params, x)[1] ** 2).sum())(x)
            return (d_x**2).sum()

        return jax.jit(jax.grad(squared_norm, argnums=(0, 1)))(params, X)

    expected = second_derivative("loop")
    assert_close(second_derivative("after"), expected, SCHEDULE_GRADIENT)


class CountingState(NamedTuple):
    """The state of `CountingCell`: the number of tokens read, and the output."""

    n: Array
    h: Array


class CountingCell(zoo.ElmanCell):
    """A simple recurrent network that ignores every second input."""

    def init_state(self, batch_size: int) -> Any:
        zero = jnp.zeros((batch_size, self.hidden_size), self.state_dtype)
        return CountingState(jnp.zeros(batch_size, jnp.int32), zero)

    def update(self, state: Any, p: Array, q: Array) -> Any:
        p = jnp.where((state.n % 2 == 0)[:, None], p, 0.0)
        return CountingState(state.n + 1, jnp.tanh(p + q))


def test_a_state_may_hold_ints():
    mask = np.array([[1, 0, 1, 1, 1], [0, 1, 1, 0, 0]], bool)
    reset = np.array([[0, 0, 0, 1, 0], [0, 1, 0, 0, 0]], bool)

    def gradient(**options):
        cell = CountingCell(D, H, rngs=nnx.Rngs(1))
        layer = zoo.Recurrent(cell, learn_initial_state=True, **options)
        params, apply = zoo.functional(layer)

        def loss(params, x):
            state, y = apply(params, x, mask, reset=reset)
            return (y**2).sum() + state.h.sum(), state.n

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, X)

    gradients, n = gradient()
    expected, _ = gradient(gradient="loop")
    assert_identical(n, np.array([2, 2], np.int32))
    assert_close(gradients, expected, SCHEDULE_GRADIENT)


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.GRUCell, zoo.PeepholeLSTMCell])
def test_reverse_over_reverse_and_forward_mode(cell):

    def penalty(params: Params, apply: Callable[..., Any]) -> Array:
        d_x = jax.grad(lambda x: apply(params, x)[1].sum())(X)
        return (d_x**2).sum()

    after = zoo.functional(zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(1))))
    loop = zoo.functional(zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(1)), gradient="loop"))
    expected = jax.grad(penalty)(*loop)
    assert_close(jax.grad(penalty)(*after), expected, SCHEDULE_GRADIENT)

    def output_sum(params: Params, apply: Callable[..., Any]) -> Array:
        return apply(params, X)[1].sum()

    expected = jax.grad(output_sum)(*loop)
    for functions in (after, loop):
        assert_close(jax.jacfwd(output_sum)(*functions), expected, SCHEDULE_GRADIENT)


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.GRUCell, zoo.PeepholeLSTMCell])
def test_a_gradient_through_no_step(cell):
    layer = zoo.Recurrent(cell(3, 4, rngs=nnx.Rngs(0)))
    params, apply = zoo.functional(layer)
    state = jax.tree.map(lambda a: a + 0.5, layer.init_state(2))

    def loss(params, state):
        last, y = apply(params, jnp.zeros((2, 0, 3)), state=state)
        return y.sum() + sum(leaf.sum() for leaf in last)

    d_params, d_state = jax.grad(loss, (0, 1))(params, state)
    assert not any(leaf.any() for leaf in jax.tree.leaves(d_params))
    assert all((leaf == 1).all() for leaf in jax.tree.leaves(d_state))
