"""The delimiter of the cells of a CSV file, judged over many rows."""

import csv
import re
from collections import Counter
from collections.abc import Sequence

from zoo.tasks.data.formats.column_choice import (
    LABEL_NAMES,
    TEXT_NAMES,
    label_by_content,
)
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.pair_columns import USUAL_NAMES
from zoo.tasks.data.formats.reading import Kind

DELIMITERS = (",", ";", "\t", "|")
_DECLARATION = re.compile(r"\"?sep=([,;\t|])\"?\s*", re.I)  # as Excel writes
_NAMES = {*TEXT_NAMES, *LABEL_NAMES, *(name for pair in USUAL_NAMES for name in pair)}
_MIN_SHARE = 0.9  # of rows with the same number of cells, in files without an ending


def declared(line: str) -> str | None:
    """Return the delimiter that a first line such as ``sep=;`` declares, or None.

    Args:
        line: the first line.
    """
    match = _DECLARATION.fullmatch(line.removeprefix("\ufeff"))
    return match[1] if match else None


def choose(where: object, lines: Sequence[str], kind: Kind) -> str:
    """Return the delimiter of a file.

    It is the one that gives most rows the same number of cells. Among equals: the one
    whose first row holds usual names of columns; that is not followed by a space, as in
    prose; that leaves a column of labels.

    Args:
        where: the file, for error messages.
        lines: its first lines.
        kind: the kind of the rows.

    Raises:
        DataError: if two delimiters are equally likely.
    """
    tables = {d: _table(lines, d) for d in DELIMITERS}
    shares = {d: _share(table) for d, table in tables.items()}
    best = max(shares.values())
    if not best:
        return ","
    candidates = [d for d in DELIMITERS if shares[d] == best]
    for is_likely in (_has_usual_names, _is_unspaced, _has_labels):
        if len(candidates) == 1 or is_likely is _has_labels and kind != "labelled":
            break
        candidates = [d for d in candidates if is_likely(tables[d])] or candidates
    if len(candidates) > 1:
        listed = " or by ".join(map(repr, candidates))
        raise DataError(
            f"{where}: the cells may be divided by {listed}; say which with a first "
            f"line such as sep={candidates[0]}"
        )
    return candidates[0]


def are_likely(lines: Sequence[str]) -> bool:
    """Return whether a delimiter gives nine in ten lines the same number of cells.

    A delimiter that a space follows, as in prose, does not count.

    Args:
        lines: the lines that are not blank.
    """
    tables = [_table(lines, delimiter) for delimiter in DELIMITERS]
    return any(_share(table) >= _MIN_SHARE and _is_unspaced(table) for table in tables)


def _table(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Return the rows of cells; with only one, or none, if the lines are no CSV."""
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


def _share(table: list[list[str]]) -> float:
    """Return the share of rows with the most frequent number of cells, two or more."""
    widths = Counter(len(row) for row in table)
    if not widths:
        return 0
    width, count = widths.most_common(1)[0]
    return count / len(table) if width > 1 else 0


def _has_usual_names(table: list[list[str]]) -> bool:
    return any(cell.strip().lower() in _NAMES for cell in table[0])


def _is_unspaced(table: list[list[str]]) -> bool:
    cells = [cell for row in table for cell in row[1:]]
    return sum(cell.startswith(" ") for cell in cells) < 0.9 * len(cells)


def _has_labels(table: list[list[str]]) -> bool:
    """Return whether a column holds two or more labels."""
    width = Counter(len(row) for row in table).most_common(1)[0][0]
    rows = [row for row in table if len(row) == width]
    names = [str(index) for index in range(width)]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    label = label_by_content(records, names, guess=False)
    return label is not None and len({record[label] for record in records}) > 1
