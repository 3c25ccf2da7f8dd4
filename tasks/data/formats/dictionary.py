"""Pronouncing dictionaries, as CMUdict: a word and its phones, ``word PH PH PH``."""

import re
from collections.abc import Iterator

from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import filled
from tasks.data.formats.reading import Reading, Row

_COMMENT = re.compile(r"\s#(\s.*)?$|^;;;.*")
_NUMBER = re.compile(r"(?<=.)\(\d+\)$")


def rows(reading: Reading) -> Iterator[Row]:
    """Yield the pronunciations of a file, each a row.

    A further one of a word stands as ``word(2)``: the number is left out, as are
    comments: ``# ...`` after white space, and lines that begin with ``;;;``.

    Args:
        reading: the file.

    Raises:
        FormatError: if a line is blank or has no phones.
    """
    wanted = "a word and its phones, such as `word W ER1 D`"
    for number, line in filled(reading.path, reading.encoding, wanted):
        entry = _COMMENT.sub("", line)
        if not entry and line.startswith(";;;"):
            continue
        word, *phones = entry.split() or [""]
        if not phones:
            raise FormatError(reading.path, number, wanted, line)
        yield {"source": _NUMBER.sub("", word), "targets": [" ".join(phones)]}
