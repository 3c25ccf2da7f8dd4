"""The units of a column of texts as numbers, which are kept in the data cache.

An entry has the numbers of a whole table, of which the splits are parts: neither the
seed of held-out rows nor the size of a vocabulary changes it. Its file has, for a table
of R rows with N units in all, of V kinds:

- the numbers of the units, N of the smallest unsigned type for V, padded to 8 bytes;
- where the units of each row begin, int64 ``[R + 1]``;
- the units by number, a list in JSON;
- N, R, the bytes of a number and those of the list, int64 ``[4]``.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple
from unicodedata import unidata_version

import numpy as np

from zoo.tasks.data import arrow_cache, entries
from zoo.tasks.data.blocks import row_numbers, table_blocks

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset

    from zoo.text.numbering import Numbering

_BLOCK = 1 << 20  # numbers that are counted or rewritten at a time
_LIBRARIES = ("regex", "tokenizers")  # that split texts


class IdColumn(NamedTuple):
    """The numbers of the units of the rows of a split.

    Attributes:
        units: the units by number, V; the split need not have all.
        ids: the numbers of the units of all rows of the table, one row after another,
            unsigned integers ``[N]``, memory-mapped.
        starts: where the units of each row of the split begin, int64 ``[R]``.
        lengths: number of units of each row of the split, int64 ``[R]``.
        is_full_table: the rows are those of the table, in their order.
    """

    units: list[str]
    ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    is_full_table: bool

    def of_rows(self, rows: np.ndarray, limit: int | None = None) -> np.ndarray:
        """Return the numbers of the units of some rows, one row after another.

        Args:
            rows: numbers of the rows.
            limit: leave out the units of a row from this one on.
        """
        lengths = self.lengths[rows]
        if limit is not None:
            lengths = np.minimum(lengths, limit)
        ends = np.cumsum(lengths)
        shifts = np.repeat(self.starts[rows] - (ends - lengths), lengths)
        return self.ids[np.arange(len(shifts)) + shifts]

    def of_all(self) -> np.ndarray:
        """Return the numbers of the units of all rows, one row after another."""
        if self.is_full_table:
            return self.ids
        return self.of_rows(np.arange(len(self.starts)))

    def counts(self) -> dict[str, int]:
        """Return how often each unit of the split occurs, in the order of `units`."""
        counts = np.zeros(len(self.units), np.int64)
        for ids in self._blocks():
            counts += np.bincount(ids, minlength=len(counts))
        present = np.flatnonzero(counts)
        return {
            self.units[k]: n
            for k, n in zip(present.tolist(), counts[present].tolist(), strict=True)
        }

    def _blocks(self) -> Iterator[np.ndarray]:
        """Yield the numbers of all units in parts of about `_BLOCK`, or of a row."""
        if self.is_full_table:
            for start in range(0, len(self.ids), _BLOCK):
                yield self.ids[start : start + _BLOCK]
            return
        block = np.cumsum(self.lengths) // _BLOCK
        for rows in np.split(np.arange(len(block)), np.flatnonzero(np.diff(block)) + 1):
            yield self.of_rows(rows)


def id_columns(
    rows: dict[str, "Dataset"],
    name: str,
    numbering: "Callable[[], Numbering]",
    rules: str,
    cache_dir: Path | None = None,
    *,
    cached: bool = True,
) -> dict[str, IdColumn]:
    """Return the numbers of the units of a column, for each split.

    They are read from the data cache, or computed in one pass over the table and
    written to the cache. Splits of one table share `IdColumn.units`.

    Args:
        rows: the rows by split.
        name: of the column.
        numbering: returns a new numbering.
        rules: what the units depend on, apart from the rows and the code.
        cache_dir: directory of the cache; None is that of `datasets`.
        cached: read and write the cache; otherwise the numbers are kept in memory.

    Raises:
        zoo.tasks.data.DataError: if the cache cannot be written.
    """
    tables: dict[str, IdColumn] = {}
    columns = {}
    for split, split_rows in rows.items():
        values = split_rows.data.table.column(name)
        key = _column_key(values, rules) if cached else split
        if not cached:
            buffer = io.BytesIO()
            _write(buffer, values, numbering())
            tables[key] = _read(np.frombuffer(buffer.getbuffer(), np.uint8))
        elif key not in tables:
            path = entries.entry(
                lambda file: _write(file, values, numbering()),  # noqa: B023
                key,
                "ids",
                cache_dir,
            )
            tables[key] = _read(np.memmap(path, np.uint8, "r"))
        column, numbers = tables[key], row_numbers(split_rows)
        if numbers is not None:
            column = column._replace(
                starts=column.starts[numbers],
                lengths=column.lengths[numbers],
                is_full_table=False,
            )
        columns[split] = column
    return columns


def cached_result(
    rows: "Dataset",
    name: str,
    compute: Callable[[], Any],
    rules: str,
    cache_dir: Path | None = None,
) -> Any:
    """Return the result of a pass over a column, from the data cache if it is there.

    Args:
        rows: a split.
        name: of the column.
        compute: returns the result, as JSON values.
        rules: what the result depends on, apart from the rows, the code of `zoo.text`
            and the libraries that split texts.
        cache_dir: directory of the cache; None is that of `datasets`.

    Raises:
        zoo.tasks.data.DataError: if the cache cannot be written.
    """
    numbers = row_numbers(rows)
    chosen = "" if numbers is None else hashlib.blake2b(numbers.data).hexdigest()
    key = _column_key(rows.data.table.column(name), chosen, rules)
    path = entries.entry(
        lambda file: file.write(json.dumps(compute()).encode()), key, "json", cache_dir
    )
    return json.loads(path.read_bytes())


def _column_key(values: "pyarrow.ChunkedArray[Any]", *rules: str) -> str:
    """Return the key of what is computed from the column of a table."""
    import pyarrow

    content = arrow_cache.table_digest(pyarrow.table({"values": values}))
    return arrow_cache.digest(content, _code_digest(), *rules)


@cache
def _code_digest() -> str:
    """Return a digest of the code that splits texts, and of the libraries it uses."""
    text = Path(__file__).parents[2] / "text"
    sources = [Path(__file__), *sorted(text.glob("*.py"))]
    # `cached_result` keeps what these compute from a column.
    tasks = Path(__file__).parents[1]
    sources += [tasks / "data" / "blocks.py", tasks / "pair_preparation.py"]
    code = b"".join(source.read_bytes() for source in sources)
    versions = [f"{name} {version(name)}" for name in _LIBRARIES]
    return arrow_cache.digest(
        hashlib.blake2b(code).hexdigest(), unidata_version, *versions
    )


def _write(
    file: BinaryIO, values: "pyarrow.ChunkedArray[Any]", numbering: "Numbering"
) -> None:
    """Number the units of a column, and write them as this module describes."""
    dtype, lengths, size = np.dtype(np.uint8), [np.zeros(1, np.int64)], 0
    for block in table_blocks(values):
        ids, block_lengths = numbering(block.to_pylist())
        lengths.append(block_lengths)
        wider = np.min_scalar_type(ids.max(initial=0))
        if wider.itemsize > dtype.itemsize:
            _widen(file, size, dtype, wider)
            dtype = wider
        file.write(ids.astype(dtype).data)
        size += len(ids)
    starts = np.concatenate(lengths).cumsum()
    units = json.dumps(numbering.units).encode()
    file.write(bytes(-size * dtype.itemsize % 8))
    file.write(starts.data)
    file.write(units)
    trailer = [size, len(starts) - 1, dtype.itemsize, len(units)]
    file.write(np.array(trailer, np.int64).data)


def _widen(file: BinaryIO, size: int, old: np.dtype, new: np.dtype) -> None:
    """Write the numbers of a file again as another type, the last ones first."""
    for start in reversed(range(0, size, _BLOCK)):
        file.seek(start * old.itemsize)
        count = min(_BLOCK, size - start)
        ids = np.frombuffer(file.read(count * old.itemsize), old)
        file.seek(start * new.itemsize)
        file.write(ids.astype(new).data)
    file.seek(size * new.itemsize)


def _read(data: np.ndarray) -> IdColumn:
    """Return what `_write` has written, from its bytes."""
    size, num_rows, itemsize, num_bytes = data[-32:].view(np.int64).tolist()
    units = json.loads(data[-32 - num_bytes : -32].tobytes())
    end = size * itemsize
    ids = data[:end].view(f"u{itemsize}")
    first = end + -end % 8
    starts = data[first : first + 8 * (num_rows + 1)].view(np.int64)
    return IdColumn(units, ids, starts[:-1], np.diff(starts), True)
