"""Modules as pure functions of their parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import SCHEDULE, assert_close, assert_identical

D, H = 3, 4
RNGS = nnx.Rngs(0)
LSTM = zoo.LSTM(D, H, rngs=RNGS)
X = np.random.default_rng(0).normal(size=(2, 5, D)).astype(np.float32)


def test_functional_view():
    params, apply = zoo.functional(LSTM)
    assert type(params) is dict
    assert set(params["layers"]["0"]["cell"]) == {"W", "U", "b"}
    assert_identical(apply(params, X), LSTM(X))
    double = apply(params, X, method=lambda model, x: model(x)[1] * 2)
    assert_close(double, LSTM(X)[1] * 2, SCHEDULE)
    state = LSTM.init_state(2)
    assert_identical(
        apply(params, state, X[:, 0], method="step"), LSTM.step(state, X[:, 0])
    )


def test_functional_names_the_layers_of_a_stack_by_strings():
    """Sorted strings put layer 10 before layer 2, ints do not."""
    layer = zoo.GRU(D, D, 12, rngs=nnx.Rngs(0))
    params, apply = zoo.functional(layer)
    assert list(params["layers"]) == [str(k) for k in range(12)]
    leaves, structure = jax.tree.flatten(params)
    params = jax.tree.unflatten(structure, leaves)  # sorts the keys
    expected = layer(X)
    assert_identical(apply(params, X), expected)
    assert_identical(apply(nnx.state(layer, nnx.Param), X), expected)
    copy = apply(params, method=lambda layer: layer)
    assert type(copy) is zoo.GRU
    assert_identical(copy(X), expected)


def test_functional_refuses_other_parameters():
    params, apply = zoo.functional(LSTM)
    renamed = {"layers": {"1": params["layers"]["0"]}}
    message = r"params\[\"layers\"\] must have the keys \['0'\], got \['1'\]"
    with pytest.raises(ValueError, match=message):
        apply(renamed, X)
    with pytest.raises(
        TypeError, match=r"params\[\"layers\"\] must be a dict, got list"
    ):
        apply({"layers": list(params["layers"].values())}, X)


@pytest.mark.usefixtures("standard_promotion")
def test_functional_changes_no_module_of_flax():
    """Running averages stay those of the module, in jax.jit too."""
    norm = nnx.BatchNorm(D, rngs=nnx.Rngs(0))
    norm.mean[...] = jnp.array([1.0, 0.0, 2.0])
    params, apply = zoo.functional(norm)
    expected = (X - norm.mean[...]) / np.sqrt(1 + norm.epsilon)
    for function in (apply, jax.jit(apply)):
        assert_close(function(params, X), expected, SCHEDULE)
    assert norm.mean[...].tolist() == [1.0, 0.0, 2.0]


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
