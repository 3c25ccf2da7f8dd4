"""Plain text: a row a line, each with its line end, so that the rows are the file."""

from collections.abc import Iterator

from tasks.data.formats.lines import opened
from tasks.data.formats.reading import Reading, Row


def rows(reading: Reading) -> Iterator[Row]:
    """Yield the lines of a file as they are: joined, they are the file.

    Only a line feed ends a line; CRLF and a lone CR are kept. A byte order mark at the
    start of the file is left out.

    Args:
        reading: the file.
    """
    with opened(reading.path, reading.encoding) as file:
        for line in file:
            yield {"text": line}
