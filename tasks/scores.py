"""Results of an evaluation: scores, and the predictions behind them."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

Batch = dict[str, np.ndarray]


LOWER_IS_BETTER = {
    "bits_per_char",
    "bits_per_token",
    "loss",
    "mse",
    "nats",
    "per",
    "perplexity",
    "unknown",
    "wer",
}


def is_better(
    value: float,
    loss: float,
    best: float | None,
    best_loss: float | None,
    direction: str,
) -> bool:
    """Return whether an epoch is better than the best epoch before it.

    Of epochs with equal scores, the one with the lower loss is better. Any number is
    better than NaN.

    Args:
        value: the monitored dev score of the epoch.
        loss: its dev loss.
        best: the best score so far; None for the first epoch.
        best_loss: the dev loss of that epoch; None if it is not known.
        direction: ``"max"`` or ``"min"``.
    """
    if best is None:
        return True
    if math.isnan(value) or math.isnan(best):
        return math.isnan(best) and not math.isnan(value)
    if value == best:
        return best_loss is not None and loss < best_loss
    return value > best if direction == "max" else value < best


class Scores(NamedTuple):
    """The scores of a model on a split.

    Attributes:
        values: scores by name; fractions, not per cent.
        per_class: a table: scores by name for each class; None for a class without
            rows.
        confusion: counts ``[K, K]``; rows are the true classes.
        signatures: the metric library's description of a score, by name.
    """

    values: dict[str, float]
    per_class: dict[str, dict[str, float | None]] = {}
    confusion: np.ndarray | None = None
    signatures: dict[str, str] = {}


Pairs = Iterable[tuple[Batch, dict[str, np.ndarray]]]


class Evaluation(NamedTuple):
    """The evaluation of a model on a split.

    Attributes:
        scores: by the task's metrics.
        loss: per token, or per row where a row has one label.
        pairs: the batches, each with the arrays that `Task.predict` returned, if they
            were to be kept; otherwise none.
    """

    scores: Scores
    loss: float
    pairs: Pairs
