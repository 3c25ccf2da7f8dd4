"""JSON lines: one object a line."""

import json
from collections.abc import Iterator

from tasks.data.formats import records
from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import filled
from tasks.data.formats.reading import Reading, Row, Sentence


def rows(reading: Reading) -> Iterator[Row | Sentence]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be told.
        FormatError: if a line is blank, is not an object, or lacks a column.
    """
    where = str(reading.path)
    return records.rows(where, reading.kind, reading.columns, _records(reading))


def note(reading: Reading) -> str:
    """Return in words which columns are read.

    Args:
        reading: the file.
    """
    where = str(reading.path)
    return records.note(where, reading.kind, reading.columns, _records(reading))


def _records(reading: Reading) -> Iterator[tuple[int, dict[str, object]]]:
    wanted = 'a JSON object, such as {"text": "...", "label": "..."}'
    if reading.kind == "pairs":
        wanted = 'a JSON object, such as {"source": "...", "target": "..."}'
    for line, text in filled(reading.path, reading.encoding, wanted):
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            expected = f"{wanted} ({error.msg} at column {error.colno})"
            raise FormatError(reading.path, line, expected, text) from None
        if not isinstance(record, dict):
            raise FormatError(reading.path, line, wanted, text)
        yield line, record
