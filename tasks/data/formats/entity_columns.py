"""Which column of a file holds the entity tags."""

from collections.abc import Sequence

from zoo.tasks.data.formats.schemes import ENTITY_TAG

Columns = Sequence[Sequence[str]]
"""The cells of each column; lines that are too short have none in the last columns."""


def entity_column(columns: Columns, num_lines: int, candidates: Sequence[int]) -> int:
    """Return the column of entity tags: the last one, unless it holds something else.

    Args:
        columns: the columns of the file.
        num_lines: the number of lines. A line without a column has no entity there.
        candidates: the columns that may hold tags, the last one first.
    """
    last = columns[candidates[0]]
    if 2 * sum(map(is_entity, last)) >= num_lines:
        return _outer_level(columns, num_lines, candidates)
    entities = [c for c in candidates if are_entities(columns[c], num_lines)]
    marked = [c for c in entities if any(cell != "O" for cell in columns[c])]
    return (marked or entities or candidates)[0]


def _outer_level(columns: Columns, num_lines: int, candidates: Sequence[int]) -> int:
    """Return the column of the outer entities, if the last one holds nested ones.

    It is next to the last one, and has at least its types, as in GermEval 2014.
    """
    last, *others = candidates
    inner = {cell[2:] for cell in columns[last]} - {""}
    if others and are_entities(columns[others[0]], num_lines):
        if inner and inner <= {cell[2:] for cell in columns[others[0]]}:
            return others[0]
    return last


def are_entities(column: Sequence[str], num_lines: int) -> bool:
    """Return whether all lines have an entity tag in a column.

    Args:
        column: the cells of the column.
        num_lines: the number of lines.
    """
    return len(column) == num_lines and all(map(is_entity, column))


def is_entity(cell: str) -> bool:
    """Return whether a cell is an entity tag.

    Args:
        cell: the cell.
    """
    return ENTITY_TAG.fullmatch(cell) is not None
