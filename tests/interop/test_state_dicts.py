"""State dicts of PyTorch as NumPy arrays, without torch."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import zoo
from tests.helpers.interop import noisy_module, rngs
from tests.helpers.tolerances import assert_identical
from zoo import interop

B, T, D, H = 3, 5, 4, 6
X = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)
to_arrays = partial(interop.to_torch, form="arrays")


@pytest.mark.parametrize(
    "build",
    [
        lambda r: zoo.RNN(D, H, 2, nonlinearity="relu", bidirectional=True, rngs=r),
        lambda r: zoo.LSTM(D, H, 2, proj_size=2, bidirectional=True, rngs=r),
        lambda r: zoo.LSTM(D, H, bias=False, rngs=r),
        lambda r: zoo.GRU(D, H, 3, rngs=r),
    ],
)
def test_round_trip(build):
    layer = noisy_module(build(rngs()))
    arrays = to_arrays(layer)
    kind = type(layer).__name__.lower()
    options: dict[str, Any] = {"nonlinearity": "relu"} if kind == "rnn" else {}
    state_dict = {"encoder." + name: value for name, value in arrays.items()}
    state_dict["head.weight"] = np.asarray(X)
    imported = interop.from_torch(state_dict, kind, prefix="encoder.", **options)
    assert type(imported) is type(layer)
    assert_identical(zoo.functional(imported)[0], zoo.functional(layer)[0])
    assert_identical(imported(X)[1], layer(X)[1])


def torch_lstm(**changes: Any) -> dict[str, Any]:
    """Return the state dict of a PyTorch LSTMCell; None removes an entry."""
    arrays = to_arrays(zoo.LSTMCell(D, H, rngs=rngs()))
    return {k: v for k, v in {**arrays, **changes}.items() if v is not None}


def only_reverse() -> dict[str, Any]:
    """Return the state dict of a layer without its forward direction."""
    return {f"a.{name}_l0_reverse": value for name, value in torch_lstm().items()}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interop.from_torch(torch_lstm(), "lstn"), "did you mean 'lstm'"),
        (
            lambda: interop.from_torch(torch_lstm(), "gru"),
            "are those of kind 'lstm', and kind is 'gru'",
        ),
        (
            lambda: interop.from_torch(torch_lstm(weight_ih=np.ones((7, D)))),
            r"'weight_ih': \(7, 4\).* are those of no kind",
        ),
        (
            lambda: interop.from_torch(torch_lstm(weight_hh_l0_g=X)),
            "as weight norm stores it: first merge",
        ),
        (
            lambda: interop.from_torch(torch_lstm(weight_hh=None), "lstm"),
            "weight_hh is missing",
        ),
        (
            lambda: interop.from_torch(torch_lstm(bias_hh=None), "lstm"),
            "entries of the cell must be",
        ),
        (lambda: interop.from_torch(torch_lstm(extra=X), "lstm"), "'extra'"),
        (
            lambda: interop.from_torch(torch_lstm(weight_hh=X[0]), "lstm"),
            r"weight_hh must have shape .*\(24, 6\)",
        ),
        (lambda: interop.from_torch(torch_lstm(), "lstm", prefix="a."), "'a.'"),
        (
            lambda: interop.from_torch(torch_lstm(), nonlinearity="relu"),
            "nonlinearity must be left out: it is an option of an RNN, .* 'lstm'",
        ),
        (
            lambda: interop.from_torch(torch_lstm(), dropout=0.5),
            "dropout must be left out: it is an option of layers, .* that of a cell",
        ),
        (
            lambda: interop.from_torch(only_reverse(), prefix="a."),
            r"a.weight_ih_l0 is missing: .* in reverse only, \['_l0_reverse'\]",
        ),
        (
            lambda: to_arrays(zoo.MGUCell(D, H, rngs=rngs())),
            "torch has no MGUCell",
        ),
        (
            lambda: to_arrays(
                zoo.LSTM(D, H, bidirectional=True, merge="sum", rngs=rngs())
            ),
            "merge must be 'concat'",
        ),
    ],
)
def test_errors_name_the_invalid_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("rnn", lambda r: zoo.RNN(D, H, rngs=r)),
        ("rnn", lambda r: zoo.ElmanCell(D, H, rngs=r)),
        ("gru", lambda r: zoo.GRU(D, H, 2, bidirectional=True, rngs=r)),
        ("lstm", lambda r: zoo.LSTM(D, H, bias=False, rngs=r)),
        ("lstm", lambda r: zoo.LSTM(D, H, 2, proj_size=2, rngs=r)),
        ("lstm", lambda r: zoo.ProjectedLSTMCell(D, H, proj_size=2, rngs=r)),
    ],
)
def test_the_shapes_of_a_state_dict_show_its_kind(kind, make, caplog):
    layer = make(rngs())
    with caplog.at_level("INFO"):
        back = interop.from_torch(to_arrays(layer))
    assert type(back) is type(layer)
    assert f"are those of kind {kind!r}" in caplog.text
    assert ("nonlinearity='tanh'" in caplog.text) == (kind == "rnn")
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])


def test_arrays_of_another_byte_order():
    layer = zoo.GRU(D, H, rngs=rngs())
    swapped = {
        name: a.astype(a.dtype.newbyteorder(">"))
        for name, a in to_arrays(layer).items()
    }
    back = interop.from_torch(swapped)
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])
