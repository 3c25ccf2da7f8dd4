"""CSV and TSV, with a header or without.

CSV may be quoted, and is divided by commas, or by semicolons if the first line has no
comma. TSV is divided by tabs and never quoted: a double quote is a character.
"""

import csv
import itertools
from collections.abc import Iterator
from typing import TextIO

from tasks.data.formats import choice, pairs, records
from tasks.data.formats.errors import DataError, FormatError
from tasks.data.formats.lines import filled, opened
from tasks.data.formats.reading import Columns, Reading, Row, Sentence

csv.field_size_limit(2**31 - 1)  # a text may be longer than the default 131,072


def rows(reading: Reading) -> Iterator[Row | Sentence]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns of text and label, or of source and target, cannot
            be told.
        FormatError: if a row is blank, or has not as many cells as the first.
    """
    where = str(reading.path)
    return records.rows(where, reading.kind, _columns(reading), _records(reading))


def note(reading: Reading) -> str:
    """Return in words which columns are read, and whether there is a header.

    Args:
        reading: the file.
    """
    where = str(reading.path)
    columns = records.note(where, reading.kind, _columns(reading), _records(reading))
    if not columns or _header(reading):
        return columns
    more = ", targets to the end of the row" if _open(reading) else ""
    return f"{columns} (no header: columns from 0{more})"


def _records(reading: Reading) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the rows below the header by name; by number where there is no header."""
    if reading.kind in ("tagged", "entities"):
        wanted = "tokens and tags: as format columns, conllu, jsonl or parquet"
        raise FormatError(reading.path, None, wanted, reading.format)
    table = _cells(reading)
    names = None
    if _open(reading) and not _header(reading):
        for line, cells in table:
            if len(cells) < 2:
                raise FormatError(reading.path, line, "a source and a target", cells)
            yield line, {"0": cells[0], "1": cells[1:]}
        return
    if _header(reading):
        _, first = next(table)
        names = [cell.strip() for cell in first]
    for line, cells in table:
        names = names or [str(place) for place in range(len(cells))]
        if len(cells) != len(names):
            wanted = f"{len(names)} cells, as in the first row ({len(cells)} found)"
            raise FormatError(reading.path, line, wanted, cells)
        yield line, dict(zip(names, cells, strict=True))


def _open(reading: Reading) -> bool:
    """Whether the places tell source and target: no flag says which they are."""
    flags = (reading.columns.source, reading.columns.target)
    return reading.kind == "pairs" and flags == (None, None)


def _columns(reading: Reading) -> Columns:
    """Return the columns named by flags; of unnamed pairs, the first is the source."""
    if _open(reading):
        _, first = next(_cells(reading), (1, []))
        names = [cell.strip() for cell in first]
        if not _header(reading) or len(names) == 2 and not pairs.usual(names):
            return reading.columns._replace(source="0", target="1")
    return reading.columns


def _header(reading: Reading) -> bool:
    sample = [cells for _, cells in itertools.islice(_cells(reading), choice.SAMPLE)]
    if not sample:
        return False
    first = [cell.strip() for cell in sample[0]]
    columns, pair = reading.columns, reading.kind == "pairs"
    flags = (columns.source, columns.target) if pair else (columns.text, columns.label)
    given = [part.strip() for flag in flags if flag for part in flag.split(",")]
    by_name = [part for part in given if not part.lstrip("-").isdigit()]
    if any(part in first for part in by_name):
        return True
    if by_name:
        listed = ", ".join(map(repr, first))
        raise DataError(f"{reading.path}: no column {by_name[0]!r}; there are {listed}")
    width = len(first)
    has_header = pairs.has_header if pair else choice.has_header
    return has_header([row for row in sample if len(row) == width])


def _cells(reading: Reading) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row with the line at which it begins."""
    if reading.format == "tsv":
        wanted = "cells divided by tabs"
        for line, text in filled(reading.path, reading.encoding, wanted):
            yield line, text.split("\t")
        return
    with opened(reading.path, reading.encoding) as file:
        divider = _divider(file)
        table = csv.reader(file, strict=True, delimiter=divider)
        line, blank = 1, None
        while True:
            try:
                cells = next(table, None)
            except csv.Error as error:
                raise FormatError(reading.path, line, f"CSV ({error})") from None
            if cells is None:
                return
            if not cells:
                blank = blank or line
            elif blank:
                wanted = f"cells divided by {divider!r}"
                raise FormatError(reading.path, blank, wanted, "")
            else:
                yield line, cells
            line = table.line_num + 1


def _divider(file: TextIO) -> str:
    first = file.readline()
    file.seek(0)
    return ";" if ";" in first and "," not in first else ","
