"""The layout of a file of CoNLL columns: which column is the token, which the tag."""

import itertools
import re
from collections.abc import Sequence
from functools import partial
from operator import gt
from typing import NamedTuple

from zoo.tasks.data.formats import conllu
from zoo.tasks.data.formats.column_choice import (
    ENTITY_NAMES,
    TAG_NAMES,
    TOKEN_NAMES,
    column_number,
)
from zoo.tasks.data.formats.entity_columns import are_entities, entity_column
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.lines import numbered_lines
from zoo.tasks.data.formats.reading import Reading
from zoo.tasks.data.formats.running_numbers import running_column
from zoo.tasks.data.formats.schemes import ENTITY_TAG

SAMPLE_SIZE = 1000  # lines at the start of a file from which columns are chosen
_DOCUMENT = re.compile(r"#(begin|end) document\b.*")  # as in CoNLL-2012
_PLACEHOLDERS = {"_", "-", "*"}
_MIN_CONSTANT_ROWS = 10  # fewer rows do not show that a column names the document
_CONLL_2012_COLUMNS = 11  # at least
_CONLL_2009_COLUMNS = 13  # at least
_HEADER_TOKENS = (*TOKEN_NAMES, "form")
_HEADER_TAGS = {*TAG_NAMES, *ENTITY_NAMES, "label", "iob", "bio", "iob2", "ner_tag"}

Numbered = tuple[int, list[str]]
"""A line: its number and its cells."""


class Layout(NamedTuple):
    """How the lines of a file are divided, and what its columns hold.

    Attributes:
        line: number of the first line of data, which sets the number of columns.
        separator: a tab or a space.
        num_columns: number of columns.
        token: index of the token.
        tag: index of the tag.
        running: index of the column that counts the tokens of a sentence; None if there
            is none.
        header: number of the header line; None if there is none.
        tags: the tags of the sample.
        ragged: some lines have more columns, others fewer; all hold a token and a tag.
    """

    line: int
    separator: str
    num_columns: int
    token: int
    tag: int
    running: int | None = None
    header: int | None = None
    tags: frozenset[str] = frozenset()
    ragged: bool = False

    def cells(self, line: str) -> list[str]:
        """Return the cells of a line.

        Args:
            line: the line, without its line end.
        """
        return split(line, self.separator)

    def is_comment(self, line: str, at_start: bool, kind: str) -> bool:
        """Return whether a line is a comment, and not a token that starts with ``#``.

        Args:
            line: the line, without its line end.
            at_start: the line starts a sentence; there are no comments inside one.
            kind: the kind of the rows.
        """
        if not line.startswith("#"):
            return False
        if _DOCUMENT.fullmatch(line) or self.running == 0:
            return True
        cells = self.cells(line)
        if not at_start or len(cells) == self.num_columns and cells[0] != "#":
            return False
        if len(cells) != self.num_columns:
            return True
        tag = cells[self.tag]
        if self.separator == "\t" or tag in self.tags or tag == cells[self.token]:
            return False
        return not (kind == "entities" and ENTITY_TAG.fullmatch(tag))


def split(line: str, separator: str) -> list[str]:
    """Return the cells of a line.

    Args:
        line: the line, without its line end.
        separator: a tab or a space.
    """
    # str.split() would also split at U+00A0 and similar spaces inside tokens.
    cells = line.split(separator)
    return cells if separator == "\t" else [cell for cell in cells if cell]


def is_boundary(line: str) -> bool:
    """Return whether a line ends a sentence.

    Args:
        line: the line.
    """
    return not line.strip() or line.startswith("-DOCSTART-")


def layout(reading: Reading) -> Layout | None:
    """Return the layout of a file; None if it has no tokens.

    The token is the first column, but never a running number (from 0 or 1) or the
    columns before it. The tag is the last column: for entities, the last one that holds
    entity tags; in files of the columns of CoNLL-X, CoNLL-2009 and CoNLL-2012, the part
    of speech. Names in a header and the user's flags take precedence.

    Args:
        reading: the file.

    Raises:
        FormatError: if the columns cannot be determined, or the user names one that
            does not exist.
    """
    lines = numbered_lines(reading.path, reading.encoding)
    head = list(itertools.islice(lines, SAMPLE_SIZE))
    data = [(n, line) for n, line in head if not is_boundary(line)]
    if not data:
        rest = ((n, line) for n, line in lines if not is_boundary(line))
        data = head = list(itertools.islice(rest, 1))
    plain = [(n, line) for n, line in data if not line.startswith("#")] or data
    if not plain:
        return None
    number, line = plain[0]
    separator = "\t" if "\t" in line else " "
    sentences: list[list[Numbered]] = [[]]
    wanted = {n for n, _ in plain}
    for n, text in head:
        if is_boundary(text):
            sentences.append([])
        elif n in wanted:
            sentences[-1].append((n, split(text, separator)))
    sentences = [sentence for sentence in sentences if sentence]
    names = _header(sentences)
    header = number if names else None
    if names:
        sentences[0] = sentences[0][1:]
        sentences = [sentence for sentence in sentences if sentence]
    width = len(split(line, separator))
    if width < 2:
        expected = "a token and its tag, separated by a tab or by spaces"
        raise FormatError(reading.path, number, expected, line)
    cells = [[cells for _, cells in sentence] for sentence in sentences]
    running = running_column(cells, width)
    token = _token(reading, number, width, names, running, sentences)
    tag = _tag(reading, number, width, names, running, token, sentences, data)
    rows = [cells for sentence in sentences for _, cells in sentence]
    widths = {len(cells) for cells in rows}
    tags = [cells[tag] for cells in rows if tag < len(cells)]
    ragged = len(widths) > 1 and running is not None and max(token, tag) < min(widths)
    if ragged:
        ragged = reading.kind == "entities" and are_entities(tags, len(rows))
    return Layout(
        number, separator, width, token, tag, running, header, frozenset(tags), ragged
    )


