"""CoNLL columns: a token and its tags per line, a blank line between sentences.

Columns are separated by tabs if the first line has a tab, otherwise by spaces. They are
never quoted.
"""

from collections.abc import Iterator

from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import numbered_lines
from tasks.data.formats.reading import Reading, Sentence


def rows(reading: Reading) -> Iterator[Sentence]:
    """Yield the sentences of a file.

    A line that is blank or starts with ``-DOCSTART-`` ends a sentence.

    Args:
        reading: the file. The token is the first column and the tag the last, unless
            the user names the columns by number.

    Raises:
        FormatError: if the number of columns differs from the first line's, or a token
            or a tag is missing.
    """
    first = None  # of the first line: its number, its number of columns, the separator
    sentence = Sentence([], [], [])
    for number, line in numbered_lines(reading.path, reading.encoding):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if sentence.tokens:
                yield sentence
                sentence = Sentence([], [], [])
            continue
        if first is None:
            separator = "\t" if "\t" in line else " "
            first = (number, len(_cells(line, separator)), separator)
            token, tag = _indices(reading, first[1], number, line)
        cells = _cells(line, first[2])
        if len(cells) != first[1]:
            separators = "tabs" if first[2] == "\t" else "spaces"
            expected = (
                f"{first[1]} columns separated by {separators}, as in line {first[0]}"
            )
            raise FormatError(reading.path, number, expected, line)
        if not cells[token] or not cells[tag]:
            raise FormatError(reading.path, number, "a token and its tag", line)
        sentence.tokens.append(cells[token])
        sentence.tags.append(cells[tag])
        sentence.lines.append(number)
    if sentence.tokens:
        yield sentence


def _cells(line: str, separator: str) -> list[str]:
    # str.split() would also split at U+00A0 and similar spaces inside tokens.
    cells = line.split(separator)
    return cells if separator == "\t" else [cell for cell in cells if cell]


def _indices(
    reading: Reading, num_columns: int, number: int, line: str
) -> tuple[int, int]:
    """Return the indices of the token column and of the tag column."""
    if num_columns < 2:
        expected = "a token and its tag, separated by a tab or by spaces"
        raise FormatError(reading.path, number, expected, line)
    indices = []
    for option, value, default in (
        ("--token-column", reading.columns.token, "0"),
        ("--tag-column", reading.columns.tag, "-1"),
    ):
        try:
            index = int(value or default)
        except ValueError:
            index = num_columns
        if not -num_columns <= index < num_columns:
            expected = (
                f"a number from 0 to {num_columns - 1} as {option}, as there are "
                f"{num_columns} columns"
            )
            raise FormatError(reading.path, number, expected, value)
        indices.append(index % num_columns)
    return indices[0], indices[1]
