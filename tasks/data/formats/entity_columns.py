"""Which column of a file holds the entity tags."""

from collections.abc import Callable, Sequence

from tasks.data.formats.schemes import ENTITY_TAG


def entity_column(rows: Sequence[list[str]], columns: Sequence[int]) -> int:
    """Return the column of entity tags: the last one, unless it holds something else.

    Args:
        rows: the cells of each line.
        columns: the columns that may hold tags, the last one first.
    """
    if share(rows, columns[0], is_entity) >= 0.5:
        return _outer_level(rows, columns)
    entities = [c for c in columns if share(rows, c, is_entity) == 1]
    marked = [c for c in entities if any(cells[c] != "O" for cells in rows)]
    return (marked or entities or columns)[0]


def _outer_level(rows: Sequence[list[str]], columns: Sequence[int]) -> int:
    """Return the column of the outer entities, if the last one holds nested ones.

    It is next to the last one, and has at least its types, as in GermEval 2014.

    Args:
        rows: the cells of each line.
        columns: the columns, the last one first.
    """
    last, *others = columns
    inner = {row[last][2:] for row in rows if last < len(row)} - {""}
    if others and share(rows, others[0], is_entity) == 1:
        if inner and inner <= {row[others[0]][2:] for row in rows}:
            return others[0]
    return last


def is_entity(cell: str) -> bool:
    """Return whether a cell is an entity tag.

    Args:
        cell: the cell.
    """
    return ENTITY_TAG.fullmatch(cell) is not None


def share(
    rows: Sequence[list[str]], index: int, matches: Callable[[str], bool]
) -> float:
    """Return the share of the cells of a column that match.

    Args:
        rows: the cells of each line.
        index: the column. A line without it is no entity.
        matches: returns whether a cell matches.
    """
    cells = [row[index] for row in rows if index < len(row)]
    if len(cells) < len(rows) and matches is is_entity:
        cells += [""] * (len(rows) - len(cells))
    return sum(map(matches, cells)) / max(len(cells), 1)
