"""Conversion of weights: parity with Flax, round trips, errors."""

from importlib.metadata import version
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from tests.helpers.typed import untyped
from zoo.types import Array

B, T, D, H = 3, 5, 4, 6
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, T, D)), jnp.float32)
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


def add_noise(tree: Any) -> Any:
    """Return a tree with noise added, so that no bias is zero."""
    return jax.tree.map(
        lambda a: a + 0.3 * jnp.asarray(RNG.normal(size=a.shape), a.dtype), tree
    )


def with_noise(layer: zoo.Layer) -> tuple[Any, Any]:
    """Return a copy of a layer with noise in its parameters, and these."""
    params, apply = zoo.functional(layer)
    params = add_noise(params)
    return apply(params, method=lambda layer: layer), params


def weighted_sum(y: Array) -> Array:
    """Return a sum with a different weight for each entry."""
    return (y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)).sum()


def output_and_gradients(cell: zoo.Cell, x: Array) -> tuple[Array, tuple[Any, Any]]:
    """Return outputs, and gradients with respect to parameters and inputs."""
    params, apply = zoo.functional(zoo.Recurrent(cell))
    y = apply(params, x)[1]
    gradient = jax.grad(lambda p, x: weighted_sum(apply(p, x)[1]), argnums=(0, 1))
    return y, gradient(params, x)


@pytest.mark.parametrize("name", LINEN)
def test_linen_forward_and_gradient(name, compared):
    layer = nn.RNN(LINEN[name](H))
    params = add_noise(layer.init(jax.random.key(0), X))

    def loss(params, x):
        return weighted_sum(untyped(layer.apply(params, x)))

    expected = layer.apply(params, X)
    expected_d_params, expected_d_x = jax.grad(loss, argnums=(0, 1))(params, X)
    flax_params = params["params"]["cell"]
    cell = untyped(interop.from_flax(flax_params))
    y, (d_params, d_x) = output_and_gradients(cell, X)
    assert_close(y, expected, REFERENCE)
    assert_close(d_x, expected_d_x, REFERENCE)
    # A gradient has the layout of the parameters.
    converted = untyped(interop.from_flax(expected_d_params["params"]["cell"]))
    expected_d_params = zoo.functional(zoo.Recurrent(converted))[0]
    assert_close(d_params, expected_d_params, REFERENCE)
    assert_identical(interop.to_flax(cell)["params"], dict(flax_params))
    if "optimized" not in name:
        gradients = (d_params, d_x), (expected_d_params, expected_d_x)
        compared(cell.name, f"Flax {version('flax')}", (y, expected), gradients)


@pytest.mark.parametrize("name", NNX)
def test_nnx_forward_and_round_trip(name):
    module = NNX[name](D, H, rngs=nnx.Rngs(0))
    graph, state = nnx.split(module)
    module = nnx.merge(graph, add_noise(state))
    cell = untyped(interop.from_flax(nnx.RNN(module))).cell
    assert_close(output_and_gradients(cell, X)[0], nnx.RNN(module)(X), REFERENCE)
    target = "nnx_optimized" if name == "lstm_optimized" else "nnx"
    exported = interop.to_flax(cell, target)
    assert type(exported) is NNX[name]
    assert_close(nnx.RNN(exported)(X), nnx.RNN(module)(X), REFERENCE)
    imported = interop.from_flax(exported)
    assert_identical(zoo.functional(imported)[0], zoo.functional(cell)[0])


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "reset_before_gru"])
@pytest.mark.parametrize("bias", [True, False])
def test_keras_round_trip(name, bias):
    (layer,) = zoo.make(name, D, H, rngs=nnx.Rngs(0), bias=bias).layers
    assert isinstance(layer, zoo.Recurrent)
    layer, params = with_noise(layer)
    weights = interop.to_keras(layer)
    assert len(weights) == 2 + bias
    kind = "gru" if "gru" in name else name
    imported = untyped(interop.from_keras(weights, kind, reset_after=name == "gru"))
    assert type(imported.cell) is type(layer.cell)
    assert_identical(zoo.functional(imported)[0], params)


@pytest.mark.parametrize(
    "build",
    [
        lambda r: zoo.RNN(D, H, 2, nonlinearity="relu", bidirectional=True, rngs=r),
        lambda r: zoo.LSTM(D, H, 2, proj_size=2, bidirectional=True, rngs=r),
        lambda r: zoo.LSTM(D, H, bias=False, rngs=r),
        lambda r: zoo.GRU(D, H, 3, rngs=r),
    ],
)
def test_torch_arrays_round_trip(build):
    layer, _ = with_noise(build(nnx.Rngs(0)))
    arrays = interop.to_torch_arrays(layer)
    kind = type(layer).__name__.lower()
    options: dict[str, Any] = {"nonlinearity": "relu"} if kind == "rnn" else {}
    state_dict = {"encoder." + name: value for name, value in arrays.items()}
    state_dict["head.weight"] = np.asarray(X)
    imported = interop.from_torch(state_dict, kind, prefix="encoder.", **options)
    assert type(imported) is type(layer)
    assert_identical(zoo.functional(imported)[0], zoo.functional(layer)[0])
    assert_identical(imported(X)[1], layer(X)[1])


def torch_lstm(**changes: Any) -> dict[str, Any]:
    """Return the state dict of a PyTorch LSTMCell; None removes an entry."""
    arrays = interop.to_torch_arrays(zoo.LSTMCell(D, H, rngs=nnx.Rngs(0)))
    return {k: v for k, v in {**arrays, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interop.from_torch(torch_lstm(), "lstn"), "did you mean 'lstm'"),
        (
            lambda: interop.from_torch(torch_lstm(), "gru"),
            "are those of kind 'lstm', and kind is 'gru'",
        ),
        (
            lambda: interop.from_torch(torch_lstm(weight_ih=np.ones((7, D)))),
            r"'weight_ih': \(7, 4\).* are those of no kind",
        ),
        (
            lambda: interop.from_torch(torch_lstm(weight_hh_l0_g=X)),
            "as weight norm stores it: first merge",
        ),
        (
            lambda: interop.from_torch(torch_lstm(weight_hh=None), "lstm"),
            "weight_hh is missing",
        ),
        (
            lambda: interop.from_torch(torch_lstm(bias_hh=None), "lstm"),
            "entries of the cell must be",
        ),
        (lambda: interop.from_torch(torch_lstm(extra=X), "lstm"), "'extra'"),
        (
            lambda: interop.from_torch(torch_lstm(weight_hh=X[0]), "lstm"),
            r"weight_hh must have shape .*\(24, 6\)",
        ),
        (lambda: interop.from_torch(torch_lstm(), "lstm", prefix="a."), "'a.'"),
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
            "merge must be 'concat'",
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
        (lambda: interop.from_keras([X[0]], "gru"), "got 1 arrays"),
        (lambda: interop.from_keras([X[0], X[0]], "gru"), "reset_after is required"),
    ],
)
def test_errors_name_the_invalid_value(call, message):
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
