"""Forward mode through every kind of loop, alone and combined with reverse mode.

The contract compares both modes for every cell.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import (
    FINITE_DIFFERENCE,
    SCHEDULE_GRADIENT,
    assert_close,
)
from zoo.layers.base import Layer
from zoo.types import Array

B, T, D, H = 3, 4, 3, 4
# Rows: full, a single token, and padding inside.
MASK = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 1]], bool)
RESET = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], bool)
X = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)


def one_cell(name: str, **options: Any) -> zoo.Recurrent:
    """Return a layer of one cell."""
    return zoo.Recurrent(zoo.cells()[name](D, H, rngs=nnx.Rngs(0)), **options)


def random_like(tree: Any, seed: int) -> Any:
    """Return random numbers of the shapes and dtypes of a tree; ints get float0."""
    rng = np.random.default_rng(seed)

    def draw(like: Any) -> Any:
        numbers = rng.normal(size=like.shape)
        real = jnp.issubdtype(like.dtype, jnp.inexact)
        return numbers.astype(like.dtype if real else jax.dtypes.float0)

    return jax.tree.map(draw, tree)


def inner(a: Any, b: Any) -> Any:
    """Return the inner product of two trees of arrays, and its magnitude."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    terms = [u * v for u, v in pairs if u.dtype != jax.dtypes.float0]
    return sum(t.sum() for t in terms), sum(abs(t).sum() for t in terms)


def assert_modes_agree(layer: Layer) -> None:
    """Assert that ``<u, J v> = <J^T u, v>``, with J v and J^T u by either mode."""
    params, apply = zoo.functional(layer)
    state = random_like(jax.eval_shape(lambda: layer.init_state(B)), 1)
    state = jax.tree.map(
        lambda drawn, part: part + abs(drawn) if drawn.dtype == part.dtype else part,
        state,
        layer.init_state(B),
    )

    def run(params: Any, x: Array, state: Any) -> Any:
        return apply(params, x, MASK, state, reset=RESET)

    arguments = params, X, state
    tangents = random_like(arguments, 2)
    cotangents = random_like(jax.eval_shape(run, *arguments), 3)

    @jax.jit
    def both(arguments: Any, tangents: Any, cotangents: Any) -> Any:
        _, forward = jax.jvp(run, arguments, tangents)
        reverse = jax.vjp(run, *arguments)[1](cotangents)
        return inner(cotangents, forward), inner(reverse, tangents)

    (forward, size), (reverse, _) = both(arguments, tangents, cotangents)
    assert size > 0.1
    assert abs(forward - reverse) <= SCHEDULE_GRADIENT * size


def stack(name: str, **options: Any) -> zoo.CellStack:
    """Return two layers of a cell, each in both directions."""
    cell = zoo.cells()[name]
    return zoo.CellStack(cell, D, H, 2, bidirectional=True, rngs=nnx.Rngs(0), **options)


LAYERS = {
    "reverse": partial(one_cell, "lstm", reverse=True),
    "learnt state": partial(one_cell, "gru", learn_initial_state=True),
    "zoneout": partial(one_cell, "lstm", zoneout=0.5),
    "recomputed steps": partial(one_cell, "lstm", remat="step"),
    "chunks": partial(one_cell, "gru", remat="chunk:3"),
    "projected ahead": partial(one_cell, "gru", project="ahead"),
    "in the loop": partial(one_cell, "lstm", gradient="loop"),
    "linear in the loop": partial(one_cell, "lru", steps="loop"),
    "linear in parallel": partial(one_cell, "lru", steps="parallel"),
    "linear, reverse": partial(one_cell, "s5", steps="parallel", reverse=True),
    "linear, chunks": partial(one_cell, "mingru", remat="chunk:3", steps="parallel"),
    "matrix in the loop": partial(one_cell, "mlstm", steps="loop"),
    "matrix in parallel": partial(one_cell, "gla", steps="parallel"),
    "matrix, reverse": partial(one_cell, "deltanet", steps="parallel", reverse=True),
    "stack, two loops": partial(stack, "lstm", loops="two"),
    "stack, one loop": partial(stack, "lstm", loops="one"),
    "linear stack, one loop": partial(stack, "lru", loops="one"),
}
OF_EACH_KIND = {"chunks", "linear, reverse", "matrix in parallel", "stack, one loop"}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", LAYERS)
def test_every_kind_of_loop(case):
    assert_modes_agree(LAYERS[case]())


