"""Pronouncing dictionaries such as CMUdict: a word and its phones, ``word W ER1 D``."""

import re
from collections.abc import Iterator

from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import nonblank_lines
from tasks.data.formats.reading import Reading, Row

_COMMENT = re.compile(r"\s#(\s.*)?$|^;;;.*")
_NUMBER = re.compile(r"(?<=.)\(\d+\)$")


def rows(reading: Reading) -> Iterator[Row]:
    """Yield a row for each pronunciation.

    The number of an alternative pronunciation, as in ``word(2)``, is removed. So are
    comments: ``# ...`` after white space, and lines that start with ``;;;``.

    Args:
        reading: the file.

    Raises:
        FormatError: if a line is blank or has no phones.
    """
    expected = "a word and its phones, such as `word W ER1 D`"
    for number, line in nonblank_lines(reading.path, reading.encoding, expected):
        entry = _COMMENT.sub("", line)
        if not entry and line.startswith(";;;"):
            continue
        word, *phones = entry.split() or [""]
        if not phones:
            raise FormatError(reading.path, number, expected, line)
        yield {"source": _NUMBER.sub("", word), "targets": [" ".join(phones)]}
