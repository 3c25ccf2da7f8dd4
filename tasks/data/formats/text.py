"""Plain text: a row per line, with its line end."""

from collections.abc import Iterator

from zoo.tasks.data.formats.lines import text_lines
from zoo.tasks.data.formats.reading import Reading, Row


def rows(reading: Reading) -> Iterator[Row]:
    """Yield the lines of a file unchanged: joined, they are the file.

    Only a line feed ends a line; CRLF and a lone CR are kept. A byte order mark at the
    start of the file is skipped.

    Args:
        reading: the file.
    """
    for line in text_lines(reading.path, reading.encoding):
        yield {"text": line}
