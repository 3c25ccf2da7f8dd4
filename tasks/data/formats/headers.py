"""Whether the first row of a table of texts and labels is a header."""

import re
from collections.abc import Sequence

from zoo.tasks.data.formats.column_choice import (
    LABEL_NAMES,
    TEXT_NAMES,
    by_name,
    label_by_content,
)
from zoo.tasks.data.formats.running_numbers import is_running_number

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_MIN_NUMBERS = 5  # fewer rows do not show a column of numbers


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row of a table is a header.

    It is if it has usual names of a text and a label. Otherwise, its cells must not
    occur again in their columns, and either one of them is a usual name or is above
    numbers, or all look like names and one column below holds labels. A cell above a
    running number or an empty column may be blank, and a cell may be long above much
    shorter ones.

    Args:
        rows: the cells of the first rows.
    """
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    lower = [cell.lower() for cell in first]
    text, label = by_name(lower, TEXT_NAMES), by_name(lower, LABEL_NAMES)
    if text and label and text != label:
        return True
    below = [[row[index] for row in rest] for index in range(len(first))]
    if not rest or not all(map(_may_be_name, first, below)):
        return False
    named = [index for index, cell in enumerate(first) if cell]
    if not named or any(rows[0][index] in below[index] for index in named):
        return False
    if text or label or is_above_numbers(first, below):
        return True
    names = [first[index] for index in named]
    like_names = all(re.fullmatch(r"[^\W\d][\w .-]{,39}", name) for name in names)
    if not like_names or len(set(names)) < len(names):
        return False
    sample = [{first[index]: row[index] for index in named} for row in rest]
    return label_by_content(sample, names, guess=False) is not None


def is_above_numbers(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Return whether a cell of the first row is no number, but all below it are.

    Args:
        first: the cells of the first row.
        below: the other cells of each column.
    """
    return any(
        cell
        and not _NUMBER.fullmatch(cell)
        and len(cells) >= _MIN_NUMBERS
        and all(_NUMBER.fullmatch(number.strip()) for number in cells)
        for cell, cells in zip(first, below, strict=True)
    )


def _may_be_name(cell: str, below: Sequence[str]) -> bool:
    """Return whether a cell may be the name of the column below it."""
    if not cell:
        return is_running_number(below) or not any(map(str.strip, below))
    return len(cell) <= 40 or 2 * sum(map(len, below)) <= len(cell) * len(below)
