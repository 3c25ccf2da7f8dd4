"""Checks of the labels and tags of the splits, after reading."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from zoo.tasks.data import splits
from zoo.tasks.data.formats import column_layout
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.reading import Kind, Reading

if TYPE_CHECKING:
    from datasets import Dataset

_MANY = 100  # labels
_RARE = 2  # rows of a label, at most


def label_notes(
    split: str, rows: "Dataset", kind: Kind, is_named: bool = False
) -> list[str]:
    """Return a note if a split has a single label or tag, or very many rare labels.

    Args:
        split: name of the split.
        rows: its rows.
        kind: the kind of the rows.
        is_named: the user names the format or the column of the labels.

    Raises:
        DataError: if at least half of a hundred labels or more occur once or twice, and
            the user names neither the format nor the column.
    """
    counts = splits.label_counts(rows)
    if kind == "entities" and set(counts) == {"O"}:
        return [f"{split} has no entities, only the tag O"]
    if len(counts) == 1:
        noun = "label" if kind == "labelled" else "tag"
        return [f"{split} has a single {noun}: {next(iter(counts))!r}"]
    rare = sum(count <= _RARE for count in counts.values())
    if kind == "labelled" and len(counts) >= _MANY and 2 * rare >= len(counts):
        message = (
            f"{split} has {len(counts)} labels, {rare} of which occur once or twice, "
            f"such as {min(counts, key=lambda label: (counts[label], label))!r}"
        )
        if not is_named:
            raise DataError(
                f"{message}: if these are no labels, name the format with --format or "
                "their column with --label-column; if they are, name these too"
            )
        return [message]
    return []


def same_columns(readings: Iterable[Reading]) -> None:
    """Raise an error if different columns are read from files with as many columns.

    Args:
        readings: the files of all splits; only those of format columns are compared.

    Raises:
        DataError: if there are two such files.
    """
    first: dict[int, tuple[Reading, column_layout.Layout]] = {}
    for reading in readings:
        layout = column_layout.layout(reading) if reading.format == "columns" else None
        if layout is None:
            continue
        other, known = first.setdefault(layout.num_columns, (reading, layout))
        if (known.token, known.tag) != (layout.token, layout.tag):
            raise DataError(
                f"{other.path} and {reading.path} have {layout.num_columns} columns, "
                f"but the token and its tag seem to be columns {known.token} and "
                f"{known.tag} of the first, {layout.token} and {layout.tag} of the "
                "second: name them with --token-column and --tag-column"
            )


def same_labels(datasets: dict[str, "Dataset"], kind: Kind, *, strict: bool) -> None:
    """Raise an error if dev or test has a label, or only labels, that train lacks.

    Args:
        datasets: the splits.
        kind: the kind of the rows.
        strict: whether a single such label is an error.

    Raises:
        DataError: if dev or test has such labels.
    """

    def labels_of(split: str) -> set[str]:
        labels = splits.labels(datasets[split])
        return {tag[2:] for tag in labels} - {""} if kind == "entities" else labels

    noun = {"tagged": "tag", "entities": "entity type"}.get(kind, "label")
    option = "--label-column" if kind == "labelled" else "--tag-column"
    train = labels_of("train")
    for split in ("dev", "test"):
        labels = labels_of(split)
        new = sorted(labels - train)
        if new and (strict or not labels & train):
            some = ", ".join(map(repr, sorted(train)[:20]))
            raise DataError(
                f"{split} has the {noun} {new[0]!r}, which train lacks (train has "
                f"{some}): if the files number or name the {noun}s differently, give "
                f"another file with --{split}-file, or the column with {option}"
            )
