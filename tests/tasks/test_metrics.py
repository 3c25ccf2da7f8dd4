"""Scores of small cases that can be counted by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from zoo.tasks import metrics


def test_classes() -> None:
    scores = metrics.classes([0, 0, 1, 2], [0, 1, 1, 1], ["a", "b", "c"])
    assert scores.values["accuracy"] == pytest.approx(2 / 4)
    b = scores.per_class["b"]
    assert (b["precision"], b["recall"], b["support"]) == (pytest.approx(1 / 3), 1, 1)
    assert scores.values["f1_macro"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores.confusion is not None
    np.testing.assert_array_equal(scores.confusion, [[1, 1, 0], [0, 1, 0], [0, 1, 0]])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_classes_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, predicted = zip(*pairs, strict=True)
    scores = metrics.classes(true, predicted, ["a", "b", "c", "d", "e"])
    zero: Any = 0  # typed str in scikit-learn
    columns: Any = precision_recall_fscore_support(
        true, predicted, labels=range(5), zero_division=zero
    )
    for k, row in enumerate(scores.per_class.values()):
        expected = [column[k] for column in columns]
        assert row["support"] == expected[3]
        if expected[3]:
            actual: Any = [row["precision"], row["recall"], row["f1"]]
            np.testing.assert_allclose(actual, expected[:3], rtol=1e-12)
    accuracy = accuracy_score(true, predicted)
    assert scores.values["accuracy"] == pytest.approx(accuracy, rel=1e-12)
    present = [f for f, n in zip(columns[2], columns[3], strict=True) if n]
    assert scores.values["f1_macro"] == pytest.approx(np.mean(present), rel=1e-12)


def test_a_class_without_rows_is_shown_but_counts_in_no_mean() -> None:
    scores = metrics.classes([0, 0, 1], [0, 2, 1], ["a", "b", "c"])
    empty = {"precision": None, "recall": None, "f1": None, "support": 0}
    assert scores.per_class["c"] == empty
    assert scores.values["f1_macro"] == pytest.approx((2 / 3 + 1) / 2)
    labels = ["B-X", "B-Y", "I-X", "I-Y", "O"]
    scores = metrics.spans([["B-X", "O"]], [["B-X", "B-Y"]], labels)
    assert scores.per_class["Y"] == empty
    assert scores.values["precision"] == pytest.approx(1 / 2)


def test_without_words_or_rows_every_score_is_zero() -> None:
    labels = ["B-X", "I-X", "O"]
    empty = {"precision": None, "recall": None, "f1": None, "support": 0}
    for sentences in ([], [[]], [[], []]):
        scores = metrics.spans(sentences, sentences, labels)
        assert set(scores.values.values()) == {0.0}
        assert scores.per_class == {"X": empty}
        np.testing.assert_array_equal(scores.confusion, np.zeros((3, 3)))
    scores = metrics.classes([], [], labels)
    assert scores.values == {"accuracy": 0.0, "f1_macro": 0.0}
    scores = metrics.spans([["O", "O"]], [["O", "O"]], labels)
    assert scores.values == {**dict.fromkeys(scores.values, 0.0), "accuracy": 1.0}
    # A sentence without words changes no score.
    some = metrics.spans([["B-X"], []], [["B-X"], []], labels)
    assert set(some.values.values()) == {1.0}


def test_a_span_is_correct_if_both_ends_and_the_type_match() -> None:
    true = [["B-X", "I-X", "O", "B-Y"], ["B-X", "O", "B-Y", "O"]]
    predicted = [["B-X", "O", "O", "B-Y"], ["B-Y", "O", "B-Y", "B-X"]]
    labels = ["B-X", "B-Y", "I-X", "I-Y", "O"]
    scores = metrics.spans(true, predicted, labels)
    # Four true spans, five predicted ones, two of them correct.
    assert scores.values["recall"] == pytest.approx(2 / 4)
    assert scores.values["precision"] == pytest.approx(2 / 5)
    assert scores.values["f1"] == pytest.approx(4 / 9)
    assert scores.per_class["Y"]["recall"] == 1
    assert scores.per_class["X"]["recall"] == 0
    assert scores.confusion is not None
    assert scores.confusion.sum() == 8
    assert scores.confusion[labels.index("I-X"), labels.index("O")] == 1
