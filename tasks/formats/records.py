"""JSON lines and Parquet: rows with named columns."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from tasks.formats.base import FormatError, Options, lines, pick
from tasks.formats.delimited import LABELS, TEXTS

TOKENS = ("tokens", "words")
TAGS = ("tags", "ner_tags", "pos_tags", "upos", "labels")


def read_jsonl(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file with one JSON object a line.

    Args:
        path: the file.
        options: its columns, where they have unusual names.

    Raises:
        FormatError: naming file and line.
    """
    for number, line in lines(path, options.encoding):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise FormatError(path, number, f"expected JSON: {error}") from error
        if not isinstance(row, dict):
            raise FormatError(path, number, f"expected a JSON object, got {line[:60]}")
        yield _row(path, number, options, row)


def read_parquet(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file.

    Args:
        path: the file.
        options: its columns, where they have unusual names.

    Raises:
        FormatError: naming the file.
    """
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(1000):
                for row in batch.to_pylist():
                    number += 1
                    yield _row(path, number, options, row)
    except pyarrow.ArrowException as error:
        raise FormatError(path, None, f"expected Parquet: {error}") from error


def _row(
    path: Path, number: int, options: Options, row: Mapping[str, Any]
) -> dict[str, Any]:
    def find(flag: str | None, names: tuple[str, ...], what: str) -> Any:
        if flag is not None:
            return pick(row, flag, path, number)
        for name in names:
            if name in row:
                return row[name]
        raise FormatError(
            path,
            number,
            f"expected a column of {what} ({', '.join(names[:4])}, ...), found "
            f"{', '.join(row)}",
        )

    if options.kind in ("tagged", "entities"):
        tokens = find(options.token_column, TOKENS, "words")
        tags = find(options.tag_column, TAGS, "tags")
        if (
            not isinstance(tokens, list)
            or not isinstance(tags, list)
            or len(tokens) != len(tags)
        ):
            raise FormatError(
                path, number, "expected a list of words and one of as many tags"
            )
        return {"tokens": list(map(str, tokens)), "tags": list(map(str, tags))}
    text = find(options.text_column, TEXTS, "texts")
    if options.kind == "text":
        return {"text": f"{text}\n"}
    return {
        "text": str(text),
        "label": str(find(options.label_column, LABELS, "labels")),
    }
