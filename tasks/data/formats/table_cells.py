"""The cells of each row of a CSV or TSV file."""

import csv
import itertools
from collections.abc import Iterator

from zoo.tasks.data.formats import delimiters
from zoo.tasks.data.formats.column_choice import SAMPLE_SIZE
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.lines import (
    MAX_LINE,
    line_end,
    lines_or_faults,
    numbered_lines,
    text_lines,
    without_marks,
)
from zoo.tasks.data.formats.reading import Reading

BARS = " ||| "  # divides the two sides of a pair in the files of some aligners

csv.field_size_limit(MAX_LINE)  # a text may be longer than the default of 131,072


def numbered_cells(
    reading: Reading,
) -> Iterator[tuple[int, list[str] | FormatError]]:
    """Yield the cells of each row, with the number of its first line.

    A blank line before another row is a `FormatError`, which is yielded.

    Args:
        reading: the file.

    Raises:
        DataError: if the delimiter cannot be determined.
        FormatError: if the file is no CSV.
    """
    if reading.format == "tsv":
        separator = None
        expected = "cells separated by tabs"
        for line, text in lines_or_faults(reading.path, reading.encoding, expected):
            if isinstance(text, FormatError):
                yield line, text
                continue
            separator = separator or (
                BARS if BARS in text and "\t" not in text else "\t"
            )
            yield line, text.split(separator)
        return
    path = reading.path
    declaration, delimiter = _delimiter(reading)
    lines = _lines(reading)
    skipped = len(list(itertools.islice(lines, declaration)))
    table = csv.reader(lines, strict=True, delimiter=delimiter)
    line, blanks = 1 + skipped, []
    while True:
        try:
            cells = next(table, None)
        except csv.Error as error:
            raise FormatError(path, line, f"CSV ({error})") from None
        if cells is None:
            return
        if not cells:
            blanks.append(line)
        else:
            expected = f"cells separated by {delimiter!r}"
            for blank in blanks:
                yield blank, FormatError(path, blank, expected, "")
            blanks = []
            yield line, cells
        line = table.line_num + 1 + skipped


def delimiter_name(reading: Reading) -> str:
    """Return the delimiter, for the user; empty for the usual one of the format.

    Args:
        reading: the file.

    Raises:
        DataError: if the delimiter cannot be determined.
    """
    if reading.format == "tsv":
        lines = numbered_lines(reading.path, reading.encoding)
        first = next((text for _, text in lines if text.strip()), "")
        return BARS.strip() if BARS in first and "\t" not in first else ""
    _, delimiter = _delimiter(reading)
    return "" if delimiter == "," else {"\t": "tabs"}.get(delimiter, delimiter)


def _delimiter(reading: Reading) -> tuple[int, str]:
    """Return how many lines declare the delimiter, 0 or 1, and the delimiter."""
    head = list(itertools.islice(_lines(reading), SAMPLE_SIZE))
    if head and (declared := delimiters.declared(head[0])):
        return 1, declared
    return 0, delimiters.choose(reading.path, head, reading.kind)


def _lines(reading: Reading) -> Iterator[str]:
    """Yield the lines of a CSV file with their ends, without byte order marks."""
    end = line_end(reading.path, reading.encoding)
    for line in text_lines(reading.path, reading.encoding, end):
        yield without_marks(line)
