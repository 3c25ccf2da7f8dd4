"""Choice of the columns of a table that hold the source and the target of a pair.

The user's flags decide, otherwise the names of the columns. A column ``translation``
that holds a text for each language counts as one column per language.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence

from zoo.tasks.data.formats.column_choice import (
    Record,
    Records,
    columns_of_flag,
    quoted_names,
)
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.reading import Columns
from zoo.tasks.data.formats.running_numbers import is_running_number

USUAL_NAMES = (
    *(("source", "target"), ("source", "targets"), ("src", "tgt"), ("src", "trg")),
    *(("input", "output"), ("input", "target"), ("inputs", "targets")),
    *(("question", "answer"), ("word", "pronunciation"), ("graphemes", "phonemes")),
    *(("document", "summary"), ("article", "summary"), ("text", "summary")),
)
_HEADER_NAMES = {"id", *(name for pair in USUAL_NAMES for name in pair)}
_MIN_PREFIX = 10  # characters that all cells of a column of attributions share
_MIN_ROWS = 10  # fewer rows do not show whether an unusual first row is a header


def choose(
    where: object, sample: Records, columns: Columns
) -> tuple[list[str], list[str]]:
    """Return the columns of the source, joined by a space if several, and the target.

    Args:
        where: the file, for error messages.
        sample: the first rows of the file.
        columns: the columns that the user names.

    Raises:
        DataError: if the columns cannot be determined.
    """
    names = list(unpack_translation(sample[0]))
    sources = columns_of_flag(where, names, columns.source, "--source-column")
    targets = columns_of_flag(where, names, columns.target, "--target-column")
    languages = [name for name in names if name not in sample[0]]
    free = [n for n in languages or names if n not in sources and n not in targets]
    if not sources and not targets and (pair := usual_columns(names)):
        sources, targets = [pair[0]], [pair[1]]
    elif sources and not targets:
        targets = _counterpart(free, [target for _, target in USUAL_NAMES])
    elif targets and not sources:
        sources = _counterpart(free, [source for source, _ in USUAL_NAMES])
    if not sources or not targets:
        which = "languages" if languages else "columns"
        raise DataError(
            f"{where}: cannot determine which {which} are the source and the target; "
            f"name them with --source-column and --target-column: "
            f"{quoted_names(languages or names)}"
        )
    return sources, targets


def usual_columns(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the columns with usual names of a source and its target, or None.

    Args:
        names: the columns.
    """
    lower = {name.strip().lower(): name for name in reversed(names)}
    pair = next((pair for pair in USUAL_NAMES if lower.keys() >= set(pair)), None)
    return (lower[pair[0]], lower[pair[1]]) if pair else None


def unpack_translation(record: Record) -> Record:
    """Return a record with a column for each language of its column ``translation``.

    Args:
        record: the record.
    """
    languages = record.get("translation")
    if not isinstance(languages, dict):
        return record
    return {k: v for k, v in record.items() if k != "translation"} | languages


def text_columns(table: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the columns that may hold texts: no running number, and not all alike.

    Cells are alike if nine in ten are the same, or if at least half of each is the
    same, as in a column that attributes each row to its author.

    Args:
        table: the cells of the first rows.
        width: the number of columns.
    """
    columns = [[row[index].strip() for row in table] for index in range(width)]
    return [
        index
        for index, cells in enumerate(columns)
        if not is_running_number(cells) and (width == 2 or not _are_alike(cells))
    ]


def _are_alike(cells: Sequence[str]) -> bool:
    if len(cells) < _MIN_ROWS:
        return False
    most = Counter(cells).most_common(1)[0][1]
    prefix = os.path.commonprefix(list(cells))
    length = sum(map(len, cells)) / len(cells)
    long = len(prefix) >= _MIN_PREFIX and 2 * len(prefix) >= length
    return long or most >= 0.9 * len(cells)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row of a table of pairs is a header.

    It is if it has usual names of a source and its target. Otherwise, its cells must be
    short and must not occur again in their columns; and either it has three or more
    cells, one of which is a usual name, or each cell is a single word above a column of
    sentences or numbers.

    Args:
        rows: the cells of the first rows.
    """
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if usual_columns(first):
        return True
    columns = [[row[index].strip() for row in rest] for index in range(len(first))]
    if not first[0] and is_running_number(columns[0]):
        first, columns = first[1:], columns[1:]
    short = all(cell and len(cell) <= 40 for cell in first)
    repeated = any(cell in column for cell, column in zip(first, columns, strict=True))
    if not short or not rest or repeated:
        return False
    if len(first) > 2 and any(cell.lower() in _HEADER_NAMES for cell in first):
        return True
    return len(rest) >= _MIN_ROWS and all(map(_is_name_of, first, columns))


def _is_name_of(cell: str, column: Sequence[str]) -> bool:
    """Return whether a cell is a word and the cells below it sentences or numbers."""
    is_word = bool(re.fullmatch(r"[^\W\d][\w-]*", cell))
    return is_word and _num_unlike_words(column) >= 0.9 * len(column)


def _num_unlike_words(column: Sequence[str]) -> int:
    return sum(" " in cell or cell.isdigit() for cell in column)


def _counterpart(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Return the column of the other side: one of a usual name, or the only one."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    known = [lower[name] for name in usual if name in lower]
    return known[:1] or (list(names) if len(names) == 1 else [])
