"""Stacks of layers, those of whole models, and what no converter accepts."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

import zoo
from tests.helpers.interop import rngs
from tests.helpers.tolerances import assert_identical
from zoo import interop
from zoo.models import LanguageModel, Seq2Seq, Tagger

D = 4
CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "to_torch": partial(interop.to_torch, form="arrays"),
    "to_keras": interop.to_keras,
    "to_flax": interop.to_flax,
    "to_haiku": interop.to_haiku,
}


def test_a_model_gives_its_recurrent_layers():
    model = LanguageModel(
        9, num_layers=2, embedding_dim=D, hidden_size=D, dropout=0.0, rngs=rngs()
    )
    for convert in CONVERTERS.values():
        expected = convert(model.layers)
        assert_identical(convert(model), expected)
        assert len(jax.tree.leaves(expected)) >= 4


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (
            lambda: Seq2Seq(9, 9, embedding_dim=D, hidden_size=D, rngs=rngs()),
            r"model\.decoder\.layers or model\.encoder$",
        ),
        (
            lambda: Tagger(
                9,
                2,
                num_chars=9,
                chars="lstm",
                embedding_dim=D,
                hidden_size=D,
                num_layers=1,
                char_size=4,
                rngs=rngs(),
            ),
            r"model\.chars\.layer or model\.layers$",
        ),
    ],
)
def test_several_stacks_are_listed(make, names):
    model = make()
    for convert in CONVERTERS.values():
        with pytest.raises(ValueError, match=f"several stacks .*: pass one .*{names}"):
            convert(model)


def test_other_objects_are_refused():
    pooling = zoo.Pooling("max", 3, rngs=rngs())
    for convert in CONVERTERS.values():
        with pytest.raises(ValueError, match="Pooling has no recurrent layers"):
            convert(pooling)
        for value in (3, np.ones(3), "lstm"):
            with pytest.raises(TypeError, match="a cell, a layer or a model of zoo"):
                convert(value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: zoo.RNN(D, D, zoneout=0.1, rngs=rngs()),
            "zoneout cannot be converted",
        ),
        (
            lambda: zoo.RNN(D, D, learn_initial_state=True, rngs=rngs()),
            "learned initial state",
        ),
        (
            lambda: zoo.Residual(zoo.RNN(D, D, rngs=rngs())),
            "only Recurrent layers.*got Residual",
        ),
    ],
)
def test_what_acts_at_evaluation_is_refused(make, message):
    layer = make()
    for convert in CONVERTERS.values():
        with pytest.raises(ValueError, match=message):
            convert(layer)


def test_what_acts_in_training_is_reported(caplog):
    layer = zoo.LSTM(D, D, recurrent_dropout=0.2, weight_drop=0.1, rngs=rngs())
    for name, convert in CONVERTERS.items():
        caplog.clear()
        convert(layer)
        assert "weight_drop=0.1 is not converted" in caplog.text
        # Keras has this regulariser too.
        assert ("recurrent_dropout" in caplog.text) == (name != "to_keras")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda low: [low, zoo.GRU(D, D, bidirectional=True, rngs=rngs())], "level of"),
        (
            lambda low: [low, zoo.Recurrent(zoo.LSTMCell(D, D, rngs=rngs()))],
            "the same cell in every layer",
        ),
        (
            lambda low: [zoo.Recurrent(low.cell, reverse=True)],
            "only in reverse cannot be converted",
        ),
    ],
)
def test_torch_has_no_such_stacks(layers, message):
    low = zoo.Recurrent(zoo.GRUCell(D, D, rngs=rngs()))
    with pytest.raises(ValueError, match=message):
        interop.to_torch(zoo.Stacked(layers(low)), "arrays")


@pytest.mark.parametrize(
    ("library", "convert", "message"),
    [
        ("torch", interop.to_torch, "torch is not installed: form='arrays' returns"),
        (
            "keras",
            lambda cell: interop.to_keras(cell, "layer"),
            "keras is not installed: only form='weights'",
        ),
    ],
)
def test_a_missing_library_is_named(library, convert, message, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=message):
        convert(zoo.GRUCell(D, D, rngs=rngs()))
