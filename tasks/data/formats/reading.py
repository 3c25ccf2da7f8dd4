"""How a file is read: the arguments and the results of every parser."""

from pathlib import Path
from typing import Literal, NamedTuple

from zoo.tasks.data.formats.errors import FormatError

Kind = Literal["labelled", "tagged", "entities", "text", "pairs"]
"""What a row is: a text with a label, tokens with tags, tokens with entity tags, a line
of text, or a source with its targets."""


class Columns(NamedTuple):
    """The columns that the user names, each by name or by number from 0.

    For None, the parser chooses the column.
    """

    text: str | None = None
    label: str | None = None
    token: str | None = None
    tag: str | None = None
    source: str | None = None
    target: str | None = None


class Reading(NamedTuple):
    """A file, and all that determines its rows.

    Attributes:
        path: the file.
        kind: the kind of the rows.
        format: name of the format.
        encoding: encoding of the file.
        columns: the columns that the user names.
        metadata_split: read only the sentences with this value of the CoNLL-U metadata
            ``split``; None reads all.
        scheme: tag scheme of the entities in the file; None for other kinds of rows.
        targets: the file of the targets, in format ``parallel``.
        label: the label of all rows, in format ``folder``.
        skip_bad_rows: leave out rows that break the format, instead of an error.
        tokenizer: a key of `zoo.text.CURRENT_TOKENIZERS`, which splits a text that
            comes with character offsets and without tokens.
        remarks: what was left out or repaired, for the user.
        digest: of the bytes of the file and of `targets`, before they were read.
    """

    path: Path
    kind: Kind
    format: str
    encoding: str = "utf-8"
    columns: Columns = Columns()
    metadata_split: str | None = None
    scheme: str | None = None
    targets: Path | None = None
    label: str | None = None
    skip_bad_rows: bool = False
    tokenizer: str = "words"
    remarks: tuple[str, ...] = ()
    digest: str = ""


class Sentence(NamedTuple):
    """Tokens, their tags, and the line number of each token for error messages."""

    tokens: list[str]
    tags: list[str]
    lines: list[int]


Row = dict[str, str] | dict[str, str | list[str]]
"""A row of kind labelled (text, label), text (text) or pairs (source, targets)."""


class Remark(NamedTuple):
    """Something in a file that is no row, and is reported to the user.

    Attributes:
        line: its line number.
        what: the plural, such as ``"blank lines left out"``.
    """

    line: int
    what: str


Parsed = Row | Sentence | Remark | FormatError
"""What a parser yields. A `FormatError` stands for a single bad row: the rows after it
can still be read. If that is not so, the parser raises the error instead."""
