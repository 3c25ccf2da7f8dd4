"""The formats of data files: their parsers, and the detection of a file's format.

A parser is a generator from a file to rows. Rows of kind labelled are ``{"text",
"label"}``; tagged and entities ``{"tokens", "tags"}``; text ``{"text"}``; pairs
``{"source", "targets"}``, a text and its accepted targets.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from tasks.data.formats import (
    columns,
    conllu,
    dictionary,
    folder,
    jsonl,
    labelled,
    lines,
    parallel,
    parquet,
    schemes,
    tables,
    text,
)
from tasks.data.formats.errors import DataError, FormatError
from tasks.data.formats.reading import Columns, Kind, Reading, Row, Sentence

__all__ = [
    "FORMATS",
    "Columns",
    "DataError",
    "Format",
    "FormatError",
    "Kind",
    "Reading",
    "describe",
    "detect",
    "detect_scheme",
    "plan",
    "rows",
    "to_rows",
]
_TAGGED: tuple[Kind, ...] = ("tagged", "entities")
_TABLES: tuple[Kind, ...] = ("labelled", "text", "pairs")
_ALL: tuple[Kind, ...] = get_args(Kind)


class Format(NamedTuple):
    """A format.

    Attributes:
        rows: the parser.
        kinds: the kinds of rows that the format can hold.
        endings: usual endings of its files.
        describe: returns which columns of a file are read, for the user; None if there
            is nothing to add to the name of the format.
    """

    rows: Callable[[Reading], Iterator[Row | Sentence]]
    kinds: tuple[Kind, ...]
    endings: tuple[str, ...] = ()
    describe: Callable[[Reading], str] | None = None


FORMATS = {
    "conllu": Format(conllu.rows, ("labelled", "text", *_TAGGED), (".conllu",)),
    "columns": Format(columns.rows, _TAGGED, (".conll", ".bio", ".iob", ".iob2")),
    "csv": Format(tables.rows, _TABLES, (".csv",), tables.describe),
    "tsv": Format(tables.rows, _TABLES, (".tsv",), tables.describe),
    "jsonl": Format(jsonl.rows, _ALL, (".jsonl", ".ndjson"), jsonl.describe),
    "parquet": Format(parquet.rows, _ALL, (".parquet",), parquet.describe),
    "labelled": Format(labelled.rows, ("labelled",)),
    "folder": Format(folder.rows, ("labelled",)),
    "parallel": Format(parallel.rows, ("pairs",), (), parallel.describe),
    "dict": Format(dictionary.rows, ("pairs",), (".dict",)),
    "text": Format(text.rows, ("text",)),
}


def detect(path: Path, kind: Kind, encoding: str = "utf-8") -> str:
    """Return the format of a file, by its ending, otherwise by its content.

    Args:
        path: the file.
        kind: the kind of the rows; only formats that can hold it are considered.
        encoding: the encoding of the file.

    Raises:
        FormatError: if the format cannot be determined.
    """
    for name, format in FORMATS.items():
        if path.suffix.lower() in format.endings and kind in format.kinds:
            # Text files are read unchanged, whatever their ending; only containers of
            # texts are parsed.
            if kind != "text" or name in ("jsonl", "parquet"):
                return name
    if kind == "text":
        return "text"
    with open(path, "rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    numbered = itertools.islice(lines.numbered_lines(path, encoding), 1000)
    head = [line for _, line in numbered if line.strip()]
    if head and head[0].startswith("{"):
        return "jsonl"
    first = next((line for line in head if not line.startswith("#")), "")
    if kind in FORMATS["conllu"].kinds and conllu.looks_like(first):
        return "conllu"
    if kind in _TAGGED:
        return "columns"
    if name := _pairs_format(head) if kind == "pairs" else _labelled_format(head):
        return name
    names = ", ".join(_formats_of(kind))
    expected = (
        "text and labels in a format that can be detected (otherwise name it with "
        f"--format: {names})"
    )
    if kind == "pairs":
        expected = (
            "sources and targets in a format that can be detected (otherwise name it "
            f"with --format: {names}; for two parallel files, give their endings with "
            "--source-column and --target-column)"
        )
    raise FormatError(path, None, expected)


def plan(
    path: Path,
    kind: Kind,
    *,
    format: str | None = None,
    encoding: str = "utf-8",
    columns: Columns = Columns(),  # noqa: B008
    metadata_split: str | None = None,
    targets: Path | None = None,
) -> Reading:
    """Return how a file is read: its format and the tag scheme of its entities.

    Args:
        path: the file.
        kind: the kind of the rows.
        format: one of `FORMATS`; None detects it.
        encoding: the encoding of the file.
        columns: the columns that the user names.
        metadata_split: read only the sentences with this value of the CoNLL-U metadata
            ``split``; None reads all.
        targets: the file of the targets, if the format is parallel.

    Raises:
        DataError: if there is no such format, or it cannot hold such rows.
        FormatError: if the file breaks its format.
    """
    name = format or detect(path, kind, encoding)
    if name not in FORMATS or kind not in FORMATS[name].kinds:
        raise DataError(
            f"--format {name} cannot hold {kind} rows; these can: "
            f"{', '.join(_formats_of(kind))}"
        )
    if name == "parallel" and targets is None:
        raise DataError(
            f"{path}: --format parallel needs two files that differ only in their "
            "endings: give these with --source-column and --target-column"
        )
    reading = Reading(
        path, kind, name, encoding, columns, metadata_split, targets=targets
    )
    if kind == "entities":
        reading = reading._replace(scheme=detect_scheme(path, _parse(reading)))
    return reading


def rows(reading: Reading) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, entities in BIO2.

    Args:
        reading: the file, from `plan`.

    Raises:
        FormatError: if the file breaks its format.
        DataError: if the columns cannot be determined.
    """
    return to_rows(reading.path, reading.scheme, _parse(reading))


