"""Dropout, zoneout and weight drop: their statistics, and how long a mask lasts."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.cells.test_contract import OF_EACH_KIND  # noqa: F401 (read by conftest.py)
from tests.helpers.tolerances import SCHEDULE, assert_close, assert_identical
from tests.helpers.typed import present
from zoo import regularizers
from zoo.cells.base import Cell

B, T, D, H = 3, 8, 4, 16
KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)


def test_dropout_keeps_the_mean_and_scales():
    x = jnp.ones((200, 50, 10))
    y = np.asarray(regularizers.dropout(KEY, x, 0.3))
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.7)}
    assert abs(y.mean() - 1) < 0.01
    assert_identical(regularizers.dropout(None, x, 0.3), x)


@pytest.mark.parametrize("p", [0.3, np.linspace(0, 1, 10)], ids=["scalar", "array"])
def test_bernoulli_equals_jax(p):
    flags = regularizers.bernoulli(KEY, p, (3, 5, 10))
    expected = jax.random.bernoulli(KEY, np.broadcast_to(p, (3, 5, 10)), (3, 5, 10))
    assert_identical(flags, expected)


def test_locked_dropout_has_one_mask_per_sequence():
    y = np.asarray(regularizers.locked_dropout(KEY, jnp.ones((40, 9, 10)), 0.5))
    assert (y == y[:, :1]).all()
    assert len({row.tobytes() for row in y[:, 0]}) > 30


def test_word_dropout():
    ids = jnp.full((100, 100), 7)
    y = np.asarray(regularizers.word_dropout(KEY, ids, 0.25, unknown=1))
    assert set(np.unique(y)) == {1, 7}
    assert abs((y == 1).mean() - 0.25) < 0.02


def test_zoneout_at_evaluation_is_the_expectation_of_training():
    old, new = jnp.zeros(100_000), jnp.ones(100_000)
    hold = jax.random.bernoulli(KEY, 0.2, old.shape)
    trained = regularizers.zoneout(hold, old, new, 0.2).mean()
    assert abs(float(trained) - 0.8) < 0.01
    assert_close(regularizers.zoneout(None, old, new, 0.2), new * 0.8, SCHEDULE)


def layer(cell: type[Cell] = zoo.LSTMCell, **options: Any) -> zoo.Recurrent:
    """Build a layer with the same weights for every option."""
    return zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(1)), **options)


OPTIONS = [
    {"recurrent_dropout": 0.5},
    {"candidate_dropout": 0.5},
    {"zoneout": {"h": 0.2, "c": 0.5}},
    {"weight_drop": 0.5},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: next(iter(o)))
def test_a_layer_draws_noise_only_with_a_key(options):
    noisy, plain = layer(**options), layer()
    y, y_of_another_key = noisy(X, key=KEY)[1], noisy(X, key=jax.random.key(1))[1]
    assert_identical(noisy(X, key=KEY)[1], y)
    assert np.abs(y - y_of_another_key).max() > 0.01
    if "zoneout" not in options:
        assert_identical(noisy(X)[1], plain(X)[1])
    else:
        assert np.abs(noisy(X)[1] - plain(X)[1]).max() > 0.01
    mask = zoo.mask_from_lengths(np.array([T, 3, 0]), T)
    poisoned = np.where(mask[..., None], X, np.nan)
    assert_identical(noisy(poisoned, mask, key=KEY), noisy(X, mask, key=KEY))


def test_recurrent_dropout_is_one_mask_on_the_recurrent_product():
    """With W, b and x zero and U = 10 I in the candidate, the mask can be read off."""
    cell = zoo.GRUCell(D, H, rngs=nnx.Rngs(0), bias=False)
    cell.W[...] = jnp.zeros((D, 3 * H))
    cell.U[...] = jnp.concatenate([jnp.zeros((H, 2 * H)), 10 * jnp.eye(H)], axis=1)
    dropped = zoo.Recurrent(cell, recurrent_dropout=0.5)
    start = zoo.HiddenState(jnp.full((B, H), 0.5))
    y = np.asarray(dropped(np.zeros((B, T, D), np.float32), state=start, key=KEY)[1])
    # r = z = 1/2: a unit whose h is dropped has n = 0 and halves; the others stay.
    decays = np.isclose(y, 0.5 ** np.arange(2, T + 2)[None, :, None], atol=1e-6)
    assert (decays == decays[:, :1]).all()
    assert 0.2 < decays[:, 0].mean() < 0.8
    assert (y[~decays] > 0.5).all()


def test_candidate_dropout_keeps_the_memory():
    """Where the candidate is dropped, the new c is f * c."""
    cell = zoo.LSTMCell(D, H, rngs=nnx.Rngs(0))
    layer = zoo.Recurrent(cell, candidate_dropout=0.5)
    x = np.zeros((B, 1, D), np.float32)
    start = zoo.LSTMState(jnp.zeros((B, H)), jnp.ones((B, H)))
    # The candidate g is near 1.
    present(cell.b)[...] = jnp.where(jnp.arange(4 * H) // H == 2, 5.0, 0.0)
    c = np.asarray(layer(x, state=start, key=KEY)[0].c)
    g = 0.5 * np.tanh(5.0)
    dropped = np.isclose(c, 0.5, atol=1e-6)
    assert_close(c[~dropped], np.full((~dropped).sum(), 0.5 + 2 * g), SCHEDULE)
    assert 0.2 < dropped.mean() < 0.8


def test_dropout_between_layers_spares_the_last_output():
    lstm = zoo.LSTM(D, H, 2, dropout=0.5, locked_dropout=0.3, rngs=nnx.Rngs(0))
    assert (np.asarray(lstm(X, key=KEY)[1]) != 0).all()
    assert np.abs(lstm(X, key=KEY)[1] - lstm(X)[1]).max() > 0.01
    with pytest.warns(UserWarning, match="have no effect"):
        zoo.LSTM(D, H, dropout=0.5, rngs=nnx.Rngs(0))


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", zoo.cells())
def test_gradients_under_all_noise_are_finite(case):
    cell = zoo.cells()[case]
    options: dict[str, Any] = {k: v for o in OPTIONS for k, v in o.items()}
    options["zoneout"] = 0.1
    if not cell.candidate:
        del options["candidate_dropout"]
    if not cell.recurrent:
        del options["recurrent_dropout"], options["weight_drop"]
    elif case in ("sru", "mclstm"):  # their products do not read h
        del options["recurrent_dropout"]
    params, apply = zoo.functional(layer(cell, **options))
    grads = jax.grad(lambda p: apply(p, X, key=KEY)[1].sum())(params)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: layer(zoneout=1.5), r"zoneout must lie in \[0, 1\), got 1.5"),
        (lambda: layer(zoneout={"x": 0.1}), "must be one of 'h', 'c', got 'x'"),
        (
            lambda: layer(zoo.ElmanCell, candidate_dropout=0.1),
            "candidate, which ElmanCell does not have",
        ),
        (lambda: layer(recurrent_dropout="a"), "must be a number"),
        (lambda: layer(weight_drop=1.0), "weight_drop must lie"),
    ],
)
def test_errors_of_invalid_rates(build, message):
    with pytest.raises(ValueError, match=message):
        build()
