"""JSON Lines: one object per line."""

import json
from collections.abc import Iterator

from tasks.data.formats import records
from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import nonblank_lines
from tasks.data.formats.reading import Reading, Row, Sentence


def rows(reading: Reading) -> Iterator[Row | Sentence]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be determined.
        FormatError: if a line is blank, is not an object, or lacks a column.
    """
    where = str(reading.path)
    return records.rows(where, reading.kind, reading.columns, _records(reading))


def describe(reading: Reading) -> str:
    """Return which columns are read, for the user.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be determined.
    """
    where = str(reading.path)
    return records.describe(where, reading.kind, reading.columns, _records(reading))


def _records(reading: Reading) -> Iterator[tuple[int, dict[str, object]]]:
    expected = 'a JSON object, such as {"text": "...", "label": "..."}'
    if reading.kind == "pairs":
        expected = 'a JSON object, such as {"source": "...", "target": "..."}'
    for line, text in nonblank_lines(reading.path, reading.encoding, expected):
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            expected = f"{expected} ({error.msg} at column {error.colno})"
            raise FormatError(reading.path, line, expected, text) from None
        if not isinstance(record, dict):
            raise FormatError(reading.path, line, expected, text)
        yield line, record
