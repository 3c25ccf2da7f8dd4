"""Pronouncing dictionaries such as CMUdict: a word and its phones, ``word W ER1 D``."""

import re
from collections.abc import Iterator

from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.lines import lines_or_faults
from zoo.tasks.data.formats.reading import Parsed, Reading

_COMMENT = re.compile(r"\s#(\s.*)?$|^;;;.*")
_NUMBER = re.compile(r"(?<=.)\(\d+\)$")


def rows(reading: Reading) -> Iterator[Parsed]:
    """Yield a row for each pronunciation.

    The number of an alternative pronunciation, as in ``word(2)``, is removed. So are
    comments: ``# ...`` after white space, and lines that start with ``;;;``.

    Args:
        reading: the file.
    """
    expected = "a word and its phones, such as `word W ER1 D`"
    for number, line in lines_or_faults(reading.path, reading.encoding, expected):
        if isinstance(line, FormatError):
            yield line
            continue
        entry = _COMMENT.sub("", line)
        if not entry and line.startswith(";;;"):
            continue
        word, *phones = entry.split() or [""]
        if not phones:
            yield FormatError(reading.path, number, expected, line)
            continue
        yield {"source": _NUMBER.sub("", word), "targets": [" ".join(phones)]}
