"""What a user meets first: errors, the functional view, initial values, the summary."""

import re
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from tests.helpers.tolerances import (
    SCHEDULE,
    SCHEDULE_GRADIENT,
    assert_close,
    assert_identical,
)
from zoo import initializers
from zoo.layers import base

D, H = 3, 4
RNGS = nnx.Rngs(0)
LSTM = zoo.LSTM(D, H, rngs=RNGS)
X = np.random.default_rng(0).normal(size=(2, 5, D)).astype(np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: LSTM(X[..., :2]),
            ValueError,
            r"x must .* input_size = 3, got \(2, 5, 2",
        ),
        (lambda: LSTM(X[0]), ValueError, r"\[B, T, D\]"),
        (lambda: LSTM(X.astype(int)), TypeError, "x must be floating point, got int"),
        (
            lambda: LSTM(X, np.ones((5, 2), bool)),
            ValueError,
            r"mask must have shape \[B, T\] = \(2, 5\), got \(5, 2\)",
        ),
        (lambda: LSTM(X, np.ones((2, 5))), TypeError, "mask must be bool .*float"),
        (
            lambda: LSTM(X, reset=np.ones((2, 4), bool)),
            ValueError,
            "reset must have shape",
        ),
        (
            lambda: LSTM(X, state=LSTM.init_state(3)),
            ValueError,
            r"state must be like init_state\(2\).*float32\[3,4\]",
        ),
        (lambda: LSTM.step(LSTM.init_state(2), X), ValueError, r"x_t must have shape"),
        (lambda: zoo.LSTM(D, H, 0, rngs=RNGS), ValueError, "num_layers .* got 0"),
        (lambda: zoo.LSTM(D, 0, rngs=RNGS), ValueError, "hidden_size .* got 0"),
        (lambda: zoo.LSTM(2.5, H, rngs=RNGS), ValueError, "input_size .* got 2.5"),
        (
            lambda: zoo.LSTM(D, H, 2, dropout=1.5, rngs=RNGS),
            ValueError,
            r"dropout must lie in \[0, 1\), got 1.5",
        ),
        (
            lambda: zoo.LSTM(D, H, proj_size=4, rngs=RNGS),
            ValueError,
            "proj_size must be below hidden_size = 4, got 4",
        ),
        (
            lambda: zoo.RNN(D, H, nonlinearity="sigmoid", rngs=RNGS),
            ValueError,
            "nonlinearity must be one of 'tanh', 'relu'",
        ),
        (lambda: zoo.make("lstn", D, H, rngs=RNGS), ValueError, "did you mean 'lstm'"),
        (lambda: zoo.LSTM(D, H, remat="chunk:0", rngs=RNGS), ValueError, "chunk:n"),
        (
            lambda: zoo.LSTM(D, H, bidirectional=True, merge="mean", rngs=RNGS),
            ValueError,
            "merge must be one of",
        ),
        (lambda: zoo.LSTM(D, H, rngs=RNGS, zonout=0.1), TypeError, "zonout"),
        (lambda: zoo.Stacked([]), ValueError, "one layer or more"),
        (lambda: zoo.Stacked([LSTM, LSTM]), ValueError, r"layers\[1\] must take"),
        (
            lambda: zoo.Residual(LSTM),
            ValueError,
            "as wide as its input, .3,., got an output",
        ),
        (lambda: zoo.Bidirectional(LSTM, LSTM), ValueError, "in reverse"),
        (
            lambda: zoo.LSTM(D, H, bidirectional=True, rngs=RNGS).step((), X[:, 0]),
            ValueError,
            "cannot step.*whole sequence",
        ),
        (
            lambda: zoo.mask_from_lengths(np.ones(2), 3),
            TypeError,
            "lengths must be ints",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_errors_come_at_trace_time_too():
    with pytest.raises(ValueError, match="x must have shape"):
        jax.jit(LSTM)(X[..., :2])


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_mask_from_lengths(lengths):
    mask = np.asarray(zoo.mask_from_lengths(np.array(lengths), 7))
    assert mask.sum(axis=1).tolist() == lengths
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()


BOTH = zoo.GRU(D, H, 2, bidirectional=True, rngs=nnx.Rngs(1))
RUN = jax.jit(lambda x, mask, reset: BOTH(x, mask, reset=reset))


@settings(max_examples=25)
@given(st.data())
def test_any_mask_equals_the_tokens_alone(data):
    """Holes, empty rows, resets anywhere: as if the tokens stood side by side."""
    bits = st.lists(st.booleans(), min_size=5, max_size=5)
    rows = data.draw(st.lists(bits, min_size=2, max_size=2))
    marks = data.draw(st.lists(bits, min_size=2, max_size=2))
    mask, reset = np.array(rows), np.array(marks)
    state, y = RUN(np.where(mask[..., None], X, np.inf), mask, reset)
    packed, flags, short = np.zeros_like(X), np.zeros_like(mask), np.zeros_like(mask)
    for row in range(2):
        n = mask[row].sum()
        packed[row, :n], flags[row, :n] = X[row, mask[row]], reset[row, mask[row]]
        short[row, :n] = True
    state_packed, y_packed = RUN(packed, short, flags)
    assert_close(state, state_packed, SCHEDULE)
    assert_close(np.asarray(y)[mask], np.asarray(y_packed)[short], SCHEDULE)
    assert not np.asarray(y)[~mask].any()


def test_functional_view():
    params, apply = zoo.functional(LSTM)
    assert type(params) is dict
    assert set(params["layers"][0]["cell"]) == {"W", "U", "b"}
    assert_identical(apply(params, X), LSTM(X))
    double = apply(params, X, method=lambda model, x: model(x)[1] * 2)
    assert_close(double, LSTM(X)[1] * 2, SCHEDULE)
    state = LSTM.init_state(2)
    assert_identical(
        apply(params, state, X[:, 0], method="step"), LSTM.step(state, X[:, 0])
    )


def test_constants_are_no_parameters():
    class Fixed(nnx.Module):
        def __init__(self):
            self.table = zoo.Constant(jnp.arange(3.0))
            self.w = nnx.Param(jnp.ones(3))

        def __call__(self):
            return self.table[...] * self.w[...]

    params, apply = zoo.functional(Fixed())
    assert set(params) == {"w"}
    assert_identical(apply({"w": jnp.full(3, 2.0)}), jnp.array([0.0, 2.0, 4.0]))
    assert "(table 3)" in zoo.summary(Fixed())


def test_initial_values():
    cell = zoo.LSTMCell(D, H, rngs=nnx.Rngs(0))
    for U in np.split(np.asarray(cell.U[...]), 4, axis=1):
        np.testing.assert_allclose(U @ U.T, np.eye(H), atol=1e-6)
    assert cell.b[...].tolist() == [0] * H + [1] * H + [0] * 2 * H
    identity = zoo.ElmanCell(D, H, U_init=initializers.identity(), rngs=nnx.Rngs(0))
    assert (np.asarray(identity.U[...]) == np.eye(H)).all()


def test_chrono_spreads_the_lags():
    cell = zoo.LSTMCell(D, 500, b_init=initializers.chrono(100), rngs=nnx.Rngs(0))
    i, f, g, o = np.split(np.asarray(cell.b[...]), 4)
    assert (i == -f).all() and not g.any() and not o.any()
    assert 0 <= f.min() < 1 and np.log(90) < f.max() <= np.log(99)
    mgu = zoo.MGUCell(D, 500, b_init=initializers.chrono(100), rngs=nnx.Rngs(0))
    assert (np.asarray(mgu.b[...])[:500] <= 0).all()  # its f overwrites


def test_torch_uniform_has_torchs_spread():
    options = initializers.torch_uniform(400)
    cell = zoo.GRUCell(D, 400, rngs=nnx.Rngs(0), **options)
    k = 1 / np.sqrt(400)
    assert np.abs(cell.U[...]).max() <= k
    assert abs(np.asarray(cell.U[...]).std() - k / np.sqrt(3)) < 0.01 * k
    r, z, n = np.split(np.asarray(cell.b[...]), 3)
    assert np.abs(n).max() <= k and np.abs(cell.b_hn[...]).max() <= k
    assert k < np.abs(np.concatenate([r, z])).max() <= 2 * k


def test_summary_counts_every_parameter():
    text = zoo.summary(zoo.LSTM(50, 100, 2, bidirectional=True, rngs=nnx.Rngs(0)))
    # torch's count less its second bias: 2 directions x (4H(D + H) + 4H), two layers.
    expected = 2 * (400 * 150 + 400) + 2 * (400 * 300 + 400)
    assert f"{expected:,}" in text.splitlines()[-1]


def test_registry():
    assert next(iter(zoo.cells())) == "rnn"
    for name, cell in zoo.cells().items():
        assert cell.name == name and cell.paper and cell.equation and cell.family
        make = partial(zoo.make, name, D, H, 2, bidirectional=True)
        made = nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0)))  # noqa: B023
        state, y = jax.eval_shape(lambda: make(rngs=nnx.Rngs(0))(X))  # noqa: B023
        assert len(state) == 2 and y.shape == (2, 5, made.output_size)


