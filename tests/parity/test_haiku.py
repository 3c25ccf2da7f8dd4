"""Live parity with the recurrent cores of Haiku, and weights both ways."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

hk = pytest.importorskip(
    "haiku", reason="live comparison needs the extra: pip install -e '.[parity]'"
)

import zoo  # noqa: E402
from tests.helpers.tolerances import (  # noqa: E402
    REFERENCE,
    assert_close,
    assert_identical,
)
from tests.helpers.typed import untyped  # noqa: E402
from zoo import interop  # noqa: E402

pytestmark = pytest.mark.usefixtures("standard_promotion")
B, T, D, H = 3, 6, 4, 5
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, T, D)), jnp.float32)
WEIGHTS = RNG.normal(size=(B, T, H)).astype(np.float32)
FORGET = slice(2 * H, 3 * H)  # of the gates i g f o


def unroll(make: Callable[[], Any]) -> Any:
    """Return the transformed function that runs a core over time."""

    def run(x):
        core = make()
        state = core.initial_state(x.shape[0])
        return hk.dynamic_unroll(core, x, state, time_major=False)[0]

    return hk.without_apply_rng(hk.transform(run))


def random_params(run: Any) -> Any:
    """Return parameters of which none is zero."""
    return jax.tree.map(
        lambda a: jnp.asarray(RNG.normal(size=a.shape) * 0.4, a.dtype),
        run.init(jax.random.key(0), X),
    )


CORES: dict[str, tuple[Callable[[], Any], str]] = {
    "LSTM": (lambda: hk.LSTM(H), "lstm"),
    "GRU": (lambda: hk.GRU(H), "reset_before_gru"),
    "VanillaRNN": (lambda: hk.VanillaRNN(H), ""),
    "VanillaRNN-one-bias": (lambda: hk.VanillaRNN(H, double_bias=False), ""),
}


@pytest.mark.parametrize("name", CORES)
def test_core_equals_haiku(name, compared):
    make, cell = CORES[name]
    run = unroll(make)
    params = random_params(run)
    layer = interop.from_haiku(params)
    assert isinstance(layer, zoo.Recurrent)
    ours, apply = zoo.functional(layer)

    def loss(x):
        y = apply(ours, x)[1]
        return (y * WEIGHTS).sum(), y

    d_x, y = jax.grad(loss, has_aux=True)(X)
    expected = run.apply(params, X)
    expected_d_x = jax.grad(lambda x: (run.apply(params, x) * WEIGHTS).sum())(X)
    assert_close((y, d_x), (expected, expected_d_x), REFERENCE)
    if cell:
        peer = f"Haiku {version('dm-haiku')}"
        compared(cell, peer, (y, expected), (d_x, expected_d_x))


def test_arrays_return_to_haiku_bit_for_bit():
    """All but the bias of the forget gate, to which Haiku adds one at each step."""
    for make in (lambda: hk.GRU(H), lambda: hk.LSTM(H)):
        params = random_params(unroll(make))
        back = interop.to_haiku(interop.from_haiku(params))
        assert set(back) == set(params)
        if "lstm/linear" in params:
            b, back_b = params["lstm/linear"]["b"], back["lstm/linear"]["b"]
            assert_close(back_b[FORGET], b[FORGET], 2.0**-23)
            back["lstm/linear"]["b"][FORGET] = b[FORGET]
        assert_identical(back, dict(params))


def test_deep_rnn_both_ways():
    def make():
        return hk.DeepRNN([hk.LSTM(H), hk.GRU(7), hk.LSTM(3), hk.VanillaRNN(H)])

    run = unroll(make)
    params = random_params(run)
    names = ["lstm", "gru", "lstm_1", "vanilla_rnn"]
    layer = interop.from_haiku(params, names)
    assert isinstance(layer, zoo.Stacked)
    assert_close(layer(X)[1], run.apply(params, X), REFERENCE)
    exported = interop.to_haiku(layer)  # with Haiku's own names
    assert jax.tree.map(np.shape, exported) == jax.tree.map(np.shape, dict(params))
    assert_close(run.apply(exported, X), layer(X)[1], REFERENCE)
    renamed = interop.to_haiku(layer, ["a", "b", "c", "d"])
    back = interop.from_haiku(renamed, ["a", "b", "c", "d"])
    assert_close(back(X)[1], layer(X)[1], REFERENCE)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_layer_without_bias_and_its_dtype(dtype):
    layer = zoo.Recurrent(
        zoo.ResetBeforeGRUCell(D, H, bias=False, param_dtype=dtype, rngs=nnx.Rngs(0))
    )
    params = interop.to_haiku(layer)
    assert params["gru"]["w_i"].dtype == dtype
    back = untyped(interop.from_haiku(params))
    assert_identical((back.cell.W, back.cell.U), (layer.cell.W, layer.cell.U))
    assert not np.any(back.cell.b[...])


def net() -> dict[str, dict[str, np.ndarray]]:
    """Return the parameters of a network with one LSTM and one dense layer."""
    lstm = interop.to_haiku(zoo.LSTMCell(D, H, rngs=nnx.Rngs(0)), "net/~/lstm")
    return lstm | {"net/linear": {"w": np.ones((H, 2)), "b": np.ones(2)}}


def test_a_core_of_a_larger_network():
    with pytest.raises(ValueError, match=r"modules=\['net/~/lstm'\]"):
        interop.from_haiku(net())
    layer = untyped(interop.from_haiku(net(), "net/~/lstm"))
    assert layer.cell.W.shape == (D, 4 * H)


def lstm(**options: Any) -> zoo.LSTM:
    """Return LSTM layers."""
    return zoo.LSTM(D, H, rngs=nnx.Rngs(0), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interop.from_haiku(net(), "net"), r"must have w \[D \+ H, 4\*H\]"),
        (lambda: interop.from_haiku(net(), "lstm"), "'lstm' must be the module of"),
        (lambda: interop.from_haiku({}), "name the recurrent cores"),
        (lambda: interop.from_haiku({"lstm": {"w": X}}), "it has \\['w'\\]"),
        (lambda: interop.to_haiku(zoo.GRUCell(D, H, rngs=nnx.Rngs(0))), "no GRUCell"),
        (lambda: interop.to_haiku(zoo.RNN(D, H, rngs=nnx.Rngs(0))), "must be 'relu'"),
        (lambda: interop.to_haiku(lstm(bidirectional=True)), "no direction, .*'both'"),
        (lambda: interop.to_haiku(lstm(num_layers=2), "a"), "must name 2 cores"),
        (
            lambda: interop.to_haiku(lstm(num_layers=2), ["a", "a"]),
            r"modules must give each core a name of its own, got \['a', 'a'\]",
        ),
    ],
)
def test_errors_name_the_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("params", [3, {"w": np.ones(3)}])
def test_other_objects_are_refused(params):
    with pytest.raises(TypeError, match="params must be a mapping from modules"):
        interop.from_haiku(params)
