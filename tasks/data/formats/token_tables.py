"""CSV files of a token and its tags per row, such as the GMB corpus of Kaggle.

A header names the columns, such as ``Sentence #,Word,POS,Tag``. A sentence starts where
the column of the sentence has a new value, a blank cell being none; without such a
column, after a blank row.
"""

from collections.abc import Iterator, Sequence

from zoo.tasks.data.formats.column_choice import (
    ENTITY_NAMES,
    TAG_NAMES,
    TOKEN_NAMES,
    by_name,
    columns_of_flag,
    is_sentence_name,
    quoted_names,
)
from zoo.tasks.data.formats.errors import DataError, FormatError
from zoo.tasks.data.formats.reading import Reading, Sentence
from zoo.tasks.data.formats.table_cells import delimiter_name, numbered_cells


def rows(reading: Reading) -> Iterator[Sentence | FormatError]:
    """Yield the sentences of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be determined.
        FormatError: if the file is no CSV.
    """
    table = numbered_cells(reading)
    header = next((cells for _, cells in table if isinstance(cells, list)), None)
    if header is None:
        return
    names = [cell.strip() for cell in header]
    token, tag, number = _columns(reading, names)
    sentence, fault, current = Sentence([], [], []), None, None
    for line, cells in table:
        blank_row = isinstance(cells, FormatError)
        starts = blank_row and number is None
        if not blank_row and number is not None and number < len(cells):
            value = cells[number].strip()
            starts = bool(value) and value != current
            current = value or current
        if starts and (fault or sentence.tokens):
            yield fault or sentence
            sentence, fault = Sentence([], [], []), None
        if blank_row:
            fault = fault or (None if number is None else cells)
        elif len(cells) != len(names):
            expected = f"{len(names)} cells, as in the header ({len(cells)} found)"
            fault = fault or FormatError(reading.path, line, expected, cells)
        elif not cells[token].strip() or not cells[tag].strip():
            empty = names[tag] if cells[token].strip() else names[token]
            expected = f"a token ({names[token]}) and its tag ({names[tag]})"
            fault = fault or FormatError(
                reading.path, line, expected, cells, f"{empty} is empty"
            )
        else:
            sentence.tokens.append(cells[token].strip())
            sentence.tags.append(cells[tag].strip())
            sentence.lines.append(line)
    if fault or sentence.tokens:
        yield fault or sentence


def describe(reading: Reading) -> str:
    """Return which columns are read, for the user.

    Args:
        reading: the file.

    Raises:
        DataError: as for `rows`.
    """
    table = numbered_cells(reading)
    header = next((cells for _, cells in table if isinstance(cells, list)), None)
    if header is None:
        return ""
    names = [cell.strip() for cell in header]
    token, tag, number = _columns(reading, names)
    starts = "blank rows" if number is None else names[number]
    text = f"token = {names[token]}, tag = {names[tag]}, sentences by {starts}"
    name = delimiter_name(reading)
    return f"{text}, divided by {name}" if name else text


def _columns(reading: Reading, names: Sequence[str]) -> tuple[int, int, int | None]:
    """Return the indices of the token, its tag, and the sentence (None if missing)."""
    usual_tags = ENTITY_NAMES if reading.kind == "entities" else TAG_NAMES
    indices = []
    for value, usual, option in (
        (reading.columns.token, TOKEN_NAMES, "--token-column"),
        (reading.columns.tag, usual_tags, "--tag-column"),
    ):
        chosen = columns_of_flag(reading.path, names, value, option)
        name = chosen[0] if chosen else by_name(names, usual)
        if name is None:
            raise DataError(
                f"{reading.path}: the header names no usual column for {option}; name "
                f"it: {quoted_names(names)}"
            )
        indices.append(list(names).index(name))
    sentence = next((n for n, name in enumerate(names) if is_sentence_name(name)), None)
    return indices[0], indices[1], sentence