def test_calls_outside_jit_compile_once():
    layer = zoo.GRU(D, H, rngs=nnx.Rngs(0))
    layer(X)
    before = base._run._cache_size()
    for _ in range(3):
        layer(X + 1)
    assert base._run._cache_size() == before


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

    def learn(**options):
        layer = zoo.Recurrent(zoo.LSTMCell(D, H, rngs=nnx.Rngs(1)), **options)
        params, apply = zoo.functional(layer)
        return jax.jit(jax.grad(lambda p: (apply(p, X, mask)[1] ** 2).sum()))(params)

    assert_close(learn(**schedule), learn(), SCHEDULE_GRADIENT)


@pytest.mark.parametrize("project", ["ahead", "loop"])
@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.GRUCell, zoo.IndRNNCell])
def test_no_step_copies_what_all_steps_made(cell, project):
    # It would make the gradient of a sequence quadratic in its length.
    T = 37
    layer = zoo.Recurrent(cell(D, H, rngs=RNGS), project=project, backend="scan")
    params, apply = zoo.functional(layer)
    gradient = jax.grad(lambda *given: (apply(*given)[1] ** 2).sum(), (0, 1))
    text = jax.jit(gradient).lower(params, jnp.zeros((2, T, D))).compile().as_text()
    bodies = re.findall(r"body=%?([\w.-]+)", text)
    parts = dict(re.findall(r"^%?([\w.-]+) \(.*?\{\n(.*?)^\}", text, re.M | re.S))
    assert len(bodies) == 2  # there and back
    for body in bodies:
        assert not re.search(rf"\w\[{T},[^=]* copy\(", parts[body])


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.GRUCell])
def test_gradient_of_a_gradient(cell):
    def bend(gradient):
        layer = zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(1)), gradient=gradient)
        params, apply = zoo.functional(layer)

        def slope(params, x):
            by_x = jax.grad(lambda x: (apply(params, x)[1] ** 2).sum())(x)
            return (by_x**2).sum()

        return jax.jit(jax.grad(slope, argnums=(0, 1)))(params, X)

    assert_close(bend("after"), bend("loop"), SCHEDULE_GRADIENT)


