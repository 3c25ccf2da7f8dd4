"""The formats of data files: one parser each, and how a file's format is told.

A parser is a pure generator from a file to rows. Kind labelled gives ``{"text",
"label"}``, tagged and entities ``{"tokens", "tags"}``, text ``{"text"}``, pairs
``{"source", "targets"}``: a text and the texts that are right answers to it.
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
    "bio2",
    "detect",
    "note",
    "plan",
    "rows",
    "scheme",
]
_TAGGED: tuple[Kind, ...] = ("tagged", "entities")
_TABLES: tuple[Kind, ...] = ("labelled", "text", "pairs")
_ALL: tuple[Kind, ...] = get_args(Kind)


class Format(NamedTuple):
    """A format: its parser, the kinds of rows it can give, and its usual endings.

    ``note`` tells in words how a file is read; None where there is nothing to tell.
    """

    rows: Callable[[Reading], Iterator[Row | Sentence]]
    kinds: tuple[Kind, ...]
    endings: tuple[str, ...] = ()
    note: Callable[[Reading], str] | None = None


FORMATS = {
    "conllu": Format(conllu.rows, ("labelled", "text", *_TAGGED), (".conllu",)),
    "columns": Format(columns.rows, _TAGGED, (".conll", ".bio", ".iob", ".iob2")),
    "csv": Format(tables.rows, _TABLES, (".csv",), tables.note),
    "tsv": Format(tables.rows, _TABLES, (".tsv",), tables.note),
    "jsonl": Format(jsonl.rows, _ALL, (".jsonl", ".ndjson"), jsonl.note),
    "parquet": Format(parquet.rows, _ALL, (".parquet",), parquet.note),
    "labelled": Format(labelled.rows, ("labelled",)),
    "folder": Format(folder.rows, ("labelled",)),
    "parallel": Format(parallel.rows, ("pairs",), (), parallel.note),
    "dict": Format(dictionary.rows, ("pairs",), (".dict",)),
    "text": Format(text.rows, ("text",)),
}


def detect(path: Path, kind: Kind, encoding: str = "utf-8") -> str:
    """Return the format of a file, by its ending, else by its content.

    Args:
        path: the file.
        kind: what a row shall be: it narrows the choice.
        encoding: the encoding of the file.

    Raises:
        FormatError: if it is none that gives such rows.
    """
    for name, known in FORMATS.items():
        if path.suffix.lower() in known.endings and kind in known.kinds:
            # A text is what it is: only a container of rows is unpacked.
            if kind != "text" or name in ("jsonl", "parquet"):
                return name
    if kind == "text":
        return "text"
    with open(path, "rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    head = [line for _, line in itertools.islice(lines.numbered(path, encoding), 1000)]
    head = [line for line in head if line.strip()]
    if head and head[0].startswith("{"):
        return "jsonl"
    first = next((line for line in head if not line.startswith("#")), "")
    if kind in FORMATS["conllu"].kinds and conllu.looks_like(first):
        return "conllu"
    if kind in _TAGGED:
        return "columns"
    if found := _of_pairs(head) if kind == "pairs" else _of_labelled(head):
        return found
    names = ", ".join(n for n, known in FORMATS.items() if kind in known.kinds)
    wanted = f"text and labels in a format that can be told (else --format: {names})"
    if kind == "pairs":
        wanted = (
            f"sources and targets in a format that can be told (else --format: {names};"
            " of two parallel files the endings, with --source-column and "
            "--target-column)"
        )
    raise FormatError(path, None, wanted)


def plan(
    path: Path,
    kind: Kind,
    *,
    format: str | None = None,
    encoding: str = "utf-8",
    columns: Columns = Columns(),  # noqa: B008
    part: str | None = None,
    targets: Path | None = None,
) -> Reading:
    """Return how a file is read: its format and the scheme of its entities.

    Args:
        path: the file.
        kind: what a row shall be.
        format: one of `FORMATS`, or None to find it.
        encoding: the encoding of the file.
        columns: the columns that the user named.
        part: take only the sentences of this value of the metadata ``split``.
        targets: the file of the targets, if the format is parallel.

    Raises:
        DataError: if there is no such format, or it gives no such rows.
        FormatError: if the file is not in its format.
    """
    found = format or detect(path, kind, encoding)
    if found not in FORMATS or kind not in FORMATS[found].kinds:
        names = ", ".join(n for n, known in FORMATS.items() if kind in known.kinds)
        raise DataError(f"--format {found} gives no {kind} rows; these do: {names}")
    if found == "parallel" and targets is None:
        raise DataError(
            f"{path}: --format parallel wants two files of one name: give their "
            "endings with --source-column and --target-column"
        )
    reading = Reading(path, kind, found, encoding, columns, part, targets=targets)
    if kind == "entities":
        reading = reading._replace(scheme=scheme(path, _raw(reading)))
    return reading


def rows(reading: Reading) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, entities in BIO2.

    Args:
        reading: what `plan` returned.

    Raises:
        FormatError: if a line is not what its format wants: file, line and what.
        DataError: if the columns cannot be told.
    """
    return bio2(reading.path, reading.scheme, _raw(reading))


