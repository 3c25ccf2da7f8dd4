"""The arrays of Keras's `get_weights`, without Keras."""

import numpy as np
import pytest

import zoo
from tests.helpers.interop import noisy_module, rngs
from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from tests.helpers.typed import untyped
from zoo import interop

D, H = 4, 6
X = np.ones(D, np.float32)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "reset_before_gru"])
@pytest.mark.parametrize("bias", [True, False])
def test_round_trip(name, bias):
    (layer,) = zoo.make(name, D, H, rngs=rngs(), bias=bias).layers
    assert isinstance(layer, zoo.Recurrent)
    layer = noisy_module(layer)
    weights = interop.to_keras(layer)
    assert len(weights) == 2 + bias
    kind = "gru" if "gru" in name else name
    form = name == "gru" if kind == "gru" else None
    imported = untyped(interop.from_keras(weights, kind, reset_after=form))
    assert type(imported.cell) is type(layer.cell)
    assert_identical(zoo.functional(imported)[0], zoo.functional(layer)[0])


def test_arrays_of_another_byte_order():
    weights = interop.to_keras(zoo.LSTMCell(D, H, rngs=rngs()))
    big = [w.astype(">f4") for w in weights]
    assert_identical(interop.to_keras(interop.from_keras(big, "lstm")), weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([X], "got 1 arrays"),
        ([X, X], "reset_after is required"),
        (
            [np.ones((D, 3 * H)), np.ones((H, 3 * H)), np.ones((3, 3 * H))],
            r"bias must have shape \[2, 3\*H\] = \(2, 18\), got \(3, 18\)",
        ),
    ],
)
def test_errors_name_the_invalid_value(weights, message):
    with pytest.raises(ValueError, match=message):
        interop.from_keras(weights, "gru")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("lstm", {"reset_after": True}, "reset_after .* of a GRU, and kind is 'lstm'"),
        ("rnn", {"reset_after": False}, "reset_after .* of a GRU, and kind is 'rnn'"),
        ("gru", {"nonlinearity": "relu"}, "nonlinearity .* of a SimpleRNN, and kind"),
    ],
)
def test_options_of_another_kind(kind, options, message):
    with pytest.raises(ValueError, match=message):
        interop.from_keras([X, X], kind, **options)


def test_weights_must_be_floating_point():
    weights = [np.ones((D, H), np.int32), np.ones((H, H), np.int32)]
    with pytest.raises(TypeError, match="ElmanCell.W must be floating point, got int3"):
        interop.from_keras(weights, "rnn")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cudnn(kind, weights, xs):
    """Return the outputs of cuDNN, which reads a kernel [D, H] of Keras as [H, D]."""
    gates = {"lstm": 4, "gru": 3}[kind]
    W, U = (
        [block.reshape(-1).reshape(H, -1) for block in np.split(a, gates, axis=1)]
        for a in weights[:2]
    )
    b, b_h = weights[2].reshape(2, gates, H)
    h = c = np.zeros(H)
    outputs = []
    for x in xs:
        p = [W[k] @ x + b[k] for k in range(gates)]
        q = [U[k] @ h + b_h[k] for k in range(gates)]
        if kind == "lstm":  # i f c o
            i, f, o = (sigmoid(p[k] + q[k]) for k in (0, 1, 3))
            c = f * c + i * np.tanh(p[2] + q[2])
            h = o * np.tanh(c)
        else:  # z r h
            z, r = (sigmoid(p[k] + q[k]) for k in (0, 1))
            h = z * h + (1 - z) * np.tanh(p[2] + r * q[2])
        outputs.append(h)
    return np.stack(outputs)


@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3)])
def test_cudnn_layers(kind, gates):
    rng = np.random.default_rng(0)
    shapes = (D, gates * H), (H, gates * H), (2 * gates * H,)
    weights = [rng.normal(size=s).astype(np.float32) for s in shapes]
    layer = untyped(interop.from_keras(weights, kind))
    x = rng.normal(size=(1, 5, D)).astype(np.float32)
    assert_close(layer(x)[1][0], cudnn(kind, weights, x[0]), REFERENCE)
    with pytest.raises(ValueError, match="recurrent_kernel must have shape"):
        interop.from_keras([weights[0], weights[1][1:], weights[2]], kind)
