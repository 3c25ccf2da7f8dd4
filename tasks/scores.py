"""Results of an evaluation: scores, and the predictions behind them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

Batch = dict[str, np.ndarray]


class Scores(NamedTuple):
    """The scores of a model on a split.

    Attributes:
        values: scores by name; fractions, not per cent.
        per_class: a table: scores by name for each class.
        confusion: counts ``[K, K]``; rows are the true classes.
        signatures: the metric library's description of a score, by name.
    """

    values: dict[str, float]
    per_class: dict[str, dict[str, float]] = {}
    confusion: np.ndarray | None = None
    signatures: dict[str, str] = {}


Pairs = Iterable[tuple[Batch, dict[str, np.ndarray]]]


class Evaluation(NamedTuple):
    """The evaluation of a model on a split.

    Attributes:
        scores: by the task's metrics.
        loss: per token, or per row where a row has one label.
        pairs: the batches, each with the arrays that `Task.predict` returned.
    """

    scores: Scores
    loss: float
    pairs: Pairs
