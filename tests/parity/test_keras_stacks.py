"""Bidirectional layers and stacks of Keras, both ways: outputs, masks, errors."""

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

os.environ["KERAS_BACKEND"] = "jax"
keras = pytest.importorskip(
    "keras", reason="live comparison needs the extra: pip install -e '.[parity]'"
)

import zoo  # noqa: E402
from tests.helpers.interop import built as with_random_weights  # noqa: E402
from tests.helpers.interop import rngs  # noqa: E402
from tests.helpers.tolerances import (  # noqa: E402
    BFLOAT16,
    REFERENCE,
    assert_close,
    assert_identical,
)
from tests.helpers.typed import untyped  # noqa: E402
from zoo import interop  # noqa: E402

pytestmark = [
    pytest.mark.usefixtures("standard_promotion"),
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword",
        "ignore:Layer .* was passed an input with a mask attached to it",
    ),
]
L = keras.layers
B, T, D, H = 3, 6, 4, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
MASK = np.arange(T) < np.array([6, 4, 1])[:, None]
ALL: dict[str, Any] = {"return_sequences": True}
BACK: dict[str, Any] = {"go_backwards": True, "return_sequences": True}


def built(layer: Any) -> Any:
    """Return a layer with random weights for inputs of size D."""
    return with_random_weights(layer, D)


BIDIRECTIONAL: dict[str, Callable[[], Any]] = {
    "lstm": lambda: L.Bidirectional(L.LSTM(H, **ALL)),
    "sum": lambda: L.Bidirectional(L.GRU(H, reset_after=False, **ALL), "sum"),
    "cells": lambda: L.Bidirectional(L.RNN([L.LSTMCell(H), L.GRUCell(7)], **ALL)),
    "two-kinds-in-a-stack": lambda: keras.Sequential(
        [
            L.Bidirectional(
                L.GRU(H, **ALL), backward_layer=L.SimpleRNN(H, "relu", **BACK)
            ),
            L.GRU(7, use_bias=False, **ALL),
        ]
    ),
}


@pytest.mark.parametrize("name", BIDIRECTIONAL)
def test_layers_equal_keras_and_return(name):
    module = built(BIDIRECTIONAL[name]())
    layer = interop.from_keras(module)
    state, y = layer(X, MASK)
    expected = np.asarray(module(X, mask=MASK))
    assert_close(y, np.where(MASK[..., None], expected, 0.0), REFERENCE)
    exported = interop.to_keras(layer, "layer")
    assert type(exported) is type(module)
    assert_identical(exported.get_weights(), interop.to_keras(layer))
    # Zero outputs at padding, as in zoo, where Keras by default repeats the last one.
    assert_close(np.asarray(exported(X, mask=MASK)), y, REFERENCE)
    back = interop.from_keras(exported)
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])
    assert jax.tree.structure(back.init_state(B)) == jax.tree.structure(state)


def test_separate_outputs_are_stacked():
    module = built(L.Bidirectional(L.GRU(H, **ALL), merge_mode=None))
    layer = untyped(interop.from_keras(module))
    assert layer.merge == "stack"
    forward, backward = (np.asarray(y) for y in module(X))
    assert_close(layer(X)[1], np.stack([forward, backward], axis=2), REFERENCE)
    assert interop.to_keras(layer, "layer").merge_mode is None


@pytest.mark.parametrize(
    ("options", "reverse", "flipped"),
    [
        ([BACK], [True], True),
        ([BACK, ALL], [True, True], True),
        ([BACK, BACK], [True, False], False),
    ],
)
def test_the_layer_above_reads_what_go_backwards_returns(
    options, reverse, flipped, caplog
):
    """Keras returns the outputs of such a layer from the last step to the first."""
    module = built(keras.Sequential([L.GRU(H, **kwargs) for kwargs in options]))
    layer = interop.from_keras(module)
    parts = untyped(layer).layers if len(options) > 1 else [untyped(layer)]
    assert [part.reverse for part in parts] == reverse
    expected = np.asarray(module(X))
    expected = expected[:, ::-1] if flipped else expected
    assert_close(layer(X)[1], expected, REFERENCE)
    assert ("in reading order" in caplog.text) == flipped