def _header(sentences: list[list[Numbered]]) -> list[str]:
    """Return the names of the columns, if the first line is a header."""
    first, *rest = [cells for sentence in sentences for _, cells in sentence]
    names = [cell.strip().lower() for cell in first]
    has_token = any(name in _HEADER_TOKENS for name in names)
    has_tag = any(name in _HEADER_TAGS for name in names)
    if not has_token or not has_tag or not rest:
        return []
    tags = [index for index, name in enumerate(names) if name in _HEADER_TAGS]
    repeated = any(
        first[index] == cells[index]
        for cells in rest
        for index in itertools.takewhile(partial(gt, len(cells)), tags)
    )
    return [] if repeated else [cell.strip() for cell in first]


def _token(
    reading: Reading,
    number: int,
    width: int,
    names: list[str],
    running: int | None,
    sentences: list[list[Numbered]],
) -> int:
    """Return the index of the token."""
    option = "--token-column"
    if reading.columns.token is not None:
        return _index(reading, number, width, names, reading.columns.token, option)
    lower = [name.lower() for name in names]
    if named := [name for name in _HEADER_TOKENS if name in lower]:
        return lower.index(named[0])
    token = 0 if running is None else running + 1
    if running is not None and width < running + 3 and reading.columns.tag is None:
        expected = (
            f"a token and its tag after column {running}, a running number (name the "
            f"columns with {option} and --tag-column)"
        )
        raise FormatError(reading.path, number, expected, sentences[0][0][1])
    column = [[cells[0] for _, cells in sentence] for sentence in sentences]
    longer = [cells for cells in column if len(cells) > 1]
    num_rows = sum(map(len, column))
    constant = all(len(set(cells)) == 1 for cells in column)
    if width > 2 and token == 0 and constant and len(longer) > 1:
        if num_rows >= _MIN_CONSTANT_ROWS:
            expected = (
                f"a token in column 0, which is the same in all lines of a sentence "
                f"(name the column of the token with {option})"
            )
            raise FormatError(reading.path, number, expected, column[0][0])
    return token


def _tag(
    reading: Reading,
    number: int,
    width: int,
    names: list[str],
    running: int | None,
    token: int,
    sentences: list[list[Numbered]],
    data: Sequence[tuple[int, str]],
) -> int:
    """Return the index of the tag."""
    if reading.columns.tag is not None:
        value = reading.columns.tag
        return _index(reading, number, width, names, value, "--tag-column")
    lower = [name.lower() for name in names]
    usual = ENTITY_NAMES if reading.kind == "entities" else TAG_NAMES
    if named := [name for name in usual if name in lower]:
        return lower.index(named[0])
    rows = [cells for sentence in sentences for _, cells in sentence]
    others = [c for c in reversed(range(width)) if c not in (token, running)]
    if not others:
        return width - 1
    columns: list[list[str]] = [[] for _ in range(width)]
    for cells in rows:
        for column, cell in zip(columns, cells, strict=False):
            column.append(cell)
    if reading.kind == "entities":
        return entity_column(columns, len(rows), others)
    is_conll_2012 = any(_DOCUMENT.fullmatch(line) for _, line in data)
    if is_conll_2012 and width >= _CONLL_2012_COLUMNS and token == 3:
        return 4
    if running == 0 and token == 1 and width == len(conllu.COLUMNS):
        return conllu.COLUMNS.index("upos")
    if running == 0 and token == 1 and width >= _CONLL_2009_COLUMNS:
        return 4
    filled = (c for c in others if not _PLACEHOLDERS.issuperset(columns[c]))
    return next(filled, others[0])


def _index(
    reading: Reading,
    number: int,
    width: int,
    names: list[str],
    value: str,
    option: str,
) -> int:
    """Return the index of a column that the user names, by number or by its name."""
    if value in names:
        return names.index(value)
    index = column_number(value)
    if index is None or not -width <= index < width:
        listed = f" or one of {', '.join(names)}" if names else ""
        expected = (
            f"a number from 0 to {width - 1}{listed} as {option}, as there are "
            f"{width} columns"
        )
        raise FormatError(reading.path, number, expected, value)
    return index % width
