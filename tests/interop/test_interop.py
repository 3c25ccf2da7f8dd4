"""Weights of Flax, with its own cells; round trips; what is refused."""

from importlib.metadata import version

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical

B, T, D, H = 3, 5, 4, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
interop = zoo.interop

LINEN = {
    "lstm": nn.LSTMCell,
    "lstm_optimized": nn.OptimizedLSTMCell,
    "gru": nn.GRUCell,
    "mgu": nn.MGUCell,
    "rnn": nn.SimpleCell,
}
NNX = {
    "lstm": nnx.LSTMCell,
    "lstm_optimized": nnx.OptimizedLSTMCell,
    "gru": nnx.GRUCell,
    "rnn": nnx.SimpleCell,
}


def noisy(tree):
    """Move every number away from special values such as zero."""
    return jax.tree.map(
        lambda a: a + 0.3 * jnp.asarray(RNG.normal(size=a.shape), a.dtype), tree
    )


def weighted(y):
    """Return a sum whose gradient tells every entry apart."""
    return (y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)).sum()


def ours(cell, x):
    """Return outputs, and gradients by inputs and by parameters."""
    params, apply = zoo.functional(zoo.Recurrent(cell))
    y = apply(params, x)[1]
    by = jax.grad(lambda p, x: weighted(apply(p, x)[1]), argnums=(0, 1))(params, x)
    return y, by


@pytest.mark.parametrize("name", LINEN)
def test_linen_forward_and_gradient(name, compared):
    layer = nn.RNN(LINEN[name](H))
    params = noisy(layer.init(jax.random.key(0), X))
    y = layer.apply(params, X)
    by_params, by_x = jax.grad(
        lambda p, x: weighted(layer.apply(p, x)), argnums=(0, 1)
    )(params, X)
    inner = params["params"]["cell"]
    cell = interop.from_flax(inner)
    found, (by_found, by_found_x) = ours(cell, X)
    assert_close(found, y, REFERENCE)
    assert_close(by_found_x, by_x, REFERENCE)
    turned = interop.from_flax(by_params["params"]["cell"])
    expected = zoo.functional(zoo.Recurrent(turned))[0]
    assert_close(by_found, expected, REFERENCE)
    assert_identical(interop.to_flax(cell)["params"], dict(inner))
    if "optimized" not in name:
        gradients = (by_found, by_found_x), (expected, by_x)
        compared(cell.name, f"Flax {version('flax')}", (found, y), gradients)


@pytest.mark.parametrize("name", NNX)
def test_nnx_forward_and_round_trip(name):
    module = NNX[name](D, H, rngs=nnx.Rngs(0))
    graph, state = nnx.split(module)
    module = nnx.merge(graph, noisy(state))
    cell = interop.from_flax(nnx.RNN(module))
    assert_close(ours(cell, X)[0], nnx.RNN(module)(X), REFERENCE)
    form = "nnx_optimized" if name == "lstm_optimized" else "nnx"
    back = interop.to_flax(cell, form)
    assert type(back) is NNX[name]
    assert_close(nnx.RNN(back)(X), nnx.RNN(module)(X), REFERENCE)
    assert_identical(
        zoo.functional(interop.from_flax(back))[0], zoo.functional(cell)[0]
    )


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "reset_before_gru"])
@pytest.mark.parametrize("bias", [True, False])
def test_keras_round_trip(name, bias):
    (layer,) = zoo.make(name, D, H, rngs=nnx.Rngs(0), bias=bias).layers
    params = noisy(zoo.functional(layer)[0])
    nnx.update(layer, params)
    weights = interop.to_keras(layer)
    assert len(weights) == 2 + bias
    kind = "gru" if "gru" in name else name
    back = interop.from_keras(weights, kind, reset_after=name == "gru")
    assert type(back.cell) is type(layer.cell)
    assert_identical(zoo.functional(back)[0], params)


@pytest.mark.parametrize(
    "make",
    [
        lambda r: zoo.RNN(D, H, 2, nonlinearity="relu", bidirectional=True, rngs=r),
        lambda r: zoo.LSTM(D, H, 2, proj_size=2, bidirectional=True, rngs=r),
        lambda r: zoo.LSTM(D, H, bias=False, rngs=r),
        lambda r: zoo.GRU(D, H, 3, rngs=r),
    ],
)
def test_torch_arrays_round_trip(make):
    layer = make(nnx.Rngs(0))
    nnx.update(layer, noisy(zoo.functional(layer)[0]))
    arrays = interop.to_torch_arrays(layer)
    kind = type(layer).__name__.lower()
    options = {"nonlinearity": "relu"} if kind == "rnn" else {}
    named = {"encoder." + name: value for name, value in arrays.items()}
    back = interop.from_torch(
        {**named, "head.weight": X}, kind, prefix="encoder.", **options
    )
    assert type(back) is type(layer)
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])
    assert_identical(back(X)[1], layer(X)[1])


