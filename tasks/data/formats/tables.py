"""CSV and TSV, with or without a header.

CSV may be quoted; its cells are separated by commas, or by semicolons if the first line
has a semicolon and no comma. TSV is never quoted: a double quote is a character.
"""

import csv
import itertools
from collections.abc import Iterator
from typing import TextIO

from tasks.data.formats import column_choice, pair_columns, records
from tasks.data.formats.errors import DataError, FormatError
from tasks.data.formats.lines import nonblank_lines, open_text
from tasks.data.formats.reading import Columns, Reading, Row, Sentence

csv.field_size_limit(2**31 - 1)  # a text may be longer than the default of 131,072


def rows(reading: Reading) -> Iterator[Row | Sentence]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be determined.
        FormatError: if a row is blank, or its number of cells differs from that of the
            first row.
    """
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
    where, columns = str(reading.path), _columns(reading)
    text = records.describe(where, reading.kind, columns, _records(reading))
    if not text or _has_header(reading):
        return text
    rest = ", all columns from 1 are targets" if _unnamed_pairs(reading) else ""
    return f"{text} (no header: columns are numbered from 0{rest})"


def _records(reading: Reading) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the rows as records; without a header, columns are named by number."""
    if reading.kind in ("tagged", "entities"):
        expected = "tokens and tags: as format columns, conllu, jsonl or parquet"
        raise FormatError(reading.path, None, expected, reading.format)
    table = _cells(reading)
    names = None
    if _unnamed_pairs(reading) and not _has_header(reading):
        for line, cells in table:
            if len(cells) < 2:
                raise FormatError(reading.path, line, "a source and a target", cells)
            yield line, {"0": cells[0], "1": cells[1:]}
        return
    if _has_header(reading):
        _, first = next(table)
        names = [cell.strip() for cell in first]
    for line, cells in table:
        names = names or [str(number) for number in range(len(cells))]
        if len(cells) != len(names):
            expected = f"{len(names)} cells, as in the first row ({len(cells)} found)"
            raise FormatError(reading.path, line, expected, cells)
        yield line, dict(zip(names, cells, strict=True))


def _unnamed_pairs(reading: Reading) -> bool:
    """Return whether the rows are pairs whose columns no flag names."""
    flags = (reading.columns.source, reading.columns.target)
    return reading.kind == "pairs" and flags == (None, None)


def _columns(reading: Reading) -> Columns:
    """Return the columns that flags name; in unnamed pairs, the source is the first."""
    if _unnamed_pairs(reading):
        _, first = next(_cells(reading), (1, []))
        names = [cell.strip() for cell in first]
        unusual_pair = len(names) == 2 and not pair_columns.usual_columns(names)
        if not _has_header(reading) or unusual_pair:
            return reading.columns._replace(source="0", target="1")
    return reading.columns


def _has_header(reading: Reading) -> bool:
    sample = itertools.islice(_cells(reading), column_choice.SAMPLE_SIZE)
    table = [cells for _, cells in sample]
    if not table:
        return False
    first = [cell.strip() for cell in table[0]]
    columns, is_pairs = reading.columns, reading.kind == "pairs"
    if is_pairs:
        flags = (columns.source, columns.target)
    else:
        flags = (columns.text, columns.label)
    named = [part.strip() for flag in flags if flag for part in flag.split(",")]
    by_name = [part for part in named if not part.lstrip("-").isdigit()]
    if any(part in first for part in by_name):
        return True
    if by_name:
        names = column_choice.quoted_names(first)
        raise DataError(f"{reading.path}: no column {by_name[0]!r}; there are {names}")
    has_header = pair_columns.has_header if is_pairs else column_choice.has_header
    return has_header([row for row in table if len(row) == len(first)])


def _cells(reading: Reading) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row, with the number of its first line."""
    if reading.format == "tsv":
        expected = "cells separated by tabs"
        for line, text in nonblank_lines(reading.path, reading.encoding, expected):
            yield line, text.split("\t")
        return
    with open_text(reading.path, reading.encoding) as file:
        delimiter = _delimiter(file)
        table = csv.reader(file, strict=True, delimiter=delimiter)
        line, first_blank = 1, None
        while True:
            try:
                cells = next(table, None)
            except csv.Error as error:
                raise FormatError(reading.path, line, f"CSV ({error})") from None
            if cells is None:
                return
            if not cells:
                first_blank = first_blank or line
            elif first_blank:
                expected = f"cells separated by {delimiter!r}"
                raise FormatError(reading.path, first_blank, expected, "")
            else:
                yield line, cells
            line = table.line_num + 1


def _delimiter(file: TextIO) -> str:
    first = file.readline()
    file.seek(0)
    return ";" if ";" in first and "," not in first else ","
