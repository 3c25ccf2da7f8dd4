"""The parallel Newton solver (DEER) against the sequential loop."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE, SCHEDULE, assert_close, assert_identical
from tests.helpers.typed import untyped
from zoo.engine import newton

B, T, D, H = 4, 9, 3, 4
TOLERANCE = 1e-4  # relative to the largest entry
CELLS = [
    "rnn",
    "lstm",
    "gru",
    "mgu",
    "peephole_lstm",
    "layernorm_lstm",
    "mingru",
    "nas",
]
OF_EACH_KIND = {"rnn", "lstm", "mingru"}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
LENGTHS = np.array([9, 4, 0, 1])
MASK = np.arange(T) < LENGTHS[:, None]
MASK[0, 3] = False
RESET = np.zeros((B, T), bool)
RESET[0, [0, 5]] = RESET[1, 2] = True


class Solution(NamedTuple):
    """Gradients and results of one way to run a layer.

    Attributes:
        gradients: with respect to the parameters, the inputs and the initial state.
        results: the final state and the outputs.
        iterations: of Newton's method; 0 for the loop.
    """

    gradients: Any
    results: Any
    iterations: int


def solve(
    name: str,
    *,
    jacobian: Literal["full", "diagonal"] = "full",
    pass_state: bool = True,
    **options: Any,
) -> tuple[Solution, Solution]:
    """Return the solutions of the loop and of the parallel solver.

    Args:
        name: of the cell.
        jacobian: of the solver.
        pass_state: run from a random state, not from the initial one.
        **options: of the layer.
    """
    cell = zoo.cells()[name](D, H, rngs=nnx.Rngs(0))
    layer = zoo.Recurrent(cell, **options)
    params, apply = zoo.functional(layer)
    draw = np.random.default_rng(1).normal
    params = jax.tree.map(lambda p: p + 0.3 * jnp.float32(draw(size=p.shape)), params)
    state = jax.tree.map(
        lambda s: 0.5 * jnp.float32(draw(size=s.shape)), layer.init_state(B)
    )
    x = np.where(MASK[..., None], X, np.nan)

    def parallel(layer, x, state):
        state = state if pass_state else None
        return zoo.deer(layer, x, MASK, state, reset=RESET, jacobian=jacobian)

    def loop(layer, x, state):
        state = state if pass_state else None
        return *layer(x, MASK, state, reset=RESET), 0

    def loss(params, x, state, method):
        final, y, iterations = apply(params, x, state, method=method)
        leaves = jax.tree.leaves((final, y))
        total = sum((jnp.sin(leaf + 1) * leaf).sum() for leaf in leaves)
        return total, ((final, y), iterations)

    run = jax.jit(
        jax.grad(loss, argnums=(0, 1, 2), has_aux=True), static_argnames="method"
    )

    def solution(method):
        gradients, (results, iterations) = run(params, x, state, method=method)
        return Solution(gradients, results, iterations)

    return solution(loop), solution(parallel)


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_with_matrix_coefficients(monkeypatch, reverse):
    """Sequentially, as on a CPU, and as an associative scan."""
    a = (RNG.normal(size=(T, B, H, H)) / 2).astype(np.float32)
    b = RNG.normal(size=(T, B, H)).astype(np.float32)
    s = np.ones((B, H))
    expected = np.zeros_like(b)
    for t in reversed(range(T)) if reverse else range(T):
        s = expected[t] = np.einsum("bij,bj->bi", a[t], s) + b[t]
    for platform in ("cpu", "tpu"):
        monkeypatch.setattr(newton, "platform", lambda platform=platform: platform)
        states = newton._matrix_scan(
            jnp.asarray(a), jnp.asarray(b), jnp.ones((B, H)), reverse
        )
        assert_close(states, expected, REFERENCE)


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("jacobian", ["full", "diagonal"])
@pytest.mark.parametrize("case", CELLS)
def test_the_solver_equals_the_loop(case, jacobian):
    """With NaN in the padding, an empty row, resets, and an initial state."""
    loop, parallel = solve(case, jacobian=jacobian)
    assert_close(parallel.results, loop.results, TOLERANCE)
    assert_close(parallel.gradients, loop.gradients, TOLERANCE)
    assert 1 <= parallel.iterations <= 50, "the solver has not converged"
    if case == "mingru":
        assert parallel.iterations <= 2, "a linear cell is solved in one iteration"


@pytest.mark.parametrize(
    "options",
    [
        {"reverse": True},
        {"learn_initial_state": True, "pass_state": False},
        {"zoneout": 0.3},
        {"reverse": True, "jacobian": "diagonal"},
    ],
)
def test_options_of_the_layer(options):
    loop, parallel = solve("gru", **options)
    assert_close(parallel.results, loop.results, TOLERANCE)
    assert_close(parallel.gradients, loop.gradients, TOLERANCE)
    assert parallel.iterations <= 50


def test_without_mask_state_and_reset():
    layer = zoo.Recurrent(zoo.GRUCell(D, H, rngs=nnx.Rngs(0)))
    *results, iterations = zoo.deer(layer, X)
    assert_close(tuple(results), layer(X), TOLERANCE)
    assert iterations <= 20
    *results, iterations = zoo.deer(layer, X[:, :0])
    assert_identical(tuple(results), layer(X[:, :0]))
    assert iterations == 0


def test_fallback_to_the_loop_without_convergence():
    """A chaotic cell and few iterations: the loop's result, and a larger count."""
    cell = zoo.ElmanCell(D, H, rngs=nnx.Rngs(0))
    cell.U[...] = 20 * cell.U[...]
    layer = zoo.Recurrent(cell)
    x = np.tile(X, (1, 5, 1))
    *results, iterations = zoo.deer(layer, x, max_iterations=3)
    assert iterations == 4
    assert_close(tuple(results), layer(x), SCHEDULE)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: untyped(zoo.deer)(zoo.LSTM(D, H, 2, rngs=nnx.Rngs(0)), X),
            "layer must be a zoo.Recurrent, of one cell, got LSTM",
        ),
        (
            lambda: zoo.deer(
                zoo.Recurrent(zoo.ClockworkRNNCell(D, H, rngs=nnx.Rngs(0))), X
            ),
            "state of ClockworkRNNCell must hold .* got int32",
        ),
        (
            lambda: zoo.deer(
                zoo.Recurrent(zoo.GRUCell(D, H, rngs=nnx.Rngs(0))),
                X,
                jacobian=untyped("band"),
            ),
            "jacobian must be one of 'full', 'diagonal', got 'band'",
        ),
        (
            lambda: zoo.deer(
                zoo.Recurrent(zoo.GRUCell(D, H, rngs=nnx.Rngs(0))), X, tolerance=0.0
            ),
            "tolerance must be above 0, got 0.0",
        ),
    ],
)
def test_errors_name_the_expected_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
