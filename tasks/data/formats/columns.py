"""CoNLL columns: a token and its tags per line, a blank line between sentences.

Columns are separated by tabs if the first line has a tab, otherwise by spaces. They are
never quoted. For the choice of the columns, see `zoo.tasks.data.formats.column_layout`.
"""

from collections.abc import Iterator

from zoo.tasks.data.formats.column_layout import Layout, is_boundary, layout
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.lines import numbered_lines
from zoo.tasks.data.formats.reading import Reading, Remark, Sentence
from zoo.tasks.data.formats.running_numbers import PART_ID, to_number


def rows(reading: Reading) -> Iterator[Sentence | Remark | FormatError]:
    """Yield the sentences of a file.

    A line that is blank or starts with ``-DOCSTART-`` ends a sentence; so does, if
    there is a running number, a number that starts again. A header and comments (lines
    that start with ``#`` before a sentence) are left out.

    Args:
        reading: the file.

    Raises:
        FormatError: if the columns cannot be determined.
    """
    chosen = layout(reading)
    if chosen is None:
        return
    sentence, fault, previous = Sentence([], [], []), None, -1
    for number, line in numbered_lines(reading.path, reading.encoding):
        if is_boundary(line):
            if fault or sentence.tokens:
                yield fault or sentence
            sentence, fault, previous = Sentence([], [], []), None, -1
            continue
        if number == chosen.header:
            yield Remark(number, "header lines left out")
            continue
        if chosen.is_comment(line, not sentence.tokens, reading.kind):
            yield Remark(number, "comment lines left out")
            continue
        cells = chosen.cells(line)
        fault = fault or _fault(reading, chosen, number, cells, line)
        if fault:
            continue
        if chosen.running is not None:
            counter = cells[chosen.running]
            if PART_ID.fullmatch(counter):
                yield Remark(number, "multiword tokens and empty nodes left out")
                continue
            position = to_number(counter)
            if sentence.tokens and position in (0, 1) and position <= previous:
                yield Remark(number, "sentences that start without a blank line")
                yield sentence
                sentence = Sentence([], [], [])
            previous = position
        sentence.tokens.append(cells[chosen.token])
        sentence.tags.append(cells[chosen.tag])
        sentence.lines.append(number)
    if fault or sentence.tokens:
        yield fault or sentence


def describe(reading: Reading) -> str:
    """Return which columns are read, for the user.

    Args:
        reading: the file.

    Raises:
        FormatError: if the columns cannot be determined.
    """
    chosen = layout(reading)
    if chosen is None:
        return ""
    return f"token = column {chosen.token}, tag = column {chosen.tag}"


def _fault(
    reading: Reading, chosen: Layout, number: int, cells: list[str], line: str
) -> FormatError | None:
    """Return the error of a line that breaks the format, or None."""
    fits = len(cells) == chosen.num_columns
    if chosen.ragged and len(cells) > max(chosen.token, chosen.tag):
        fits = True
    if not fits:
        separators = "tabs" if chosen.separator == "\t" else "spaces"
        expected = (
            f"{chosen.num_columns} columns separated by {separators}, as in line "
            f"{chosen.line}"
        )
        return FormatError(reading.path, number, expected, line)
    if not cells[chosen.token] or not cells[chosen.tag]:
        return FormatError(reading.path, number, "a token and its tag", line)
    return None
