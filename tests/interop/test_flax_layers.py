"""Layers of Flax, linen and nnx, both ways: outputs, lengths, options, errors."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.interop import noisy, noisy_module, rngs
from tests.helpers.tolerances import (
    BFLOAT16,
    FLOAT64,
    REFERENCE,
    assert_close,
    assert_identical,
)
from tests.helpers.typed import untyped
from zoo import interop

B, T, D, H = 3, 6, 4, 5
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, T, D)), jnp.float32)
LENGTHS = np.array([6, 4, 1])
MASK = np.arange(T) < LENGTHS[:, None]


def both(forward: Any, backward: Any, **options: Any) -> nn.Bidirectional:
    """Return a bidirectional linen layer."""
    return nn.Bidirectional(nn.RNN(forward), nn.RNN(backward), **options)


def gru(**options: Any) -> nnx.RNN:
    """Return a layer of nnx from D to D."""
    return nnx.RNN(nnx.GRUCell(D, D, rngs=rngs()), **options)


LINEN: dict[str, tuple[nn.Module, bool]] = {  # and whether all options are defaults
    "two-kinds": (both(nn.OptimizedLSTMCell(H), nn.MGUCell(7)), True),
    "sum": (
        both(nn.SimpleCell(H, activation_fn=nn.relu), nn.GRUCell(H), merge_fn=jnp.add),
        False,
    ),
    "stack": (
        nn.Sequential([both(nn.LSTMCell(H), nn.LSTMCell(H)), nn.RNN(nn.GRUCell(3))]),
        True,
    ),
}


@pytest.mark.parametrize("name", LINEN)
def test_linen_layers_equal_flax_and_return(name):
    module, defaults = LINEN[name]
    variables = noisy(module.init(jax.random.key(0), X))
    layer = interop.from_flax(module, params=variables)
    assert_close(layer(X)[1], module.apply(variables, X), REFERENCE)
    exported = interop.to_flax(layer)
    assert jax.tree.structure(exported) == jax.tree.structure(dict(variables))
    assert_identical(exported, dict(variables))
    if defaults:
        back = interop.from_flax(exported)
        assert_identical(back(X)[1], layer(X)[1])


NNX: dict[str, Any] = {
    "relu": lambda: nnx.RNN(
        nnx.SimpleCell(D, H, activation_fn=jax.nn.relu, rngs=rngs())
    ),
    "two-kinds": lambda: nnx.Bidirectional(
        gru(), nnx.RNN(nnx.OptimizedLSTMCell(D, 7, rngs=rngs()))
    ),
    # A Bidirectional defines the directions, whatever those of its parts.
    "outputs-apart": lambda: nnx.Bidirectional(
        gru(reverse=True), gru(), merge_fn=lambda a, b: jnp.stack([a, b], axis=-2)
    ),
    "stack": lambda: nnx.Sequential(nnx.Bidirectional(gru(), gru(), merge_fn=jnp.add)),
}


@pytest.mark.parametrize("name", NNX)
def test_nnx_layers_equal_flax_and_return(name):
    module = noisy_module(NNX[name]())
    layer = interop.from_flax(module)
    y = module(X, seq_lengths=LENGTHS)
    expected = jnp.where(MASK.reshape(B, T, *[1] * (y.ndim - 2)), y, jnp.float32(0))
    assert_close(layer(X, MASK)[1], expected, REFERENCE)
    exported = interop.to_flax(layer, "nnx")
    assert_close(exported(X, seq_lengths=LENGTHS), y, REFERENCE)
    back = interop.from_flax(exported)
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])
    assert_identical(back(X, MASK)[1], layer(X, MASK)[1])


@pytest.mark.parametrize(
    ("options", "reverse", "flipped"),
    [
        ([{"reverse": True}], [True], True),
        ([{"reverse": True, "keep_order": True}, {}], [True, False], False),
        ([{"reverse": True}, {}], [True, True], True),
        ([{"reverse": True}, {"reverse": True}], [True, False], False),
        (
            [{"reverse": True}, {"reverse": True, "keep_order": True}],
            [True, False],
            True,
        ),
    ],
)
def test_the_layer_above_reads_the_order_that_flax_returns(
    options, reverse, flipped, caplog
):
    layers = [noisy_module(gru(**kwargs)) for kwargs in options]
    layer = interop.from_flax(layers)
    parts = untyped(layer).layers if len(layers) > 1 else [untyped(layer)]
    assert [part.reverse for part in parts] == reverse
    y = X
    for module in layers:
        y = module(y, seq_lengths=LENGTHS)
    expected = np.array(y)
    if flipped:
        for row, length in zip(expected, LENGTHS, strict=True):
            row[:length] = row[:length][::-1]
    expected = np.where(MASK[..., None], expected, 0.0)
    assert_close(layer(X, MASK)[1], expected, REFERENCE)
    assert ("in reading order" in caplog.text) == flipped


def test_whole_stacks_in_float64():
    with jax.enable_x64(True):
        layer = zoo.LSTM(
            D, H, 2, bidirectional=True, param_dtype=jnp.float64, rngs=rngs()
        )
        x = RNG.normal(size=(B, T, D))
        module = interop.to_flax(layer, "nnx_optimized")
        assert_close(module(x), layer(x)[1], FLOAT64)
        back = interop.from_flax(module)
        assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])


def test_dtypes_are_converted():
    layer = zoo.GRU(D, H, 2, dtype=jnp.bfloat16, rngs=rngs())
    module = interop.to_flax(layer, "nnx")
    with jax.numpy_dtype_promotion("standard"):
        assert_close(module(X), layer(X)[1], BFLOAT16)
    back = untyped(interop.from_flax(module))
    assert back.layers[0].cell.dtype == jnp.bfloat16
    assert back.layers[0].cell.param_dtype == jnp.float32
    cell = zoo.ElmanCell(D, H, dtype=jnp.bfloat16, rngs=rngs())
    with pytest.raises(ValueError, match="returns a state in dtype"):
        interop.to_flax(cell, "nnx")


def mgu_without_reset() -> Any:
    """Return the parameters of linen's MGUCell with ``reset_gate=False``."""
    cell = nn.MGUCell(H, reset_gate=False)
    return cell.init(jax.random.key(0), jnp.zeros((B, H)), X[:, 0])


