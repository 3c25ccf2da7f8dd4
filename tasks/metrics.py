"""Scores of labels and spans, by scikit-learn and seqeval.

Both are imported when a score is computed: they take long to import.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.scores import Scores


def classes(
    true: Sequence[int] | np.ndarray,
    predicted: Sequence[int] | np.ndarray,
    labels: Sequence[str],
) -> Scores:
    """Score single labels: accuracy, and precision, recall, F1 of each class.

    Args:
        true: IDs of the true labels.
        predicted: IDs of the predicted labels.
        labels: names of all labels.

    Returns:
        ``accuracy`` and ``f1_macro``, the table, and the confusion matrix.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    ids = np.arange(len(labels))
    columns: Any = precision_recall_fscore_support(
        true,
        predicted,
        labels=ids,
        zero_division=0,  # pyright: ignore[reportArgumentType]
    )
    p, r, f1, support = columns
    table = {
        name: {
            "precision": float(p[k]),
            "recall": float(r[k]),
            "f1": float(f1[k]),
            "support": int(support[k]),
        }
        for k, name in enumerate(labels)
        if support[k] or p[k]
    }
    values = {
        "accuracy": float(np.mean(np.asarray(true) == np.asarray(predicted))),
        "f1_macro": float(np.mean([row["f1"] for row in table.values()])),
    }
    confusion = confusion_matrix(true, predicted, labels=ids)
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
        types, and the confusion matrix of the tags.
    """
    import seqeval.metrics
    from seqeval.scheme import IOB2
    from sklearn.metrics import confusion_matrix

    true, predicted = [list(t) for t in true], [list(t) for t in predicted]
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
    per_class = {
        name: {
            "precision": float(row["precision"]),
            "recall": float(row["recall"]),
            "f1": float(row["f1-score"]),
            "support": int(row["support"]),
        }
        for name, row in table.items()
        if not name.endswith(" avg")
    }
    confusion = confusion_matrix(
        [tag for tags in true for tag in tags],
        [tag for tags in predicted for tag in tags],
        labels=list(labels),
    )
    return Scores(values, per_class, confusion)
