"""The public interface: errors, masks, the functional view, summary, registry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from tests.helpers.tolerances import SCHEDULE, assert_close, assert_identical
from tests.helpers.typed import cache_size, untyped
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
        (
            lambda: zoo.LSTM(untyped(2.5), H, rngs=RNGS),
            ValueError,
            "input_size .* got 2.5",
        ),
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
        (lambda: untyped(zoo.LSTM)(D, H, rngs=RNGS, zonout=0.1), TypeError, "zonout"),
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
def test_errors_name_the_bad_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_errors_are_raised_while_tracing():
    with pytest.raises(ValueError, match="x must have shape"):
        jax.jit(LSTM)(X[..., :2])


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_mask_from_lengths(lengths):
    mask = np.asarray(zoo.mask_from_lengths(np.array(lengths), 7))
    assert mask.sum(axis=1).tolist() == lengths
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()


BIDIRECTIONAL = zoo.GRU(D, H, 2, bidirectional=True, rngs=nnx.Rngs(1))
RUN = jax.jit(lambda x, mask, reset: BIDIRECTIONAL(x, mask, reset=reset))


@settings(max_examples=25)
@given(st.data())
def test_any_mask_equals_the_packed_tokens(data):
    """Masked steps change nothing: with gaps, empty rows, and resets anywhere."""
    bits = st.lists(st.booleans(), min_size=5, max_size=5)
    flags = st.lists(bits, min_size=2, max_size=2)
    mask, reset = np.array(data.draw(flags)), np.array(data.draw(flags))
    state, y = RUN(np.where(mask[..., None], X, np.inf), mask, reset)
    packed = np.zeros_like(X)
    packed_mask, packed_reset = np.zeros_like(mask), np.zeros_like(mask)
    for row in range(2):
        n = mask[row].sum()
        packed[row, :n] = X[row, mask[row]]
        packed_reset[row, :n] = reset[row, mask[row]]
        packed_mask[row, :n] = True
    state_packed, y_packed = RUN(packed, packed_mask, packed_reset)
    assert_close(state, state_packed, SCHEDULE)
    assert_close(np.asarray(y)[mask], np.asarray(y_packed)[packed_mask], SCHEDULE)
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


def test_constants_are_not_parameters():
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


def test_summary_counts_every_parameter():
    text = zoo.summary(zoo.LSTM(50, 100, 2, bidirectional=True, rngs=nnx.Rngs(0)))
    # PyTorch's count without its second bias: 2 directions x 2 layers x 4H(D + H + 1).
    expected = 2 * (400 * 150 + 400) + 2 * (400 * 300 + 400)
    assert f"{expected:,}" in text.splitlines()[-1]


def test_registry():
    assert next(iter(zoo.cells())) == "rnn"
    for name, cell in zoo.cells().items():
        assert cell.name == name and cell.paper and cell.equation and cell.family

        def build(name=name):
            return zoo.make(name, D, H, 2, bidirectional=True, rngs=nnx.Rngs(0))

        layer = nnx.eval_shape(build)
        state, y = jax.eval_shape(lambda build=build: build()(X))
        assert len(state) == 2 and y.shape == (2, 5, layer.output_size)


def test_calls_outside_jit_compile_once():
    layer = zoo.GRU(D, H, rngs=nnx.Rngs(0))
    layer(X)
    before = cache_size(base._run)
    for _ in range(3):
        layer(X + 1)
    assert cache_size(base._run) == before
