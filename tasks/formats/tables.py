"""CSV and TSV, with a header or without.

CSV may be quoted, and is divided by commas, or by semicolons if the first line has no
comma. TSV is divided by tabs and never quoted: a double quote is a character.
"""

import csv
import itertools
from collections.abc import Iterator
from typing import TextIO

from tasks.formats import choice, records
from tasks.formats.errors import DataError, FormatError
from tasks.formats.lines import filled, opened
from tasks.formats.reading import Reading, Row, Sentence

csv.field_size_limit(2**31 - 1)  # a text may be longer than the default 131,072


def rows(reading: Reading) -> Iterator[Row | Sentence]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns of text and label cannot be told.
        FormatError: if a row is blank, or has not as many cells as the first.
    """
    where = str(reading.path)
    return records.rows(where, reading.kind, reading.columns, _records(reading))


def note(reading: Reading) -> str:
    """Return in words which columns are read, and whether there is a header.

    Args:
        reading: the file.
    """
    where = str(reading.path)
    columns = records.note(where, reading.kind, reading.columns, _records(reading))
    if not columns:
        return ""
    return columns + ("" if _header(reading) else " (no header: columns from 0)")


def _records(reading: Reading) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the rows below the header by name; by number where there is no header."""
    if reading.kind in ("tagged", "entities"):
        wanted = "tokens and tags: as format columns, conllu, jsonl or parquet"
        raise FormatError(reading.path, None, wanted, reading.format)
    table = _cells(reading)
    names = None
    if _header(reading):
        _, first = next(table)
        names = [cell.strip() for cell in first]
    for line, cells in table:
        names = names or [str(place) for place in range(len(cells))]
        if len(cells) != len(names):
            wanted = f"{len(names)} cells, as in the first row ({len(cells)} found)"
            raise FormatError(reading.path, line, wanted, cells)
        yield line, dict(zip(names, cells, strict=True))


def _header(reading: Reading) -> bool:
    sample = [cells for _, cells in itertools.islice(_cells(reading), choice.SAMPLE)]
    if not sample:
        return False
    first = [cell.strip() for cell in sample[0]]
    flags = (reading.columns.text, reading.columns.label)
    given = [part.strip() for flag in flags if flag for part in flag.split(",")]
    by_name = [part for part in given if not part.lstrip("-").isdigit()]
    if any(part in first for part in by_name):
        return True
    if by_name:
        listed = ", ".join(map(repr, first))
        raise DataError(f"{reading.path}: no column {by_name[0]!r}; there are {listed}")
    width = len(first)
    return choice.has_header([row for row in sample if len(row) == width])


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