def cell_arrays(**changes):
    """Return the entries of a small LSTM cell of torch."""
    made = interop.to_torch_arrays(zoo.LSTMCell(D, H, rngs=nnx.Rngs(0)))
    return {k: v for k, v in {**made, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interop.from_torch(cell_arrays(), "lstn"), "did you mean 'lstm'"),
        (
            lambda: interop.from_torch(cell_arrays(), "gru"),
            "are those of kind 'lstm', and kind is 'gru'",
        ),
        (
            lambda: interop.from_torch(cell_arrays(weight_ih=np.ones((7, D)))),
            r"'weight_ih': \(7, 4\).* are those of no kind",
        ),
        (
            lambda: interop.from_torch(cell_arrays(weight_hh_l0_g=X)),
            "as weight norm stores it: first merge",
        ),
        (
            lambda: interop.from_torch(cell_arrays(weight_hh=None), "lstm"),
            "weight_hh is missing",
        ),
        (
            lambda: interop.from_torch(cell_arrays(bias_hh=None), "lstm"),
            "entries of the cell must be",
        ),
        (lambda: interop.from_torch(cell_arrays(extra=X), "lstm"), "'extra'"),
        (
            lambda: interop.from_torch(cell_arrays(weight_hh=X[0]), "lstm"),
            r"weight_hh must have shape .*\(24, 6\)",
        ),
        (lambda: interop.from_torch(cell_arrays(), "lstm", prefix="a."), "'a.'"),
        (
            lambda: interop.to_flax(
                zoo.ResetAfterMGUCell(D, H, rngs=nnx.Rngs(0)), "nnx"
            ),
            "nnx has no ResetAfterMGUCell",
        ),
        (
            lambda: interop.to_torch_arrays(zoo.MGUCell(D, H, rngs=nnx.Rngs(0))),
            "torch has no MGUCell",
        ),
        (
            lambda: interop.to_torch_arrays(
                zoo.LSTM(D, H, bidirectional=True, merge="sum", rngs=nnx.Rngs(0))
            ),
            "merge='concat'",
        ),
        (
            lambda: interop.to_torch_arrays(
                zoo.GRU(D, H, learn_initial_state=True, rngs=nnx.Rngs(0))
            ),
            "learned initial state",
        ),
        (
            lambda: interop.to_torch_arrays(
                zoo.GRU(D, H, zoneout=0.1, rngs=nnx.Rngs(0))
            ),
            "zoneout",
        ),
        (lambda: interop.from_flax({"a": {}}), r"got \['a'\]"),
        (
            lambda: interop.from_flax(
                nnx.SimpleCell(D, H, residual=True, rngs=nnx.Rngs(0))
            ),
            "residual",
        ),
        (
            lambda: interop.to_flax(zoo.GRU(D, H, 2, rngs=nnx.Rngs(0))),
            "one cell .* got a layer with 2",
        ),
        (lambda: interop.from_keras([X[0]], "gru"), "got 1 arrays"),
        (lambda: interop.from_keras([X[0], X[0]], "gru"), "reset_after is required"),
    ],
)
def test_refusals_name_what_came(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("rnn", lambda r: zoo.RNN(D, H, rngs=r)),
        ("rnn", lambda r: zoo.ElmanCell(D, H, rngs=r)),
        ("gru", lambda r: zoo.GRU(D, H, 2, bidirectional=True, rngs=r)),
        ("lstm", lambda r: zoo.LSTM(D, H, bias=False, rngs=r)),
        ("lstm", lambda r: zoo.LSTM(D, H, 2, proj_size=2, rngs=r)),
    ],
)
def test_the_shapes_of_a_state_dict_show_its_kind(kind, make, caplog):
    layer = make(nnx.Rngs(0))
    with caplog.at_level("INFO"):
        back = interop.from_torch(interop.to_torch_arrays(layer))
    assert type(back) is type(layer)
    assert f"are those of kind {kind!r}" in caplog.text
    assert ("nonlinearity='tanh'" in caplog.text) == (kind == "rnn")
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])


@pytest.mark.parametrize("keep_order", [True, False])
def test_a_reversed_flax_layer_stays_reversed(keep_order, caplog):
    cell = nnx.LSTMCell(D, H, rngs=nnx.Rngs(0))
    module = nnx.RNN(cell, reverse=True, keep_order=keep_order)
    layer = interop.from_flax(module)
    assert layer.direction == "reverse"
    expected = module(X) if keep_order else module(X)[:, ::-1]
    assert_close(layer(X)[1], expected, REFERENCE)
    assert ("in reading order" in caplog.text) != keep_order


def test_arrays_of_another_byte_order():
    layer = zoo.GRU(D, H, rngs=nnx.Rngs(0))
    swapped = {
        name: a.astype(a.dtype.newbyteorder(">"))
        for name, a in interop.to_torch_arrays(layer).items()
    }
    back = interop.from_torch(swapped)
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])
    weights = interop.to_keras(zoo.LSTMCell(D, H, rngs=nnx.Rngs(0)))
    big = [w.astype(">f4") for w in weights]
    assert_identical(interop.to_keras(interop.from_keras(big, "lstm")), weights)
    linen = interop.to_flax(zoo.LSTMCell(D, H, rngs=nnx.Rngs(0)))
    big = jax.tree.map(lambda a: a.astype(">f4"), linen)
    assert_identical(interop.to_flax(interop.from_flax(big)), linen)
