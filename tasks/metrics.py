"""Scores of labels, and of spans by seqeval.

seqeval is imported when spans are scored: it takes long to import. It is not given
input for which it prints a warning.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.tasks.scores import Scores


def classes(
    true: Sequence[int] | np.ndarray,
    predicted: Sequence[int] | np.ndarray,
    labels: Sequence[str],
) -> Scores:
    """Score single labels: accuracy, and precision, recall, F1 of each class.

    F1 is ``2 TP / (2 TP + FP + FN)``; a precision of no predictions is 0.

    Args:
        true: IDs of the true labels.
        predicted: IDs of the predicted labels.
        labels: names of all labels.

    Returns:
        ``accuracy``, ``f1_macro``, the table, and the confusion matrix. A class without
        rows has no scores in the table, and is not in the mean. Without any rows, both
        scores are 0.
    """
    confusion = _confusion(true, predicted, labels)
    correct, support = np.diagonal(confusion), confusion.sum(1)
    precision = correct / np.maximum(confusion.sum(0), 1)
    recall = correct / np.maximum(support, 1)
    f1 = 2 * correct / np.maximum(support + confusion.sum(0), 1)
    table = {
        name: _class_scores(precision[k], recall[k], f1[k], support[k])
        for k, name in enumerate(labels)
    }
    values = {
        "accuracy": float(correct.sum() / max(support.sum(), 1)),
        "f1_macro": float(f1[support > 0].mean()) if support.any() else 0.0,
    }
    return Scores(values, table, confusion)


def spans(
    true: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    labels: Sequence[str],
) -> Scores:
    """Score entities: a span is correct if its boundaries and its type are.

    Args:
        true: BIO2 tags of each sentence.
        predicted: predicted tags of each sentence.
        labels: all tags.

    Returns:
        ``precision``, ``recall`` and ``f1`` as conlleval computes them, ``f1_strict``
        (only valid BIO2 spans count), ``accuracy`` of the tags, a table of the entity
        types, and the confusion matrix of the tags. A score of no entities, or of no
        words, is 0.
    """
    import seqeval.metrics
    from seqeval.scheme import IOB2

    true, predicted = [list(t) for t in true], [list(t) for t in predicted]
    types = sorted({label[2:] for label in labels} - {""})
    ids = {label: k for k, label in enumerate(labels)}
    confusion = _confusion(
        [ids[tag] for tags in true for tag in tags],
        [ids[tag] for tags in predicted for tag in tags],
        labels,
    )
    if all(tag == "O" for tags in (*true, *predicted) for tag in tags):
        values: dict[str, float] = {"precision": 0.0, "recall": 0.0, "f1": 0.0}
        values |= {"f1_strict": 0.0, "accuracy": float(any(true))}
        return Scores(values, _empty_table(types), confusion)
    zero: Any = 0  # score of a class that is never predicted; typed str in seqeval
    table: Any = seqeval.metrics.classification_report(
        true, predicted, output_dict=True, zero_division=zero
    )
    overall = table.pop("micro avg")
    values = {
        "precision": float(overall["precision"]),
        "recall": float(overall["recall"]),
        "f1": float(overall["f1-score"]),
        "f1_strict": float(
            seqeval.metrics.f1_score(
                true,
                predicted,
                mode="strict",
                scheme=IOB2,
                zero_division=zero,
            )  # pyright: ignore[reportArgumentType]
        ),
        "accuracy": float(seqeval.metrics.accuracy_score(true, predicted)),
    }
    empty = {"precision": 0.0, "recall": 0.0, "f1-score": 0.0, "support": 0}
    per_class = {
        name: _class_scores(*(table.get(name, empty)[column] for column in empty))
        for name in types
    }
    return Scores(values, per_class, confusion)


def _confusion(
    true: Sequence[int] | np.ndarray,
    predicted: Sequence[int] | np.ndarray,
    labels: Sequence[str],
) -> np.ndarray:
    """Return how often each label (row) was predicted as each label (column)."""
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (np.asarray(true, int), np.asarray(predicted, int)), 1)
    return confusion


def _empty_table(classes: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Return the table of classes without rows."""
    return {name: _class_scores(0.0, 0.0, 0.0, 0) for name in classes}


def _class_scores(
    precision: float, recall: float, f1: float, support: int
) -> dict[str, float | None]:
    """Return a row of the table of classes; None for the scores of an empty class."""
    scores = {"precision": precision, "recall": recall, "f1": f1}
    row = {name: float(v) if support else None for name, v in scores.items()}
    return {**row, "support": int(support)}
