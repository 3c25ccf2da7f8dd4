"""Labels of the data: of train, and those that only dev or test has."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from zoo.tasks import data
from zoo.text import Vocabulary

MAX_SHOWN = 10  # labels in a note

Counts = Mapping[str, Mapping[str, int]]
"""How often each label occurs, by split."""


def label_vocabulary(
    train: Iterable[str], complete: Callable[[set[str]], set[str]] = set
) -> Vocabulary:
    """Return the labels of the training data, sorted.

    Args:
        train: those labels.
        complete: adds the labels that those of train imply.
    """
    return Vocabulary(sorted(complete(set(train))), reserved=0)


def label_ids(labels: Vocabulary, names: Iterable[str]) -> np.ndarray:
    """Return the IDs of labels, int32; -1 for those that no row of a split has.

    Args:
        labels: those of all splits.
        names: any labels.
    """
    known = [labels.number(name) if name in labels else -1 for name in names]
    return np.array(known, np.int32)


def with_unseen_labels(
    known: Vocabulary, counts_of: Counts, *, strict: bool
) -> tuple[Vocabulary, list[str]]:
    """Add the labels that a split has but the model lacks.

    The model cannot predict them, so each is scored as an error.

    Args:
        known: the labels of the model.
        counts_of: how often each label occurs, by split.
        strict: refuse such labels.

    Returns:
        The labels of the model, then the unseen ones; and a note for each split.

    Raises:
        zoo.tasks.data.DataError: if there are such labels and `strict`, or a split has
            no label of the model.
    """
    unseen: set[str] = set()
    notes = []
    for split, counts in counts_of.items():
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
    present: Mapping[str, Iterable[str]], known: Iterable[str]
) -> list[str]:
    """Return a note for each of dev and test that has no rows of some labels.

    Args:
        present: the labels that rows have, by split.
        known: the labels of the model.
    """
    notes = []
    for split in [name for name in ("dev", "test") if name in present]:
        labels = set(present[split])
        if absent := [label for label in known if label not in labels]:
            notes.append(
                f"{split} has no rows of {_shown(absent)}: they count in no mean over "
                "classes"
            )
    return notes


def _shown(labels: list[str]) -> str:
    more = f" and {len(labels) - MAX_SHOWN} more" if len(labels) > MAX_SHOWN else ""
    return ", ".join(map(repr, labels[:MAX_SHOWN])) + more
