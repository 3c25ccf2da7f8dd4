"""Lines of a label, white space and a text, such as ``4 a stirring , funny film``.

Also lines of fastText, whose label ``__label__4`` may stand at the end.
"""

import itertools
import re
from collections.abc import Iterator

from zoo.tasks.data.formats.column_choice import SAMPLE_SIZE
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.lines import lines_or_faults, numbered_lines
from zoo.tasks.data.formats.reading import Parsed, Reading

PREFIX = "__label__"  # fastText writes it before a label; it is removed
_FASTTEXT = re.compile(rf"(?<!\S){PREFIX}(\S+)")
_EXPECTED = "a label, a space and a text"
_MAX_LISTED_LABELS = 5


def rows(reading: Reading) -> Iterator[Parsed]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    """
    for number, line in lines_or_faults(reading.path, reading.encoding, _EXPECTED):
        if isinstance(line, FormatError):
            yield line
            continue
        if labels := fasttext_labels(line):
            text = _FASTTEXT.sub("", line).strip()
            at_edge = _FASTTEXT.match(line.lstrip()) or line.rstrip().endswith(
                f"{PREFIX}{labels[-1]}"
            )
            if len(labels) > 1 or not at_edge or not text:
                expected = (
                    f"a text and a single label {PREFIX}..., at its start or its end"
                )
                yield FormatError(reading.path, number, expected, line)
            else:
                yield {"text": text, "label": labels[0]}
            continue
        label, *rest = line.split(maxsplit=1)
        if rest:
            yield {"text": rest[0].strip(), "label": label}
        else:
            yield FormatError(reading.path, number, _EXPECTED, line)


def describe(reading: Reading) -> str:
    """Return where the label stands and some labels, for the user.

    Args:
        reading: the file.
    """
    numbered = itertools.islice(
        numbered_lines(reading.path, reading.encoding), SAMPLE_SIZE
    )
    head = [line for _, line in numbered if line.strip()]
    marked = [label for line in head for label in fasttext_labels(line)]
    words = sorted({line.split(maxsplit=1)[0] for line in head})
    labels, where = (words, "the first word")
    if marked:
        labels, where = sorted(set(marked)), f"the word with {PREFIX}"
    more = ", ..." if len(labels) > _MAX_LISTED_LABELS else ""
    listed = ", ".join(labels[:_MAX_LISTED_LABELS])
    return f"label = {where} ({listed}{more})" if labels else ""


def fasttext_labels(line: str) -> list[str]:
    """Return the labels that a line marks with ``__label__``.

    Args:
        line: the line.
    """
    return _FASTTEXT.findall(line)
