"""Text files that hold the rows of one class each, such as ``a.pos`` and ``a.neg``."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from zoo.tasks.data import formats
from zoo.tasks.data.formats import detection, parquet
from zoo.tasks.data.formats.labelled import fasttext_labels
from zoo.tasks.data.formats.lines import numbered_lines, without_gz

_PLAIN = ("", ".txt")


class _File(Protocol):
    @property
    def label(self) -> str | None: ...


def labels(paths: Sequence[Path]) -> list[str]:
    """Return the label of each file: the part of its name that no other file has.

    Names are split at dots, and parts that all names share are removed at both ends:
    ``a.pos`` and ``a.neg`` give ``pos`` and ``neg``, ``x.txt`` and ``y.txt`` ``x`` and
    ``y``.

    Args:
        paths: the files.
    """
    names = [without_gz(path).name.split(".") for path in paths]
    if len(set(map(tuple, names))) < len(names) or len(names) < 2:
        return [without_gz(path).stem for path in paths]
    while all(len(parts) > 1 for parts in names) and _are_same(p[-1] for p in names):
        names = [parts[:-1] for parts in names]
    while all(len(parts) > 1 for parts in names) and _are_same(p[0] for p in names):
        names = [parts[1:] for parts in names]
    return [".".join(parts) for parts in names]


def are_likely(paths: Sequence[Path], encoding: str) -> bool:
    """Return whether two or more files hold one class each.

    Their endings are none of a known format, and no file is a table or has labels in
    its lines. Apart from ``.txt``, either the endings or the stems must be the same.

    Args:
        paths: the files.
        encoding: their encoding.

    Raises:
        FormatError: if a file is not in that encoding.
    """
    known = {ending for f in formats.FORMATS.values() for ending in f.endings}
    files = [without_gz(path) for path in paths]
    endings = [file.suffix.lower() for file in files]
    if len(paths) < 2 or any(ending in known for ending in endings):
        return False
    plain = all(ending in _PLAIN for ending in endings)
    if not plain and not (_are_same(endings) or _are_same(file.stem for file in files)):
        return False
    return not any(_has_labels(path, encoding) for path in paths)


def note(files: Iterable[_File]) -> str:
    """Return what the labels are, for the user.

    Args:
        files: the files, with their labels.
    """
    labels = [str(file.label) for file in files]
    more = ", ..." if len(labels) > 6 else ""
    listed = f"{', '.join(labels[:6])}{more}"
    return f"a file per class: {len(set(labels))} classes ({listed})"


def _are_same(values: Iterable[str]) -> bool:
    return len(set(values)) == 1


def _has_labels(path: Path, encoding: str) -> bool:
    """Return whether the lines of a file hold more than texts."""
    if parquet.is_parquet(path):
        return True
    numbered = itertools.islice(numbered_lines(path, encoding), 1000)
    lines = [line for _, line in numbered if line.strip()]
    if detection.by_content(lines, "labelled", None) in ("jsonl", "conllu", "tsv"):
        return True
    first = [line.split(maxsplit=1) for line in lines]
    numbers = all(len(parts) == 2 and parts[0].isdigit() for parts in first)
    return bool(lines) and (numbers or all(map(fasttext_labels, lines)))
