"""CSV and TSV, with or without a header.

CSV may be quoted; its cells are divided by commas, semicolons, tabs or ``|`` (see
`zoo.tasks.data.formats.delimiters`). TSV is never quoted: a double quote is a
character; its cells are divided by tabs or by `` ||| ``.
"""

import itertools
from collections.abc import Iterator

from zoo.tasks.data.formats import (
    column_choice,
    headers,
    pair_columns,
    records,
    token_tables,
)
from zoo.tasks.data.formats.errors import DataError, FormatError
from zoo.tasks.data.formats.reading import Columns, Parsed, Reading
from zoo.tasks.data.formats.table_cells import delimiter_name, numbered_cells

_SAMPLE_SIZE = column_choice.SAMPLE_SIZE


def rows(reading: Reading) -> Iterator[Parsed]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be determined.
        FormatError: if the file is no CSV.
    """
    if reading.kind in ("tagged", "entities"):
        return token_tables.rows(reading)
    where = str(reading.path)
    return records.rows(where, reading.kind, _columns(reading), _records(reading))


def describe(reading: Reading) -> str:
    """Return which columns are read and whether there is a header, for the user.

    Args:
        reading: the file.

    Raises:
        DataError: as for `rows`.
        FormatError: as for `rows`.
    """
    if reading.kind in ("tagged", "entities"):
        return token_tables.describe(reading)
    where, columns = str(reading.path), _columns(reading)
    text = records.describe(where, reading.kind, columns, _records(reading))
    if not text:
        return text
    name = delimiter_name(reading)
    text += f", divided by {name}" if name else ""
    first, *_ = table = _sample(reading)
    left_out = ""
    if _unnamed_pairs(reading) and columns.source != reading.columns.source:
        used = (columns.source, columns.target)
        others = [str(n) for n in range(len(first)) if str(n) not in used]
        varies = len(set(map(len, table))) > 1
        left_out = f", left out: {', '.join(others)}" if others and not varies else ""
    if _has_header(reading):
        names = [cell.strip() for cell in first]
        repeated = sorted({name for name in names if name and names.count(name) > 1})
        if repeated:
            quoted = column_choice.quoted_names(repeated)
            text += f", the header repeats {quoted}: the second is {repeated[0]}.1"
        return text + left_out
    rest = ", all columns from 1 are targets" if _has_several_targets(reading) else ""
    return f"{text} (no header: columns are numbered from 0{rest}{left_out})"


def _records(
    reading: Reading,
) -> Iterator[tuple[int, dict[str, object] | FormatError]]:
    """Yield the rows as records; without a header, columns are named by number."""
    table = numbered_cells(reading)
    has_header = _has_header(reading)
    names = header = None
    if _has_several_targets(reading):
        for line, cells in table:
            if isinstance(cells, FormatError):
                yield line, cells
            elif len(cells) < 2:
                expected = "a source and a target"
                yield line, FormatError(reading.path, line, expected, cells)
            else:
                yield line, {"0": cells[0], "1": cells[1:]}
        return
    for line, cells in table:
        if isinstance(cells, FormatError):
            yield line, cells
            continue
        if names is None:
            names = column_names(cells if has_header else [""] * len(cells))
            if has_header:
                header = cells
                continue
        if cells == header:
            expected = "a row (this line repeats the header)"
            yield line, FormatError(reading.path, line, expected, cells)
        elif len(cells) != len(names):
            expected = f"{len(names)} cells, as in the first row ({len(cells)} found)"
            yield line, FormatError(reading.path, line, expected, cells)
        else:
            yield line, dict(zip(names, cells, strict=True))


def column_names(header: list[str]) -> list[str]:
    """Return a distinct name for each column: its number, if it has no name.

    Args:
        header: the cells of the header.
    """
    names: dict[str, int] = {}  # with the number of the last column of that name
    for index, cell in enumerate(header):
        name = base = cell.strip() or str(index)
        while name in names:
            names[base] += 1
            name = f"{base}.{names[base]}"
        names[name] = 0
    return list(names)


def _unnamed_pairs(reading: Reading) -> bool:
    """Return whether the rows are pairs whose columns no flag names."""
    flags = (reading.columns.source, reading.columns.target)
    return reading.kind == "pairs" and flags == (None, None)


def _has_several_targets(reading: Reading) -> bool:
    """Return whether all cells after the first are targets.

    That is so for unnamed pairs without a header, of which some rows have more than two
    cells, and at least half have two.
    """
    if not _unnamed_pairs(reading) or _has_header(reading):
        return False
    widths = [len(cells) for cells in _sample(reading)]
    return len(set(widths)) > 1 and 2 * widths.count(2) >= len(widths)


def _columns(reading: Reading) -> Columns:
    """Return the columns that flags name; for unnamed pairs, those of the two texts."""
    if not _unnamed_pairs(reading) or not (table := _sample(reading)):
        return reading.columns
    has_header = _has_header(reading)
    first = table[0]
    if has_header and pair_columns.usual_columns([cell.strip() for cell in first]):
        return reading.columns
    if _has_several_targets(reading):
        return reading.columns._replace(source="0", target="1")
    table = [row for row in table[has_header:] if len(row) == len(first)]
    texts = pair_columns.text_columns(table, len(first))
    if len(texts) != 2:
        return reading.columns
    return reading.columns._replace(source=str(texts[0]), target=str(texts[1]))


def _sample(reading: Reading) -> list[list[str]]:
    """Return the cells of the first rows."""
    table = itertools.islice(numbered_cells(reading), _SAMPLE_SIZE)
    return [cells for _, cells in table if not isinstance(cells, FormatError)]


def _has_header(reading: Reading) -> bool:
    table = _sample(reading)
    if not table:
        return False
    first = [cell.strip() for cell in table[0]]
    columns, is_pairs = reading.columns, reading.kind == "pairs"
    if is_pairs:
        flags = (columns.source, columns.target)
    else:
        flags = (columns.text, columns.label)
    named = [part.strip() for flag in flags if flag for part in flag.split(",")]
    by_name = [part for part in named if column_choice.column_number(part) is None]
    if any(part in column_names(first) for part in by_name):
        return True
    if by_name:
        names = column_choice.quoted_names(first)
        raise DataError(
            f"{reading.path}: no column {by_name[0]!r} in line 1; there are {names}; "
            "columns of a file without a header have numbers from 0"
        )
    has_header = pair_columns.has_header if is_pairs else headers.has_header
    return has_header([row for row in table if len(row) == len(first)])
