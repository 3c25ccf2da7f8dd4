"""Scores of small cases that can be counted by hand."""

import numpy as np
import pytest

from tasks import metrics


def test_classes():
    found = metrics.classes([0, 0, 1, 2], [0, 1, 1, 1], ["a", "b", "c"])
    assert found.values["accuracy"] == pytest.approx(2 / 4)
    b = found.per_class["b"]
    assert (b["precision"], b["recall"], b["support"]) == (pytest.approx(1 / 3), 1, 1)
    assert found.values["f1_macro"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert found.confusion is not None
    np.testing.assert_array_equal(found.confusion, [[1, 1, 0], [0, 1, 0], [0, 1, 0]])


def test_spans_count_only_with_both_ends_and_the_type():
    true = [["B-X", "I-X", "O", "B-Y"], ["B-X", "O", "B-Y", "O"]]
    guess = [["B-X", "O", "O", "B-Y"], ["B-Y", "O", "B-Y", "B-X"]]
    labels = ["B-X", "B-Y", "I-X", "I-Y", "O"]
    found = metrics.spans(true, guess, labels)
    # Four true spans, five found, two of them right.
    assert found.values["recall"] == pytest.approx(2 / 4)
    assert found.values["precision"] == pytest.approx(2 / 5)
    assert found.values["f1"] == pytest.approx(4 / 9)
    assert found.per_class["Y"]["recall"] == 1
    assert found.per_class["X"]["recall"] == 0
    assert found.confusion is not None
    assert found.confusion.sum() == 8
    assert found.confusion[labels.index("I-X"), labels.index("O")] == 1