def note(reading: Reading) -> str:
    """Return in words how a file is read: format, columns, scheme of the entities.

    Args:
        reading: what `plan` returned.

    Raises:
        DataError: if the columns cannot be told.
    """
    tell = FORMATS[reading.format].note
    parts = [f"format {reading.format}", tell(reading) if tell else ""]
    if reading.scheme not in (None, "BIO2"):
        parts.append(f"entities {reading.scheme}, converted to BIO2")
    return ", ".join(part for part in parts if part)


def scheme(where: Path | str, found: Iterable[Row | Sentence]) -> str:
    """Return the tag scheme of the entities of a file.

    Args:
        where: the file, for messages.
        found: its sentences.

    Raises:
        FormatError: if a tag is none of an entity.
    """
    current: list[Sentence] = []

    def tags() -> Iterator[list[str]]:
        for sentence in found:
            assert isinstance(sentence, Sentence)
            current[:] = [sentence]
            yield sentence.tags

    try:
        return schemes.detect(tags())
    except schemes.TagError as error:
        line = current[0].lines[error.position]
        raise FormatError(where, line, error.expected, error.got) from None


def bio2(
    where: Path | str, scheme: str | None, found: Iterable[Row | Sentence]
) -> Iterator[dict[str, Any]]:
    """Yield finished rows: sentences as dicts, their entities in BIO2.

    Args:
        where: the file, for messages.
        scheme: the scheme of the entities; None leaves the tags as they are.
        found: what a parser yields.

    Raises:
        FormatError: if a tag stands where its scheme allows none.
    """
    for row in found:
        if not isinstance(row, Sentence):
            yield row
            continue
        try:
            tags = schemes.to_bio2(row.tags, scheme) if scheme else row.tags
        except schemes.TagError as error:
            line = row.lines[error.position]
            raise FormatError(where, line, error.expected, error.got) from None
        yield {"tokens": row.tokens, "tags": tags}


def _raw(reading: Reading) -> Iterator[Row | Sentence]:
    return FORMATS[reading.format].rows(reading)


def _of_labelled(head: list[str]) -> str | None:
    """Return the format of lines of texts and labels, by content alone."""
    if head and all("\t" in line for line in head):
        return "tsv"
    words = [line.split(maxsplit=1) for line in head]
    first = {parts[0] for parts in words}
    known = all(word.isdigit() or word.startswith(labelled.PREFIX) for word in first)
    few = known or 2 * len(first) <= len(head)
    if head and few and all(len(parts) == 2 for parts in words):
        return "labelled"
    return "csv" if head and all("," in line for line in head) else None


def _of_pairs(head: list[str]) -> str | None:
    """Return the format of lines of sources and targets, by content alone."""
    for name, divider in (("tsv", "\t"), ("csv", ",")):
        if head and all(divider in line for line in head):
            return name
    return None
