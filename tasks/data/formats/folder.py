"""A folder of one file a class: the file's name is the label, each line a text."""

from collections.abc import Iterator

from tasks.data.formats.lines import filled
from tasks.data.formats.reading import Reading, Row


def rows(reading: Reading) -> Iterator[Row]:
    """Yield the rows of one class.

    Args:
        reading: the file of the class.

    Raises:
        FormatError: if a line is blank.
    """
    label = reading.path.stem
    for _, line in filled(reading.path, reading.encoding, "a text"):
        yield {"text": line.strip(), "label": label}
