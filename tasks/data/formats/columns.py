"""CoNLL columns: a token a line with its tags, a blank line between sentences.

Columns are divided by tabs if the first line has one, else by spaces, and never quoted.
"""

from collections.abc import Iterator

from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import numbered
from tasks.data.formats.reading import Reading, Sentence


def rows(reading: Reading) -> Iterator[Sentence]:
    """Yield the sentences of a file.

    A line that holds only white space or begins with ``-DOCSTART-`` ends a sentence.

    Args:
        reading: the file; the token is the first column and the tag the last, unless
            the columns are named by their numbers.

    Raises:
        FormatError: if a line has not as many columns as the first, or no token or tag.
    """
    first = None  # (line, its number of columns, what divides them)
    sentence = Sentence([], [], [])
    for number, line in numbered(reading.path, reading.encoding):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if sentence.tokens:
                yield sentence
                sentence = Sentence([], [], [])
            continue
        if first is None:
            divider = "\t" if "\t" in line else " "
            first = (number, len(_parts(line, divider)), divider)
            token, tag = _places(reading, first[1], number, line)
        parts = _parts(line, first[2])
        if len(parts) != first[1]:
            name = "tabs" if first[2] == "\t" else "spaces"
            wanted = f"{first[1]} columns divided by {name}, as in line {first[0]}"
            raise FormatError(reading.path, number, wanted, line)
        if not parts[token] or not parts[tag]:
            raise FormatError(reading.path, number, "a token and its tag", line)
        sentence.tokens.append(parts[token])
        sentence.tags.append(parts[tag])
        sentence.lines.append(number)
    if sentence.tokens:
        yield sentence


def _parts(line: str, divider: str) -> list[str]:
    # str.split() would also divide at U+00A0 and its like, which tokens may hold.
    parts = line.split(divider)
    return parts if divider == "\t" else [part for part in parts if part]


def _places(reading: Reading, width: int, line: int, text: str) -> tuple[int, int]:
    """Return the columns of the token and the tag."""
    if width < 2:
        wanted = "a token and its tag, divided by a tab or by spaces"
        raise FormatError(reading.path, line, wanted, text)
    found = []
    for option, value, default in (
        ("--token-column", reading.columns.token, "0"),
        ("--tag-column", reading.columns.tag, "-1"),
    ):
        try:
            place = int(value or default)
        except ValueError:
            place = width
        if not -width <= place < width:
            wanted = (
                f"{width} columns here, so a number from 0 to {width - 1} as {option}"
            )
            raise FormatError(reading.path, line, wanted, value)
        found.append(place % width)
    return found[0], found[1]
