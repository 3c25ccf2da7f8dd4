"""A folder with one file per class: its name is the label, each line is a text."""

from collections.abc import Iterator

from tasks.data.formats.lines import nonblank_lines
from tasks.data.formats.reading import Reading, Row


def rows(reading: Reading) -> Iterator[Row]:
    """Yield the rows of one class.

    Args:
        reading: the file of the class.

    Raises:
        FormatError: if a line is blank.
    """
    label = reading.path.stem
    for _, line in nonblank_lines(reading.path, reading.encoding, "a text"):
        yield {"text": line.strip(), "label": label}
