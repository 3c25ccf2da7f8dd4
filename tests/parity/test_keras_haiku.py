"""Live parity with Keras and Haiku, forward and gradient."""

import os
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

os.environ["KERAS_BACKEND"] = "jax"
REASON = "live comparison needs the extra: pip install -e '.[parity]'"
keras = pytest.importorskip("keras", reason=REASON)
hk = pytest.importorskip("haiku", reason=REASON)

import zoo  # noqa: E402
from tests.helpers.tolerances import REFERENCE, assert_close  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"
)
B, T, D, H = 3, 6, 4, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
MASK = np.arange(T) < np.array([6, 4, 1])[:, None]
WEIGHTS = RNG.normal(size=(B, T, H)).astype(np.float32)


def ours(layer, x, mask):
    """Return outputs at real tokens, final h, and gradients by x and by parameters."""
    params, apply = zoo.functional(layer)

    def loss(params, x):
        state, y = apply(params, x, mask)
        return (y * WEIGHTS).sum(), (y, state.h)

    by, aux = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)
    return *aux, *by


KERAS = {
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

    (by_variables, by_x), (y, h) = jax.grad(loss, argnums=(0, 1), has_aux=True)(
        variables, X
    )
    made = zoo.interop.from_keras(layer)
    found_y, found_h, by_params, by_found = ours(made, X, MASK)
    assert_close((found_y, found_h, by_found), (y, h, by_x), REFERENCE)
    cell = {"SimpleRNN": "rnn", "GRU-before": "reset_before_gru"}.get(
        name, name.lower()
    )
    if "relu" not in name:
        told = f"Keras {version('keras')}"
        compared(cell, told, ((found_y, found_h), (y, h)), (by_found, by_x))
    # A gradient is laid out as its weights are; of two biases added up, either is ours.
    as_weights = [np.asarray(v) for v in by_variables]
    if name == "GRU":
        as_weights[2] = as_weights[2] * np.array([[1.0], [0.0]], np.float32) + np.where(
            np.arange(3 * H) >= 2 * H, as_weights[2] * np.array([[0.0], [1.0]]), 0.0
        ).astype(np.float32)
    turned = zoo.interop.from_keras(
        as_weights,
        name.split("-")[0].lower().replace("simple", ""),
        reset_after=KERAS[name].get("reset_after"),
    )
    assert_close(by_params, zoo.functional(turned)[0], REFERENCE)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_haiku(name, compared):
    """Haiku: gates i g f o with one added to f; z r n with z and 1 - z swapped."""
    run = hk.without_apply_rng(
        hk.transform(
            lambda x: hk.dynamic_unroll(
                core := getattr(hk, name)(H),
                x,
                core.initial_state(B),
                time_major=False,
            )[0]
        )
    )
    params = jax.tree.map(
        lambda a: jnp.asarray(RNG.normal(size=a.shape).astype(np.float32) * 0.4),
        run.init(jax.random.key(0), X),
    )
    if name == "LSTM":
        p = params["lstm/linear"]
        order = np.concatenate([np.arange(H) + k * H for k in (0, 2, 1, 3)])
        W, U = p["w"][:D][:, order], p["w"][D:][:, order]
        b = p["b"][order] + np.where(np.arange(4 * H) // H == 1, 1.0, 0.0)
        made = zoo.LSTMCell(D, H, rngs=nnx.Rngs(0))
    else:
        p = params["gru"]
        order = np.concatenate([np.arange(H) + k * H for k in (1, 0, 2)])
        sign = np.where(np.arange(3 * H) // H == 1, -1.0, 1.0)  # 1 - sigmoid(a)
        W, U, b = (p[k][..., order] * sign for k in ("w_i", "w_h", "b"))
        made = zoo.ResetBeforeGRUCell(D, H, rngs=nnx.Rngs(0))
    for param, value in ((made.W, W), (made.U, U), (made.b, b)):
        param[...] = jnp.asarray(value, jnp.float32)
    y = run.apply(params, X)
    by_x = jax.grad(lambda x: (run.apply(params, x) * WEIGHTS).sum())(X)
    found_y, _, _, by_found = ours(zoo.Recurrent(made), X, None)
    assert_close((found_y, by_found), (y, by_x), REFERENCE)
    told = f"Haiku {version('dm-haiku')}"
    compared(made.name, told, (found_y, y), (by_found, by_x))