def shrunk(x: Any) -> Any:
    """Return ReLU of all but small numbers."""
    return jnp.where(x > 0.1, x, jnp.zeros_like(x))


class Doubled(nnx.RNN):
    """A subclass that may compute something else."""


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nnx.Bidirectional(gru(), gru(), merge_fn=jnp.multiply),
            ValueError,
            "must be concatenated, added or kept separate",
        ),
        *(
            (
                lambda merge=merge: nnx.Bidirectional(gru(), gru(), merge_fn=merge),
                ValueError,
                "must be concatenated, added or kept separate",
            )
            for merge in (
                lambda a, b: nnx.relu(jnp.concatenate([a, b], axis=-1)),
                lambda a, b: jnp.abs(a) + b,
                lambda a, b: jnp.clip(a + b, -100.0, 100.0),
            )
        ),
        (
            lambda: nnx.GRUCell(D, H, gate_fn=jax.nn.hard_sigmoid, rngs=rngs()),
            ValueError,
            "gate_fn must be sigmoid",
        ),
        (
            lambda: nnx.SimpleCell(D, H, activation_fn=shrunk, rngs=rngs()),
            ValueError,
            "activation_fn must be tanh or relu, got <function shrunk",
        ),
        (
            lambda: nnx.LSTMCell(D, H, activation_fn=nnx.relu, rngs=rngs()),
            ValueError,
            "activation_fn must be tanh, got",
        ),
        (
            lambda: [gru(reverse=True), nnx.Bidirectional(gru(), gru())],
            ValueError,
            "bidirectional layer cannot be converted above",
        ),
        (lambda: [gru(time_major=True), gru()], ValueError, "time_major must be the"),
        (lambda: nn.RNN(nn.GRUCell(H)), ValueError, r"pass params=variables\['params"),
        (lambda: {"GRUCell_0": {}}, ValueError, "pass the entry of such a module"),
        (
            lambda: {"layers_0": {}, "layers_2": {}},
            ValueError,
            "gaps.*pass the linen module and params=",
        ),
        (mgu_without_reset, ValueError, "reset_gate=False has no equivalent"),
        (lambda: [], ValueError, "one layer or more, got none"),
        (lambda: [gru().cell], TypeError, "a GRUCell is one step"),
        (lambda: Doubled(gru().cell), TypeError, "got <class .*Doubled"),
        (lambda: [nnx.Linear(D, H, rngs=rngs())], TypeError, "got <class .*Linear"),
        (lambda: nnx.RNN(untyped(gru())), TypeError, "got <class .*RNN"),
    ],
)
def test_errors_name_the_reason(call, error, message):
    with pytest.raises(error, match=message):
        interop.from_flax(call())


@pytest.mark.filterwarnings("ignore:carry_init is provided in __init__")
def test_a_carry_that_is_not_zero_is_refused():
    cell = nnx.GRUCell(D, H, carry_init=jax.nn.initializers.ones, rngs=rngs())
    with pytest.raises(ValueError, match="carry_init of GRUCell must return zeros"):
        interop.from_flax(nnx.RNN(cell))


def test_a_shared_layer_is_refused():
    shared = nn.RNN(nn.GRUCell(D))
    module = nn.Sequential([shared, shared])
    variables = module.init(jax.random.key(0), X)
    with pytest.raises(ValueError, match="the same layer twice cannot be converted"):
        interop.from_flax(module, params=variables)
    params = variables["params"]["layers_0"]
    layer = interop.from_flax([shared, shared], params=[params, params])  # copies
    assert_close(layer(X)[1], module.apply(variables, X), REFERENCE)


def test_params_must_fit_the_module():
    variables = nn.RNN(nn.GRUCell(H)).init(jax.random.key(0), X)
    with pytest.raises(ValueError, match="params must be .* one of nnx has its own"):
        interop.from_flax(gru(), params=variables)
    with pytest.raises(ValueError, match="params must be .* is parameters already"):
        interop.from_flax(variables, params=variables)
    with pytest.raises(ValueError, match="kind must be left out: it is for the param"):
        interop.from_flax(gru(), "lstm")
    both_ways = {"forward_rnn": variables["params"], "backward_rnn": {}}
    with pytest.raises(ValueError, match="kind is 'lstm', but .* of kind 'gru'"):
        interop.from_flax(both_ways, "lstm")
    with pytest.raises(ValueError, match="params must have 'cell', got"):
        interop.from_flax(nn.RNN(nn.GRUCell(H)), params={"a": {}})
    with pytest.raises(ValueError, match="one entry for each module, got 0"):
        interop.from_flax([nn.RNN(nn.GRUCell(H))] * 2, params=[])
