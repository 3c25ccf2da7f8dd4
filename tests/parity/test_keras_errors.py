"""Layers of Keras and of zoo that cannot be converted: the messages."""

import os
from typing import Any

import jax.numpy as jnp
import pytest

os.environ["KERAS_BACKEND"] = "jax"
keras = pytest.importorskip(
    "keras", reason="live comparison needs the extra: pip install -e '.[parity]'"
)

import zoo  # noqa: E402
from tests.helpers.interop import built as with_random_weights  # noqa: E402
from tests.helpers.interop import rngs  # noqa: E402
from zoo import interop  # noqa: E402

pytestmark = [
    pytest.mark.usefixtures("standard_promotion"),
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword",
        "ignore:Layer .* was passed an input with a mask attached to it",
    ),
]
L = keras.layers
D, H = 4, 5
ALL: dict[str, Any] = {"return_sequences": True}
BACK: dict[str, Any] = {"go_backwards": True, "return_sequences": True}


def built(layer: Any) -> Any:
    """Return a layer with random weights for inputs of size D."""
    return with_random_weights(layer, D)


class Doubled(L.LSTM):
    """A subclass that may compute something else."""


class DoubledCell(L.LSTMCell):
    """A subclass that may compute something else."""


def tanh(x: Any) -> Any:
    """Return something else than tanh."""
    return 2 * x


def clipped(x: Any) -> Any:
    """Return ReLU of all but large numbers."""
    return keras.activations.relu(x, max_value=20.0)


def reversed_stack() -> zoo.Stacked:
    """Return a stack whose lower layer runs in reverse."""
    lower = zoo.Recurrent(zoo.GRUCell(D, H, rngs=rngs()), reverse=True)
    return zoo.Stacked([lower, zoo.Recurrent(zoo.GRUCell(H, H, rngs=rngs()))])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: L.LSTM(H), ValueError, "has no weights yet: call the layer on data"),
        (
            lambda: built(L.Bidirectional(L.LSTM(H), merge_mode="ave")),
            ValueError,
            "must be concatenated, added or kept separate",
        ),
        (
            lambda: built(
                L.Bidirectional(L.LSTM(H, go_backwards=True), backward_layer=L.LSTM(H))
            ),
            ValueError,
            "forward_layer of a Bidirectional must not have go_backwards=True",
        ),
        (
            lambda: [built(L.LSTM(D, **BACK)), built(L.Bidirectional(L.LSTM(H)))],
            ValueError,
            "bidirectional layer cannot be converted above",
        ),
        (
            lambda: [built(L.LSTM(D, name="low")), built(L.LSTM(H))],
            ValueError,
            "low has return_sequences=False",
        ),
        (
            lambda: L.LSTM(H, stateful=True, name="carried"),
            ValueError,
            r"carried is stateful.*layer\(x, state=state\)",
        ),
        (
            lambda: built(L.GRU(H, activation="relu")),
            ValueError,
            "activation must be tanh",
        ),
        (
            lambda: built(L.SimpleRNN(H, activation=tanh)),
            ValueError,
            "activation must be tanh or relu, got <function tanh",
        ),
        (
            lambda: built(L.SimpleRNN(H, activation=clipped)),
            ValueError,
            "activation must be tanh or relu, got <function clipped",
        ),
        (
            lambda: built(L.LSTM(H, recurrent_activation="hard_sigmoid")),
            ValueError,
            "recurrent_activation must be sigmoid",
        ),
        (lambda: built(Doubled(H)), TypeError, "a subclass of LSTM.*get_weights"),
        (
            lambda: built(keras.Sequential([L.LSTM(H, **ALL), L.Dense(3)])),
            TypeError,
            "Dense.*; of a model, pass the list of its recurrent layers alone",
        ),
        (
            lambda: built(L.RNN([L.LSTMCell(H), DoubledCell(H)])),
            TypeError,
            "a subclass of LSTMCell",
        ),
        (lambda: 3, TypeError, "got <class 'int'>"),
        (
            lambda: built(L.Bidirectional(L.LSTM(H))).get_weights(),
            ValueError,
            "got 6 arrays; for a Bidirectional or a stack, pass the layer",
        ),
    ],
)
def test_errors_name_the_way(call, error, message):
    source = call()
    kind = "lstm" if isinstance(source, list) and len(source) == 6 else None
    with pytest.raises(error, match=message):
        interop.from_keras(source, kind)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (reversed_stack, "convert each layer"),
        (lambda: zoo.MGUCell(D, H, rngs=rngs()), "Keras has no MGUCell"),
        (
            lambda: zoo.GRU(
                D, H, dtype=jnp.float32, param_dtype=jnp.bfloat16, rngs=rngs()
            ),
            "no policy for param_dtype bfloat16 with dtype float32",
        ),
    ],
)
def test_layers_without_equivalent(make, message):
    with pytest.raises(ValueError, match=message):
        interop.to_keras(make(), "layer")


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda: built(L.GRU(H)), {"kind": "lstm"}),
        (lambda: built(L.GRU(H)), {"reset_after": False}),
        (lambda: built(L.SimpleRNN(H)), {"nonlinearity": "relu"}),
        (lambda: built(L.RNN(L.GRUCell(H))).cell, {"reset_after": False}),
        (lambda: [built(L.GRU(H))], {"kind": "gru"}),
    ],
)
def test_a_layer_has_its_own_options(make, options):
    message = f"{next(iter(options))} must be left out: it is for the result of get_"
    with pytest.raises(ValueError, match=message):
        interop.from_keras(make(), **options)
