"""The most confident errors of a tagger."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from zoo.tasks.run.html import (
    MAX_ERRORS,
    Html,
    Section,
    Token,
    coloured_text,
    error_list,
    join,
    legend,
    tag,
)

CONTEXT = 40  # words shown on each side of an error


class _Error(NamedTuple):
    """Adjacent words with wrong tags: words [start, stop) of a row."""

    confidence: float
    row: int
    start: int
    stop: int
    true: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray


def tagging_sections(
    sentence: Callable[[int], Sequence[str]],
    labels: Sequence[str],
    rows: Iterable[tuple[int, dict[str, np.ndarray]]],
) -> list[Section]:
    """Return the most confident errors.

    An error is a span of adjacent words with wrong tags. Its confidence is the highest
    probability of a tag in the span.

    Args:
        sentence: returns the words of a row.
        labels: names of the tags.
        rows: the number of each row, and its ``labels``, ``predicted``,
            ``probability`` of the predicted tags, and ``mask``, all ``[T]``.
    """
    errors = []
    for number, row in rows:
        columns = (row[name] for name in ("labels", "predicted", "probability"))
        true, predicted, probability = (column[row["mask"]] for column in columns)
        for start, stop in true_spans(true != predicted):
            confidence = float(probability[start:stop].max())
            errors.append(
                _Error(confidence, number, start, stop, true, predicted, probability)
            )
    worst = heapq.nlargest(MAX_ERRORS, errors, key=lambda error: error.confidence)
    if not worst:
        return [Section("Most confident errors", tag("p", "No errors."))]
    note = (
        f"The {len(worst)} most confident of {len(errors):,} errors; words with wrong "
        "tags are underlined. Colours show the model's uncertainty, "
        "1\xa0−\xa0probability of the predicted tag."
    )
    items = [_show(error, sentence(error.row), labels) for error in worst]
    body = join(
        tag("p", note, class_="note"),
        legend("uncertainty", "confident", "uncertain"),
        error_list(items),
    )
    return [Section("Most confident errors", body)]


def _show(
    error: _Error, words: Sequence[str], labels: Sequence[str]
) -> tuple[Html, Html]:
    """Return the true and the predicted tags, and the sentence."""
    first = max(error.start - CONTEXT, 0)
    last = min(error.stop + CONTEXT, len(error.true))
    pieces = [
        Token(
            words[k],
            1.0 - float(error.probability[k]),
            f"{labels[error.predicted[k]]} {error.probability[k]:.2f}",
            error.start <= k < error.stop,
        )
        for k in range(first, last)
    ]
    if first:
        pieces.insert(0, Token("…"))
    if last < len(words):
        pieces.append(Token("…"))
    span = slice(error.start, error.stop)
    true, predicted = (
        " ".join(labels[int(k)] for k in tags[span])
        for tags in (error.true, error.predicted)
    )
    head = join(
        *(tag("b", true), " predicted as ", tag("b", predicted, class_="wrong")),
        f", confidence {error.confidence:.4f}",
    )
    return head, coloured_text(pieces, "uncertainty")


def true_spans(values: np.ndarray) -> list[tuple[int, int]]:
    """Return the start and the end of each run of True values.

    Args:
        values: bool ``[T]``.

    Returns:
        ``(start, stop)`` of each run, where ``values[start:stop]`` are True.
    """
    edges = np.flatnonzero(np.diff(np.pad(values.astype(np.int8), 1)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
