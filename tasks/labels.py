"""Labels of the data: of train, and those that only dev or test has."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from zoo.tasks import data
from zoo.tasks.rows import Row, iterate
from zoo.text import Vocabulary

if TYPE_CHECKING:
    from datasets import Dataset

MAX_SHOWN = 10  # labels in a note

LabelsOf = Callable[[Row], Iterable[str]]


def label_vocabulary(
    train: "Dataset",
    labels_of: LabelsOf,
    complete: Callable[[set[str]], set[str]] = set,
) -> Vocabulary:
    """Return the labels of the training data, sorted.

    Args:
        train: the training rows.
        labels_of: labels of a row.
        complete: adds the labels that those of train imply.
    """
    labels = {label for row in iterate(train) for label in labels_of(row)}
    return Vocabulary(sorted(complete(labels)), reserved=0)


def with_unseen_labels(
    known: Vocabulary, rows: dict[str, "Dataset"], labels_of: LabelsOf, *, strict: bool
) -> tuple[Vocabulary, list[str]]:
    """Add the labels that a split has but the model lacks.

    The model cannot predict them, so each is scored as an error.

    Args:
        known: the labels of the model.
        rows: the rows by split.
        labels_of: labels of a row.
        strict: refuse such labels.

    Returns:
        The labels of the model, then the unseen ones; and a note for each split.

    Raises:
        zoo.tasks.data.DataError: if there are such labels and `strict`, or a split has
            no label of the model.
    """
    unseen: set[str] = set()
    notes = []
    for split, split_rows in rows.items():
        counts = Counter(n for row in iterate(split_rows) for n in labels_of(row))
        new = sorted(label for label in counts if label not in known)
        if not new:
            continue
        message = f"{split} has labels that train lacks: {_shown(new)}"
        if strict or len(new) == len(counts):
            raise data.DataError(f"{message}; train has {_shown(known.tokens)}")
        number = sum(counts[label] for label in new)
        total = sum(counts.values())
        notes.append(
            f"{message}; {number:,} of {total:,} labels, each counted as an error "
            "(--strict-labels refuses them)"
        )
        unseen |= set(new)
    if not unseen:
        return known, notes
    tokens = [*known.tokens, *sorted(unseen)]
    return Vocabulary(tokens, reserved=known.reserved), notes


def absent_labels(
    rows: dict[str, "Dataset"], labels_of: LabelsOf, known: Iterable[str]
) -> list[str]:
    """Return a note for each of dev and test that has no rows of some labels.

    Args:
        rows: the rows by split.
        labels_of: labels of a row.
        known: the labels of the model.
    """
    notes = []
    for split in [name for name in ("dev", "test") if name in rows]:
        present = {n for row in iterate(rows[split]) for n in labels_of(row)}
        if absent := [label for label in known if label not in present]:
            notes.append(
                f"{split} has no rows of {_shown(absent)}: they count in no mean over "
                "classes"
            )
    return notes


def _shown(labels: list[str]) -> str:
    more = f" and {len(labels) - MAX_SHOWN} more" if len(labels) > MAX_SHOWN else ""
    return ", ".join(map(repr, labels[:MAX_SHOWN])) + more
