"""The formats of data files: their parsers, and the detection of a file's format.

A parser is a generator from a file to rows. Rows of kind labelled are ``{"text",
"label"}``; tagged and entities ``{"tokens", "tags"}``; text ``{"text"}``; pairs
``{"source", "targets"}``, a text and its accepted targets.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from zoo.tasks.data.formats import (
    columns,
    conllu,
    detection,
    dictionary,
    folder,
    jsonl,
    labelled,
    lines,
    opening,
    parallel,
    parquet,
    survey,
    tables,
    text,
)
from zoo.tasks.data.formats.errors import DataError, FormatError
from zoo.tasks.data.formats.reading import Columns, Kind, Parsed, Reading

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
    "plan",
    "rows",
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
        has_remarks: the file is read once before its rows, to report what the parser
            leaves out or repairs.
    """

    rows: Callable[[Reading], Iterator[Parsed]]
    kinds: tuple[Kind, ...]
    endings: tuple[str, ...] = ()
    describe: Callable[[Reading], str] | None = None
    has_remarks: bool = False


FORMATS = {
    "conllu": Format(
        conllu.rows,
        ("labelled", "text", *_TAGGED),
        (".conllu",),
        conllu.describe,
        has_remarks=True,
    ),
    "columns": Format(
        columns.rows,
        _TAGGED,
        (".conll", ".bio", ".iob", ".iob2", ".bmes"),
        columns.describe,
        has_remarks=True,
    ),
    "csv": Format(tables.rows, _ALL, (".csv",), tables.describe),
    "tsv": Format(tables.rows, _TABLES, (".tsv",), tables.describe),
    "jsonl": Format(jsonl.rows, _ALL, (".jsonl", ".ndjson", ".json"), jsonl.describe),
    "parquet": Format(parquet.rows, _ALL, (".parquet",), parquet.describe),
    "labelled": Format(labelled.rows, ("labelled",), (), labelled.describe),
    "folder": Format(folder.rows, ("labelled",), (), None, has_remarks=True),
    "parallel": Format(parallel.rows, ("pairs",), (), parallel.describe),
    "dict": Format(dictionary.rows, ("pairs",), (".dict",)),
    "text": Format(text.rows, ("text",)),
}


def detect(path: Path, kind: Kind, encoding: str = "utf-8") -> str:
    """Return the format of a file, by its content, otherwise by its ending.

    Args:
        path: the file.
        kind: the kind of the rows; only formats that can hold it are considered.
        encoding: the encoding of the file.

    Raises:
        FormatError: if the format cannot be determined.
    """
    ending = lines.without_gz(path).suffix.lower()
    named = (n for n, f in FORMATS.items() if ending in f.endings and kind in f.kinds)
    by_ending = next(named, None)
    if kind == "text":
        # Text files are read unchanged, whatever their ending; only containers of
        # texts are parsed.
        return by_ending if by_ending in ("jsonl", "parquet") else "text"
    _check_ending(path, ending, kind)
    if parquet.is_parquet(path):
        return "parquet"
    numbered = itertools.islice(lines.numbered_lines(path, encoding), 1000)
    head = [line for _, line in numbered if line.strip()]
    if name := detection.by_content(head, kind, by_ending):
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


def _check_ending(path: Path, ending: str, kind: Kind) -> None:
    """Raise an error if an ending is that of formats with other rows alone."""
    kinds = {k for f in FORMATS.values() if ending in f.endings for k in f.kinds}
    if kinds and not kinds & {kind, "text"}:  # what holds text holds many things
        others = " or ".join(sorted(kinds))
        raise FormatError(
            path,
            None,
            f"{kind} rows; a file that ends in {ending} holds {others} rows (otherwise "
            "name its format with --format)",
        )


def plan(
    path: Path,
    kind: Kind,
    *,
    format: str | None = None,
    encoding: str = "utf-8",
    columns: Columns = Columns(),  # noqa: B008
    metadata_split: str | None = None,
    targets: Path | None = None,
    label: str | None = None,
    skip_bad_rows: bool = False,
    tokenizer: str = "words",
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
        label: the label of all rows, if the format is folder.
        skip_bad_rows: leave out rows that break the format, instead of an error.
        tokenizer: as for `Reading`.

    Raises:
        DataError: if there is no such format, or it cannot hold such rows; or the file
            cannot be read.
        FormatError: if the file breaks its format.
    """
    paths = [path] if targets is None else [path, targets]
    digest = opening.digest(*paths)
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
        path,
        kind,
        name,
        encoding,
        columns,
        metadata_split,
        targets=targets,
        label=label,
        skip_bad_rows=skip_bad_rows,
        tokenizer=tokenizer,
        digest=digest,
    )
    if kind == "entities" or skip_bad_rows or FORMATS[name].has_remarks:
        known = survey.survey(
            path, kind, lambda: _parse(reading), skip_bad_rows=skip_bad_rows
        )
        return reading._replace(scheme=known.scheme, remarks=known.remarks)
    return reading


def rows(reading: Reading) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, entities in BIO2.

    Args:
        reading: the file, from `plan`.

    Raises:
        FormatError: if the file breaks its format.
        DataError: if the columns cannot be determined, or the file has changed.
    """
    yield from survey.to_rows(
        reading.path,
        reading.scheme,
        _parse(reading),
        skip_bad_rows=reading.skip_bad_rows,
    )
    paths = [reading.path, *filter(None, [reading.targets])]
    if reading.digest != opening.digest(*paths):
        names = " or ".join(map(str, paths))
        raise DataError(f"{names} has changed while it was read: read it again")


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


def _parse(reading: Reading) -> Iterator[Parsed]:
    return FORMATS[reading.format].rows(reading)


def _formats_of(kind: Kind) -> list[str]:
    """Return the names of the formats that can hold rows of a kind."""
    return [name for name, format in FORMATS.items() if kind in format.kinds]
