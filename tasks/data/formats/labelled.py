"""Lines of a label, white space and a text, such as ``4 a stirring , funny film``."""

from collections.abc import Iterator

from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import nonblank_lines
from tasks.data.formats.reading import Reading, Row

PREFIX = "__label__"  # fastText writes it before a label; it is removed


def rows(reading: Reading) -> Iterator[Row]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        FormatError: if a line is blank or has a label but no text.
    """
    expected = "a label, a space and a text"
    for number, line in nonblank_lines(reading.path, reading.encoding, expected):
        label, *rest = line.split(maxsplit=1)
        label = label.removeprefix(PREFIX)
        if not label or not rest:
            raise FormatError(reading.path, number, expected, line)
        yield {"text": rest[0].strip(), "label": label}
