"""JSON Lines: one object per line; also a JSON array of objects."""

import json
import re
from collections.abc import Iterator

from zoo.tasks.data.formats import records
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.lines import lines_or_faults, numbered_lines
from zoo.tasks.data.formats.reading import Parsed, Reading

_SURROGATE = re.compile("[\ud800-\udfff]")
# NaN and Infinity are no JSON, but common: they count as missing values.
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)
_SPACE = re.compile(r"\s*")


def rows(reading: Reading) -> Iterator[Parsed]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be determined.
    """
    where = str(reading.path)
    return records.rows(
        where,
        reading.kind,
        reading.columns,
        _records(reading),
        tokenizer=reading.tokenizer,
    )


def describe(reading: Reading) -> str:
    """Return which columns are read, for the user.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be determined.
    """
    where = str(reading.path)
    return records.describe(where, reading.kind, reading.columns, _records(reading))


def _records(
    reading: Reading,
) -> Iterator[tuple[int, dict[str, object] | FormatError]]:
    expected = 'a JSON object, such as {"text": "...", "label": "..."}'
    if reading.kind == "pairs":
        expected = 'a JSON object, such as {"source": "...", "target": "..."}'
    lines = numbered_lines(reading.path, reading.encoding)
    first = next((text for _, text in lines if text.strip()), "")
    if first.lstrip().startswith("["):
        if not _is_pair(first):
            yield from _array(reading, expected)
            return
    for line, text in lines_or_faults(reading.path, reading.encoding, expected):
        if isinstance(text, FormatError):
            yield line, text
            continue
        try:
            value = _DECODER.decode(text)
            yield line, _record(reading, line, value, expected, "\\u" in text)
        except (ValueError, RecursionError) as error:
            yield line, _fault(reading, line, error, expected, text)


def _array(
    reading: Reading, expected: str
) -> Iterator[tuple[int, dict[str, object] | FormatError]]:
    """Yield the objects of a JSON array, each with the number of its first line."""
    lines = numbered_lines(reading.path, reading.encoding)
    text = "\n".join(line for _, line in lines)
    start, line, counted, is_separated = text.index("[") + 1, 1, 0, True
    while True:
        start = _after_space(text, start)
        if text[start : start + 1] == "," and not is_separated:
            start, is_separated = _after_space(text, start + 1), True
        line, counted = line + text.count("\n", counted, start), start
        shown = text[start : start + 80]
        if shown.startswith("]"):
            if rest := text[start + 1 :].strip():
                raise FormatError(reading.path, line, "nothing after the array", rest)
            return
        if not is_separated:
            comma = "a comma between two objects, or the end of the array"
            raise FormatError(reading.path, line, comma, shown)
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise _fault(reading, line, error, expected, shown) from None
        has_escapes = text.find("\\u", start, end) >= 0
        start, is_separated = end, False
        try:
            yield line, _record(reading, line, value, expected, has_escapes)
        except (FormatError, RecursionError) as error:
            yield line, _fault(reading, line, error, expected, shown)


def _after_space(text: str, start: int) -> int:
    """Return the position of the next character that is not white space."""
    match = _SPACE.match(text, start)
    assert match is not None
    return match.end()


def _is_pair(line: str) -> bool:
    """Return whether a line is a text and its annotations, as spaCy writes them."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return _from_pair(value) is not None


def _from_pair(value: object) -> dict[str, object] | None:
    """Return the record of ``[text, {"entities": ...}]``; None for other values."""
    match value:
        case [str(text), {"entities": list()} as annotations]:
            return {"text": text, **annotations}
    return None


def _record(
    reading: Reading, line: int, value: object, expected: str, has_escapes: bool
) -> dict[str, object]:
    """Return a decoded object, whose strings are valid Unicode."""
    record = _from_pair(value) or value
    if not isinstance(record, dict):
        raise FormatError(reading.path, line, expected, value)
    if has_escapes and _SURROGATE.search(json.dumps(record, ensure_ascii=False)):
        reason = "a lone surrogate, such as \\ud83d, is half of a character"
        raise FormatError(reading.path, line, "text in Unicode", None, reason)
    return record


def _fault(
    reading: Reading, line: int, error: Exception, expected: str, text: str
) -> FormatError:
    """Return the error of a line that is no JSON object."""
    if isinstance(error, FormatError):
        return error
    if isinstance(error, json.JSONDecodeError):
        reason = f"{error.msg} at column {error.colno}"
    elif isinstance(error, RecursionError):
        reason = "too deeply nested"
    else:
        reason = "a number with too many digits"
    return FormatError(reading.path, line, f"{expected} ({reason})", text)
