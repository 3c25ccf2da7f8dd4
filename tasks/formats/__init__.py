"""The formats of files, one parser each: a file in, plain rows out.

A row of labelled text is ``{"text", "label"}``, one of tagged words ``{"tokens",
"tags"}``, one of plain text ``{"text"}``. Where a sentence takes many lines, ``line``
is that of its first word; ``split`` is the split that the file itself gives it to.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.formats import columns, conllu, delimited, folder, records, text
from tasks.formats.base import FormatError, Options, lines

__all__ = ["FORMATS", "FormatError", "Options", "detect", "parse"]

FORMATS: dict[str, Callable[[Path, Options], Iterator[dict[str, Any]]]] = {
    "conllu": conllu.read,
    "columns": columns.read,
    "csv": delimited.read_csv,
    "tsv": delimited.read_tsv,
    "jsonl": records.read_jsonl,
    "parquet": records.read_parquet,
    "labelled": text.read_labelled,
    "folder": folder.read,
    "text": text.read_plain,
}
ENDINGS = {
    ".conllu": "conllu",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


def detect(path: Path, options: Options) -> str:
    """Tell the format of a file from its ending, or else from its first lines.

    Args:
        path: a file, or a folder with one file a class.
        options: what the rows are to be.

    Raises:
        FormatError: if the file is not in the encoding.
    """
    if path.is_dir():
        return "folder"
    if options.kind == "text" and path.suffix != ".parquet":
        return "text"
    if path.suffix.lower() in ENDINGS:
        return ENDINGS[path.suffix.lower()]
    head = [line for _, line in islice(lines(path, options.encoding), 50)]
    full = [line for line in head if line.strip()]
    if options.kind in ("tagged", "entities"):
        parts = [line.split("\t") for line in full if not line.startswith("#")]
        ten = bool(parts) and all(len(part) == 10 for part in parts)
        return "conllu" if ten else "columns"
    if full and full[0].lstrip().startswith("{"):
        return "jsonl"
    tabs = {line.count("\t") for line in full}
    return "tsv" if len(tabs) == 1 and tabs != {0} else "labelled"


def parse(path: Path, options: Options, name: str | None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file.

    Args:
        path: a file, or a folder with one file a class.
        options: what the rows are to be.
        name: the format; None to tell it from the file.

    Raises:
        FormatError: naming file and line, if it is not in the format.
    """
    yield from FORMATS[name or detect(path, options)](path, options)
