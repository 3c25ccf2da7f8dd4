"""Columns of a dataset, read in blocks of rows and not one by one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset

ROWS = 1000  # of a block


def blocks(rows: "Dataset", name: str) -> Iterator[Any]:
    """Yield a column as Arrow arrays of some rows each, in the order of the rows.

    Args:
        rows: a split.
        name: of the column.
    """
    column = rows.data.table.column(name)
    numbers = row_numbers(rows)
    if numbers is None:
        yield from table_blocks(column)
        return
    for start in range(0, len(numbers), ROWS):
        part = numbers[start : start + ROWS]
        # The rows are in order, so that a block lies in few chunks of the column.
        first, last = int(part.min()), int(part.max())
        block = column.slice(first, last - first + 1).take(part - first)
        yield block.combine_chunks()


def table_blocks(
    column: "pyarrow.ChunkedArray[Any]",
) -> Iterator[Any]:
    """Yield the chunks of a column, those of more than `ROWS` rows in parts.

    Args:
        column: of any type.
    """
    for chunk in column.chunks:
        for start in range(0, len(chunk), ROWS):
            yield chunk.slice(start, ROWS)


def row_numbers(rows: "Dataset") -> np.ndarray | None:
    """Return which rows of its table a split has; None if it has all, in their order.

    Args:
        rows: a split.
    """
    if rows._indices is None:
        return None
    return rows._indices.column(0).to_numpy().astype(np.int64)


def column(rows: "Dataset", name: str) -> Iterator[Any]:
    """Yield the values of one column.

    Args:
        rows: a split.
        name: of the column.
    """
    for block in blocks(rows, name):
        yield from block.to_pylist()
