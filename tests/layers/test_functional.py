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
    layer = params["layers"]["0"]
    with pytest.raises(ValueError, match=r"the keys \['0'\], got \[0, '0'\]"):
        apply({"layers": {0: layer, "0": layer}}, X)


@pytest.mark.parametrize(
    ("b", "error", "message"),
    [
        (0.5, ValueError, r"must have shape \(16,\), got \(\)"),
        (jnp.zeros(3), ValueError, r"must have shape \(16,\), got \(3,\)"),
        ({"b": jnp.zeros(16)}, TypeError, r"must be an array \[16\], got dict"),
        (None, TypeError, r"must be an array \[16\], got NoneType"),
    ],
)
def test_functional_refuses_what_is_no_parameter(b, error, message):
    params, apply = zoo.functional(LSTM)
    cell = {**params["layers"]["0"]["cell"], "b": b}
    path = r'^params\["layers"\]\["0"\]\["cell"\]\["b"\] '
    with pytest.raises(error, match=path + message):
        apply({"layers": {"0": {"cell": cell}}}, X)


def test_functional_takes_other_dtypes_and_stacked_parameters():
    params, apply = zoo.functional(LSTM)
    doubled = jax.tree.map(lambda a: jnp.stack([a, a]), params)
    expected = LSTM(X)[1]
    y = jax.vmap(lambda params: apply(params, X)[1])(doubled)
    assert_close(y, jnp.stack([expected, expected]), SCHEDULE)
    with pytest.raises(
        ValueError, match=r"must have shape \(4, 16\), got \(2, 4, 16\)"
    ):
        apply(doubled, X)
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), params)
    rounded = jax.tree.map(lambda a: a.astype(jnp.float32), half)
    assert_close(apply(half, X)[1], apply(rounded, X)[1], SCHEDULE)


def test_functional_copies_share_no_variable():
    """Neither with the module nor with each other."""

    def counts(layer: nnx.Module) -> list[int]:
        return [int(count) for count in jax.tree.leaves(nnx.state(layer, nnx.RngCount))]

    layer = zoo.LSTM(D, H, 2, dropout=0.5, rngs=nnx.Rngs(params=0, dropout=1))
    params, apply = zoo.functional(layer)
    copies = [apply(params, method=lambda layer: layer) for _ in range(2)]
    copies[0].train()
    expected = layer(X)
    assert_identical(copies[0](X), expected)
    assert counts(copies[0]) == counts(layer) == [1]
    assert counts(copies[1]) == [0]


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
