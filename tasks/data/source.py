"""The flags that say where the data of a task are."""

from dataclasses import dataclass

from zoo.tasks.data.formats.reading import Columns


@dataclass(frozen=True)
class Files:
    """Where the data come from and how they are read."""

    data: str | None = None
    """A file, a folder, a glob or hub:NAME[/CONFIG]. Default: the task's sample."""
    train_file: tuple[str, ...] = ()
    """Training files or globs; they replace the training files of --data."""
    dev_file: tuple[str, ...] = ()
    """Dev files or globs; the dev score chooses the best epoch."""
    test_file: tuple[str, ...] = ()
    """Test files or globs, scored once at the end."""
    format: str | None = None
    """Format of the files, such as csv or conllu (docs/data.md). Default: detected."""
    encoding: str = "utf-8"
    """Encoding of the files, such as utf-8, utf-16, latin-1 or cp1251."""
    skip_bad_rows: bool = False
    """Leave out rows that break the format, with a note, instead of an error."""

    @property
    def columns(self) -> Columns:
        """The columns that the user names, of those that the flags have."""
        names = Columns._fields
        return Columns(*(getattr(self, f"{name}_column", None) for name in names))


@dataclass(frozen=True)
class TextColumn:
    """The column of a text."""

    text_column: str | None = None
    """Column of the text: a name or a number from 0; several separated by commas."""


@dataclass(frozen=True)
class LabelColumn:
    """The column of a label."""

    label_column: str | None = None
    """Column of the label: a name or a number from 0; in CoNLL-U, a metadata key."""


@dataclass(frozen=True)
class TagColumns:
    """The columns of tokens and tags."""

    token_column: str | None = None
    """Column of the tokens: a name or a number from 0."""
    tag_column: str | None = None
    """Column of the tags: a name or a number from 0; in CoNLL-U, also a key of MISC."""


@dataclass(frozen=True)
class PairColumns:
    """The columns of pairs of texts."""

    source_column: str | None = None
    """Column(s) of the source; or the ending of its parallel files, or its language."""
    target_column: str | None = None
    """Column(s) of the targets; or the ending of their files, or their language."""


@dataclass(frozen=True)
class Source(PairColumns, TagColumns, LabelColumn, TextColumn, Files):
    """Where the data of any task come from and how they are read."""
