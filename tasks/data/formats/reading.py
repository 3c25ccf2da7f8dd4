"""What is read from a file, and how: the arguments of every parser."""

from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["labelled", "tagged", "entities", "text", "pairs"]
"""What a row is: a text and its label, tokens and their tags, a line of text, or a
source and its targets."""


class Columns(NamedTuple):
    """The columns that the user names, each by its name or its number from 0.

    None leaves it to the parser to find the column.
    """

    text: str | None = None
    label: str | None = None
    token: str | None = None
    tag: str | None = None
    source: str | None = None
    target: str | None = None


class Reading(NamedTuple):
    """One file and all that decides about its rows.

    ``part`` takes only the sentences whose metadata names that split, ``scheme`` is
    the scheme of the entities in the file, before they are converted, ``targets`` is
    the file of the targets where they stand in one of their own.
    """

    path: Path
    kind: Kind
    format: str
    encoding: str = "utf-8"
    columns: Columns = Columns()
    part: str | None = None
    scheme: str | None = None
    targets: Path | None = None


class Sentence(NamedTuple):
    """Tokens, their tags, and the line of each in the file, for messages."""

    tokens: list[str]
    tags: list[str]
    lines: list[int]


Row = dict[str, str] | dict[str, str | list[str]]
"""A row of kind labelled (text, label), text (text) or pairs (source, targets)."""
