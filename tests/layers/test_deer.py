"""All steps at once against one after the other: states, outputs, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from zoo.engine import newton

B, T, D, H = 4, 9, 3, 4
DEER = 1e-4  # relative to the largest entry
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


def both(name, *, jacobian="full", given=True, **options):
    """Return results and gradients of the loop and of the solver."""
    cell = zoo.cells()[name](D, H, rngs=nnx.Rngs(0))
    layer = zoo.Recurrent(cell, **options)
    params, apply = zoo.functional(layer)
    draw = np.random.default_rng(1).normal
    params = jax.tree.map(lambda p: p + 0.3 * jnp.float32(draw(size=p.shape)), params)
    state = jax.tree.map(
        lambda s: 0.5 * jnp.float32(draw(size=s.shape)), layer.init_state(B)
    )
    x = np.where(MASK[..., None], X, np.nan)

    def solved(layer, x, state):
        return zoo.deer(
            layer, x, MASK, state if given else None, reset=RESET, jacobian=jacobian
        )

    def looped(layer, x, state):
        state, y = layer(x, MASK, state if given else None, reset=RESET)
        return state, y, 0

    def loss(params, x, state, method):
        final, y, iterations = apply(params, x, state, method=method)
        parts = jax.tree.leaves((final, y))
        total = sum((jnp.sin(part + 1) * part).sum() for part in parts)
        return total, ((final, y), iterations)

    run = jax.jit(
        jax.grad(loss, argnums=(0, 1, 2), has_aux=True), static_argnames="method"
    )
    return run(params, x, state, method=looped), run(params, x, state, method=solved)


@pytest.mark.parametrize("reverse", [False, True])
def test_recurrences_of_matrices(monkeypatch, reverse):
    """In turn, as on a CPU, and as a tree."""
    a, b, first = RNG.normal(size=(T, B, H, H)), RNG.normal(size=(T, B, H)), np.ones(H)
    a, b, s = np.float32(a / 2), np.float32(b), np.broadcast_to(first, (B, H))
    expected = np.zeros_like(b)
    for t in reversed(range(T)) if reverse else range(T):
        s = expected[t] = np.einsum("bij,bj->bi", a[t], s) + b[t]
    for where in ("cpu", "tpu"):
        monkeypatch.setattr(newton, "platform", lambda where=where: where)
        found = newton._matrix_scan(a, b, jnp.ones((B, H)), reverse)
        assert_close(found, expected, REFERENCE)


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("jacobian", ["full", "diagonal"])
@pytest.mark.parametrize("case", CELLS)
def test_all_steps_at_once_equal_one_after_the_other(case, jacobian):
    """Ragged rows with NaN in the padding, an empty one, resets, a given state."""
    (gradients, (expected, _)), (by, (found, iterations)) = both(
        case, jacobian=jacobian
    )
    assert_close(found, expected, DEER)
    assert_close(by, gradients, DEER)
    assert 1 <= iterations <= 50, "it has not converged"
    if case == "mingru":
        assert iterations <= 2, "a linear cell is solved at once"


@pytest.mark.parametrize(
    "options",
    [
        {"reverse": True},
        {"learn_initial_state": True, "given": False},
        {"zoneout": 0.3},
        {"reverse": True, "jacobian": "diagonal"},
    ],
)
def test_layers_of_all_kinds(options):
    (gradients, (expected, _)), (by, (found, iterations)) = both("gru", **options)
    assert_close(found, expected, DEER)
    assert_close(by, gradients, DEER)
    assert iterations <= 50


def test_without_mask_state_and_reset():
    layer = zoo.Recurrent(zoo.GRUCell(D, H, rngs=nnx.Rngs(0)))
    *found, iterations = zoo.deer(layer, X)
    assert_close(tuple(found), layer(X), DEER)
    assert iterations <= 20
    *found, iterations = zoo.deer(layer, X[:, :0])
    assert_identical(tuple(found), layer(X[:, :0]))
    assert iterations == 0


def test_what_does_not_converge_is_done_in_turn():
    """Chaos, and too few iterations: the result of the loop, and it is told."""
    cell = zoo.ElmanCell(D, H, rngs=nnx.Rngs(0))
    cell.U[...] = 20 * cell.U[...]
    layer = zoo.Recurrent(cell)
    x = np.tile(X, (1, 5, 1))
    *found, iterations = zoo.deer(layer, x, max_iterations=3)
    assert iterations == 4
    assert_close(tuple(found), layer(x), 1e-6)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: zoo.deer(zoo.LSTM(D, H, 2, rngs=nnx.Rngs(0)), X),
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
                zoo.Recurrent(zoo.GRUCell(D, H, rngs=nnx.Rngs(0))), X, jacobian="band"
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
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
