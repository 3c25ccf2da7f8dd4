"""Columns that count rows or tokens, and so hold neither texts nor tags."""

import itertools
import re
from collections.abc import Sequence

PART_ID = re.compile(r"\d+(-|\.)\d+")  # of a multiword token or an empty node
_MIN_ROWS = 3  # fewer rows do not show a running number


def to_number(cell: str) -> int:
    """Return the number in a cell; -1 for anything else, or more than 18 digits.

    Args:
        cell: the cell.
    """
    # Not `isdigit`, which accepts more than `int` does.
    return int(cell) if re.fullmatch(r"0|[1-9][0-9]{0,17}", cell) else -1


def is_running_number(cells: Sequence[object]) -> bool:
    """Return whether a column counts the rows, from any number.

    Args:
        cells: the cells of the column.
    """
    if len(cells) < _MIN_ROWS or len(set(map(str, cells))) < len(cells):
        return False
    numbers = [to_number(str(cell).strip()) for cell in cells]
    steps = [b == a + 1 and a >= 0 for a, b in itertools.pairwise(numbers)]
    return sum(steps) >= 0.9 * len(steps)


def running_column(
    sentences: Sequence[Sequence[Sequence[str]]], width: int
) -> int | None:
    """Return the column that counts the tokens, after columns that name the sentence.

    It counts from 0 or 1 in every sentence, or through the whole file.

    Args:
        sentences: the cells of each line of each sentence.
        width: the number of columns.
    """
    for index in range(width - 1):
        # Without the lines that are too short, so that each cell is read once.
        sentences = [[row for row in s if index < len(row)] for s in sentences]
        sentences = [sentence for sentence in sentences if sentence]
        columns = [[row[index] for row in sentence] for sentence in sentences]
        if _is_running(columns):
            return index
        if not all(len(set(column)) <= 1 for column in columns):
            return None
    return None


def _is_running(columns: list[list[str]]) -> bool:
    """Return whether nine in ten of the cells of sentences count up, or start again."""
    numbers = [
        [to_number(cell) for cell in column if not PART_ID.fullmatch(cell)]
        for column in columns
    ]
    starts = [column[0] for column in numbers if column]
    ends = [column[-1] for column in numbers if column]
    steps = [pair for column in numbers for pair in itertools.pairwise(column)]
    if not steps:
        return len(starts) > 1 and set(starts) in ({0}, {1})
    num_up = sum(b == a + 1 and a >= 0 for a, b in steps)
    num_restarts = sum(b in (0, 1) and a > b for a, b in steps)
    if 2 * num_up <= len(steps) or num_up + num_restarts < 0.9 * len(steps):
        return False
    for first in (0, 1):
        if sum(start == first for start in starts) >= 0.9 * len(starts):
            return True
    through = [start == end + 1 for end, start in zip(ends, starts[1:], strict=False)]
    return starts[0] in (0, 1) and sum(through) >= 0.9 * len(through)
