"""Cells of Flax, linen and nnx, both ways: outputs, gradients, errors."""

from importlib.metadata import version
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.interop import noisy, noisy_module, rngs
from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from tests.helpers.typed import untyped
from zoo import interop
from zoo.types import Array

B, T, D, H = 3, 5, 4, 6
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, T, D)), jnp.float32)

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
    params = noisy(layer.init(jax.random.key(0), X))

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
    module = noisy_module(NNX[name](D, H, rngs=rngs()))
    cell = untyped(interop.from_flax(nnx.RNN(module))).cell
    assert_close(output_and_gradients(cell, X)[0], nnx.RNN(module)(X), REFERENCE)
    target = "nnx_optimized" if name == "lstm_optimized" else "nnx"
    exported = interop.to_flax(cell, target)
    assert type(exported) is NNX[name]
    assert_close(nnx.RNN(exported)(X), nnx.RNN(module)(X), REFERENCE)
    imported = interop.from_flax(exported)
    assert_identical(zoo.functional(imported)[0], zoo.functional(cell)[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: interop.to_flax(zoo.ResetAfterMGUCell(D, H, rngs=rngs()), "nnx"),
            "nnx has no ResetAfterMGUCell",
        ),
        (
            lambda: interop.to_flax(zoo.MGUCell(D, H, rngs=rngs())),
            "Flax has no MGUCell, only LSTMCell, GRUCell, ResetAfterMGUCell, ElmanCell",
        ),
        (lambda: interop.from_flax({"a": {}}), r"got \['a'\]"),
        (
            lambda: interop.from_flax(nnx.SimpleCell(D, H, residual=True, rngs=rngs())),
            "residual",
        ),
    ],
)
def test_errors_name_the_invalid_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_arrays_of_another_byte_order():
    linen = interop.to_flax(zoo.LSTMCell(D, H, rngs=rngs()))
    big = jax.tree.map(lambda a: a.astype(">f4"), linen)
    assert_identical(interop.to_flax(interop.from_flax(big)), linen)
