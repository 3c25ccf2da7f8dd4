"""A folder with one file per class: its name is the label, each line is a text."""

from collections.abc import Iterator

from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.lines import numbered_lines, without_gz
from zoo.tasks.data.formats.reading import Parsed, Reading, Remark


def rows(reading: Reading) -> Iterator[Parsed]:
    """Yield the rows of one class. Blank lines are left out.

    Args:
        reading: the file of the class; its `label` is the class, by default the name of
            the file without its ending.

    Raises:
        FormatError: if the name of the file is not UTF-8.
    """
    label = reading.label or without_gz(reading.path).stem
    try:
        label.encode()
    except UnicodeEncodeError:
        expected = "a file name in UTF-8, as it is a label"
        raise FormatError(reading.path, None, expected) from None
    for number, line in numbered_lines(reading.path, reading.encoding):
        if line.strip():
            yield {"text": line.strip(), "label": label}
        else:
            yield Remark(number, "blank lines left out")