class CountingState(NamedTuple):
    """Of `CountingCell`: how many tokens it has read, and what it made of them."""

    n: jax.Array
    h: jax.Array


class CountingCell(zoo.ElmanCell):
    """A simple recurrent network that looks at its input every other token."""

    def init_state(self, batch_size):
        zero = jnp.zeros((batch_size, self.hidden_size), self.state_dtype)
        return CountingState(jnp.zeros(batch_size, jnp.int32), zero)

    def update(self, state, p, q):
        p = jnp.where((state.n % 2 == 0)[:, None], p, 0.0)
        return CountingState(state.n + 1, jnp.tanh(p + q))


def test_a_state_may_hold_ints():
    mask = np.array([[1, 0, 1, 1, 1], [0, 1, 1, 0, 0]], bool)
    reset = np.array([[0, 0, 0, 1, 0], [0, 1, 0, 0, 0]], bool)

    def learn(**options):
        cell = CountingCell(D, H, rngs=nnx.Rngs(1))
        layer = zoo.Recurrent(cell, learn_initial_state=True, **options)
        params, apply = zoo.functional(layer)

        def loss(params, x):
            state, y = apply(params, x, mask, reset=reset)
            return (y**2).sum() + state.h.sum(), state.n

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, X)

    gradients, n = learn()
    expected, _ = learn(gradient="loop")
    assert_identical(n, np.array([2, 2], np.int32))
    assert_close(gradients, expected, SCHEDULE_GRADIENT)


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.GRUCell, zoo.PeepholeLSTMCell])
def test_gradients_of_gradients(cell):
    """Both gradients can be differentiated; that of JAX in forward mode too."""

    def penalty(params, apply):
        gradient = jax.grad(lambda x: apply(params, x)[1].sum())
        return (gradient(X) ** 2).sum()

    after = zoo.functional(zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(1))))
    loop = zoo.functional(zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(1)), gradient="loop"))
    expected = jax.grad(penalty)(*loop)
    assert_close(jax.grad(penalty)(*after), expected, SCHEDULE_GRADIENT)

    params, apply = loop
    of_output = lambda params: apply(params, X)[1].sum()  # noqa: E731
    assert_close(
        jax.jacfwd(of_output)(params), jax.grad(of_output)(params), SCHEDULE_GRADIENT
    )
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jacfwd(lambda params: after[1](params, X)[1].sum())(after[0])


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.GRUCell, zoo.PeepholeLSTMCell])
def test_a_gradient_through_no_step(cell):
    layer = zoo.Recurrent(cell(3, 4, rngs=nnx.Rngs(0)))
    params, apply = zoo.functional(layer)
    state = jax.tree.map(lambda a: a + 0.5, layer.init_state(2))

    def loss(params, state):
        last, y = apply(params, jnp.zeros((2, 0, 3)), state=state)
        return y.sum() + sum(part.sum() for part in last)

    by_params, by_state = jax.grad(loss, (0, 1))(params, state)
    assert not any(leaf.any() for leaf in jax.tree.leaves(by_params))
    assert all((leaf == 1).all() for leaf in jax.tree.leaves(by_state))
