"""The text of small data files, and their rows."""

from pathlib import Path
from typing import Any

from zoo.tasks.data import formats
from zoo.tasks.data.formats import Columns


def labelled_lines(count: int, start: int = 0) -> str:
    """Return lines of a text, a tab and one of two labels; all texts are distinct.

    Args:
        count: number of lines.
        start: number of the first text.
    """
    return "".join(f"text number {k}\t{k % 2}\n" for k in range(start, start + count))


def parse(path: Path, kind: formats.Kind, **options: Any) -> list[dict[str, Any]]:
    """Return the rows of a file.

    Args:
        path: the file.
        kind: the kind of the rows.
        **options: fields of `Columns`, and arguments of `formats.plan`.
    """
    columns = Columns(**{k: options.pop(k) for k in Columns._fields if k in options})
    reading = formats.plan(path, kind, columns=columns, **options)
    return list(formats.rows(reading))


def parse_labelled(path: Path, **options: Any) -> list[tuple[str, str]]:
    """Return the text and the label of each row of a file.

    Args:
        path: the file.
        **options: as for `parse`.
    """
    return [(row["text"], row["label"]) for row in parse(path, "labelled", **options)]


def parse_pairs(path: Path, **options: Any) -> list[tuple[str, ...]]:
    """Return the source and the targets of each row of a file.

    Args:
        path: the file.
        **options: as for `parse`.
    """
    rows = parse(path, "pairs", **options)
    return [(row["source"], *row["targets"]) for row in rows]
