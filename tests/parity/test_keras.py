"""Live parity with the layers of Keras: outputs and gradients."""

import os
from importlib.metadata import version
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
from tests.helpers.tolerances import REFERENCE, assert_close  # noqa: E402
from tests.helpers.typed import untyped  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"
)
B, T, D, H = 3, 6, 4, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
MASK = np.arange(T) < np.array([6, 4, 1])[:, None]
WEIGHTS = RNG.normal(size=(B, T, H)).astype(np.float32)


def results_and_gradients(
    layer: zoo.Recurrent, x: np.ndarray, mask: np.ndarray | None
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return (outputs, final h), and gradients of (parameters, inputs)."""
    params, apply = zoo.functional(layer)

    def loss(params, x):
        state, y = apply(params, x, mask)
        return (y * WEIGHTS).sum(), (y, state.h)

    gradients, results = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)
    return results, gradients


KERAS: dict[str, dict[str, Any]] = {
    "SimpleRNN": {},
    "SimpleRNN-relu": {"activation": "relu"},
    "LSTM": {},
    "GRU": {"reset_after": True},
    "GRU-before": {"reset_after": False},
}


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", KERAS)
def test_keras(name, compared):
    kind = getattr(keras.layers, name.split("-")[0])
    layer = kind(H, return_sequences=True, return_state=True, **KERAS[name])
    layer.build((B, T, D))
    layer.set_weights(
        [RNG.normal(size=w.shape).astype(np.float32) * 0.4 for w in layer.get_weights()]
    )
    variables = [v.value for v in layer.trainable_variables]
    state = [v.value for v in layer.non_trainable_variables]

    def loss(variables, x):
        (y, h, *_), _ = layer.stateless_call(
            variables, state, x, mask=jnp.asarray(MASK)
        )
        y = jnp.where(MASK[..., None], y, 0.0)
        return (y * WEIGHTS).sum(), (y, h)

    gradient = jax.grad(loss, argnums=(0, 1), has_aux=True)
    (d_variables, expected_d_x), expected = gradient(variables, X)
    converted = zoo.interop.from_keras(layer)
    assert isinstance(converted, zoo.Recurrent)
    results, (d_params, d_x) = results_and_gradients(converted, X, MASK)
    assert_close((results, d_x), (expected, expected_d_x), REFERENCE)
    cell = {"SimpleRNN": "rnn", "GRU-before": "reset_before_gru"}.get(
        name, name.lower()
    )
    if "relu" not in name:
        peer = f"Keras {version('keras')}"
        compared(cell, peer, (results, expected), (d_x, expected_d_x))
    # A gradient has the layout of the weights. Keras's GRU has two biases; they share
    # one gradient for r and z, and here only n has a second bias.
    arrays = [np.asarray(v) for v in d_variables]
    if name == "GRU":
        is_n = np.arange(3 * H) >= 2 * H
        arrays[2] = np.stack([arrays[2][0], np.where(is_n, arrays[2][1], 0.0)])
    expected_d_params = zoo.interop.from_keras(
        arrays,
        untyped(name.split("-")[0].lower().replace("simple", "")),
        reset_after=KERAS[name].get("reset_after"),
    )
    assert_close(d_params, zoo.functional(expected_d_params)[0], REFERENCE)