@pytest.mark.parametrize("jacobian, reverse", [("full", True), ("diagonal", False)])
def test_newtons_method(jacobian, reverse):
    layer = one_cell("lstm", reverse=reverse)
    params, apply = zoo.functional(layer)
    state = layer.init_state(B)

    def solve(params: Any, x: Array, state: Any) -> Any:
        def solution(layer: Any) -> Any:
            return zoo.deer(layer, x, MASK, state, reset=RESET, jacobian=jacobian)[:2]

        return apply(params, method=solution)

    def run(params: Any, x: Array, state: Any) -> Any:
        return apply(params, x, MASK, state, reset=RESET)

    arguments = params, X, state
    tangents = random_like(arguments, 1)
    actual, expected = (
        jax.jit(partial(jax.jvp, function))(arguments, tangents)
        for function in (solve, run)
    )
    assert_close(actual, expected, 10 * SCHEDULE_GRADIENT)


@pytest.mark.parametrize("name", ["lstm", "lru", "gla"])
def test_second_derivatives_do_not_depend_on_the_mode(name):
    params, apply = zoo.functional(one_cell(name))
    tangents = random_like((params, X), 1)

    def loss(params: Any, x: Any) -> Array:
        _, y = apply(params, x, MASK, reset=RESET)
        return (y**2).sum()

    gradient = jax.grad(loss, (0, 1))

    def forward_over_reverse(*arguments: Any) -> Any:
        return jax.jvp(gradient, arguments, tangents)[1]

    def reverse_over_forward(*arguments: Any) -> Any:
        return jax.grad(lambda a: jax.jvp(loss, a, tangents)[1])(arguments)

    def reverse_over_reverse(*arguments: Any) -> Any:
        return jax.grad(lambda a: inner(gradient(*a), tangents)[0])(arguments)

    def forward_over_forward(*arguments: Any) -> Any:
        def once(*arguments: Any) -> Any:
            return jax.jvp(loss, arguments, tangents)[1]

        return jax.jvp(once, arguments, tangents)[1]

    expected = jax.jit(reverse_over_reverse)(params, X)
    for product in (forward_over_reverse, reverse_over_forward):
        assert_close(jax.jit(product)(params, X), expected, SCHEDULE_GRADIENT)
    twice, size = inner(expected, tangents)
    actual = jax.jit(forward_over_forward)(params, X)
    assert abs(actual - twice) <= SCHEDULE_GRADIENT * size


def test_hessian():
    params, apply = zoo.functional(one_cell("gru"))

    def loss(x: Any) -> Array:
        return (apply(params, x, MASK[1:], reset=RESET[1:])[1] ** 2).sum()

    expected = jax.jit(jax.jacrev(jax.grad(loss)))(X[1:])
    assert_close(jax.jit(jax.hessian(loss))(X[1:]), expected, SCHEDULE_GRADIENT)


@pytest.mark.parametrize("name", ["lstm", "lru", "gla"])
def test_central_differences(name):
    with jax.enable_x64(True):
        cell = zoo.cells()[name](D, H, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
        params, apply = zoo.functional(zoo.Recurrent(cell))
        arguments = params, X.astype(np.float64)
        tangents = random_like(arguments, 1)

        @jax.jit
        def move(step: Any) -> Any:
            params, x = jax.tree.map(lambda a, d: a + step * d, arguments, tangents)
            return apply(params, x, MASK, reset=RESET)

        # The argument stays float64 if it is not a literal.
        zero, step = np.zeros(()), np.full((), 1e-5)
        _, actual = jax.jvp(move, (zero,), (np.ones(()),))
        expected = jax.tree.map(
            lambda a, b: (a - b) / (2 * step), move(step), move(-step)
        )
        assert_close(actual, expected, FINITE_DIFFERENCE)