def describe(reading: Reading) -> str:
    """Return how a file is read, for the user: format, columns, scheme of entities.

    Args:
        reading: the file, from `plan`.

    Raises:
        FormatError: if the file breaks its format.
        DataError: if the columns cannot be determined.
    """
    describe_columns = FORMATS[reading.format].describe
    columns = describe_columns(reading) if describe_columns else ""
    parts = [f"format {reading.format}", columns]
    if reading.scheme not in (None, "BIO2"):
        parts.append(f"entities {reading.scheme}, converted to BIO2")
    return ", ".join(part for part in parts if part)


def detect_scheme(where: Path | str, parsed: Iterable[Row | Sentence]) -> str:
    """Return the tag scheme of the entities of a file.

    Args:
        where: the file, for error messages.
        parsed: its sentences, from a parser.

    Raises:
        FormatError: if a tag is not an entity tag.
    """
    current: list[Sentence] = []

    def tags() -> Iterator[list[str]]:
        for sentence in parsed:
            assert isinstance(sentence, Sentence)
            current[:] = [sentence]
            yield sentence.tags

    try:
        return schemes.detect(tags())
    except schemes.TagError as error:
        line = current[0].lines[error.position]
        raise FormatError(where, line, error.expected, error.got) from None


def to_rows(
    where: Path | str, scheme: str | None, parsed: Iterable[Row | Sentence]
) -> Iterator[dict[str, Any]]:
    """Yield rows as dicts, with entities converted to BIO2.

    Args:
        where: the file, for error messages.
        scheme: tag scheme of the entities; None leaves the tags unchanged.
        parsed: rows or sentences, from a parser.

    Raises:
        FormatError: if the scheme does not allow a tag at its position.
    """
    for row in parsed:
        if not isinstance(row, Sentence):
            yield row
            continue
        try:
            tags = schemes.to_bio2(row.tags, scheme) if scheme else row.tags
        except schemes.TagError as error:
            line = row.lines[error.position]
            raise FormatError(where, line, error.expected, error.got) from None
        yield {"tokens": row.tokens, "tags": tags}


def _parse(reading: Reading) -> Iterator[Row | Sentence]:
    return FORMATS[reading.format].rows(reading)


def _formats_of(kind: Kind) -> list[str]:
    """Return the names of the formats that can hold rows of a kind."""
    return [name for name, format in FORMATS.items() if kind in format.kinds]


def _labelled_format(head: list[str]) -> str | None:
    """Return the format of lines of texts and labels, by their content."""
    if head and all("\t" in line for line in head):
        return "tsv"
    words = [line.split(maxsplit=1) for line in head]
    first = {parts[0] for parts in words}
    plain = all(word.isdigit() or word.startswith(labelled.PREFIX) for word in first)
    few = plain or 2 * len(first) <= len(head)
    if head and few and all(len(parts) == 2 for parts in words):
        return "labelled"
    return "csv" if head and all("," in line for line in head) else None


def _pairs_format(head: list[str]) -> str | None:
    """Return the format of lines of sources and targets, by their content."""
    for name, separator in (("tsv", "\t"), ("csv", ",")):
        if head and all(separator in line for line in head):
            return name
    return None