def test_the_last_output_is_the_state(caplog):
    """Of a layer without return_sequences, in reverse."""
    module = built(L.LSTM(H, go_backwards=True, return_state=True))
    layer = interop.from_keras(module)
    state, _ = untyped(layer(X, MASK))
    last, h, c = (np.asarray(a) for a in module(X, mask=MASK))
    assert_close((state.h, state.h, state.c), (last, h, c), REFERENCE)
    assert "reading order" not in caplog.text
    exported = interop.to_keras(layer, "layer")
    assert exported.go_backwards
    assert_identical(exported.get_weights(), module.get_weights())


def test_cells_and_lists():
    cells = [L.SimpleRNNCell(H), L.LSTMCell(7)]
    module = built(L.RNN(cells, **ALL))
    layer = interop.from_keras(module)
    assert_close(layer(X)[1], np.asarray(module(X)), REFERENCE)
    of_cells = interop.from_keras(module.cell)
    assert_identical(zoo.functional(of_cells)[0], zoo.functional(layer)[0])
    layers = [built(L.GRU(D, **ALL)), built(L.LSTM(H))]
    layer = interop.from_keras(layers)
    assert_close(layer(X)[1][:, -1], np.asarray(layers[1](layers[0](X))), REFERENCE)


def test_a_cell_becomes_a_cell(caplog):
    cell = zoo.LSTMCell(D, H, rngs=rngs())
    exported = interop.to_keras(cell, "layer")
    assert type(exported) is L.LSTMCell
    assert_identical(exported.get_weights(), interop.to_keras(cell))
    back = interop.from_keras(exported)
    assert type(back) is zoo.LSTMCell
    assert_identical(zoo.functional(back)[0], zoo.functional(cell)[0])
    assert not caplog.text
    exported.recurrent_dropout = 0.2
    interop.from_keras(exported)
    assert "recurrent_dropout=0.2 of" in caplog.text


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16"])
def test_dtypes_are_converted(policy):
    layer = zoo.LSTM(
        D,
        H,
        bidirectional=True,
        dtype=jnp.bfloat16,
        param_dtype=jnp.float32 if "mixed" in policy else jnp.bfloat16,
        rngs=rngs(),
    )
    module = interop.to_keras(layer, "layer")
    assert module.forward_layer.cell.dtype_policy.name == policy
    back = untyped(interop.from_keras(module))
    assert back.forward.cell.dtype == jnp.bfloat16
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])
    assert_close(np.asarray(module(X)), layer(X)[1], BFLOAT16)


def test_float64_round_trip():
    with jax.enable_x64(True):
        layer = zoo.GRU(D, H, 2, param_dtype=jnp.float64, rngs=rngs())
        module = interop.to_keras(layer, "layer")
        assert module.get_weights()[0].dtype == np.float64
        back = interop.from_keras(module)
        assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])
        # Keras computes tanh in float32.
        assert_close(np.asarray(module(X.astype(float))), layer(X)[1], REFERENCE)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
def test_a_policy_of_float64_without_x64():
    module = built(L.LSTM(H, dtype="float64", **ALL))
    layer = untyped(interop.from_keras(module))
    assert layer.cell.dtype == layer.cell.param_dtype == jnp.float32
    exported = interop.to_keras(layer, "layer")
    assert_close(np.asarray(exported(X)), layer(X)[1], REFERENCE)
    assert_identical(exported.get_weights(), module.get_weights())


def test_recurrent_dropout_is_converted_and_input_dropout_is_not(caplog):
    module = built(L.GRU(H, recurrent_dropout=0.3, dropout=0.2))
    layer = untyped(interop.from_keras(module))
    assert layer.rates.recurrent_dropout == 0.3
    assert "dropout=0.2 of" in caplog.text and "locked_dropout" in caplog.text
    assert interop.to_keras(layer, "layer").recurrent_dropout == 0.3
    caplog.clear()
    interop.to_keras(zoo.GRU(D, H, 2, dropout=0.4, weight_drop=0.1, rngs=rngs()))
    assert "dropout=0.4 is not converted" in caplog.text
    assert "weight_drop=0.1 is not converted" in caplog.text
