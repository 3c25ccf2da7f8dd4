"""CSV and TSV, with or without a header: which column is what is found out.

The label is the column with the fewest and shortest values, the text all the others
together, unless a header or flags tell.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tasks.formats.base import FormatError, Options, lines, pick

LABELS = ("label", "class", "category", "sentiment", "polarity", "target", "topic")
TEXTS = ("text", "sentence", "title", "content", "review", "description", "document")
TEXTS += ("question", "tweet", "comment", "body")
Numbered = tuple[int, list[str]]


def read_csv(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV file.

    Args:
        path: the file.
        options: `text_column` and `label_column` name columns, or number them from 0.

    Raises:
        FormatError: naming file and line.
    """
    csv.field_size_limit(2**31 - 1)
    # The parser must see line ends inside of quotes.
    source = (line + "\n" for _, line in lines(path, options.encoding))
    reader = csv.reader(source, strict=True)

    def numbered() -> Iterator[Numbered]:
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise FormatError(
                path, reader.line_num, f"expected comma-separated values: {error}"
            ) from error

    yield from _rows(path, options, numbered())


def read_tsv(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file with tabs between its columns; quotes are text.

    Args:
        path: the file.
        options: `text_column` and `label_column` name columns, or number them from 0.

    Raises:
        FormatError: naming file and line.
    """
    rows = (
        (number, line.split("\t"))
        for number, line in lines(path, options.encoding)
        if line.strip()
    )
    yield from _rows(path, options, rows)


def _rows(
    path: Path, options: Options, rows: Iterator[Numbered]
) -> Iterator[dict[str, Any]]:
    head = list(islice(rows, 500))
    if not head:
        return
    names = _header(head[0][1], options)
    if names is not None:
        head = head[1:]
        of_text, of_label = _named(names, options)
    else:
        of_text, of_label = options.text_column, options.label_column
    width = len(names or head[0][1])
    if options.kind == "labelled" and (of_text is None or of_label is None):
        found = _guess(path, [row for _, row in head], width, of_text, of_label)
        of_text, of_label = found
    for number, row in chain(head, rows):
        if len(row) != width:
            raise FormatError(
                path, number, f"expected {width} columns, got {len(row)}: {row!r:.80}"
            )
        texts = (of_text or "0").split(",")
        text = " ".join(pick(row, column, path, number).strip() for column in texts)
        if options.kind == "text":
            yield {"text": text + "\n"}
            continue
        label = pick(row, of_label or "-1", path, number).strip()
        if not label:
            raise FormatError(path, number, f"expected a label, got {row!r:.80}")
        yield {"text": text, "label": label}


def _header(row: list[str], options: Options) -> list[str] | None:
    """Return the names of the columns if the first row is one of names."""
    wanted = [options.text_column or "", options.label_column or ""]
    flags = {name.strip() for part in wanted for name in part.split(",")}
    names = [cell.strip() for cell in row]
    known = {*LABELS, *TEXTS, *(f.lower() for f in flags if f and not f.isdecimal())}
    lower = [name.lower() for name in names]
    return names if len(set(lower)) == len(lower) and known & set(lower) else None


def _named(names: list[str], options: Options) -> tuple[str | None, str | None]:
    """Return the numbers of the columns that a header or a flag names."""

    def number(name: str) -> str:
        return str(names.index(name)) if name in names else name

    lower = [name.lower() for name in names]
    texts = [str(k) for k, name in enumerate(lower) if name in TEXTS]
    labels = [str(lower.index(name)) for name in LABELS if name in lower]
    of_text, of_label = ",".join(texts) or None, labels[0] if labels else None
    if options.text_column is not None:
        of_text = ",".join(number(n.strip()) for n in options.text_column.split(","))
    if options.label_column is not None:
        of_label = number(options.label_column)
    return of_text, of_label


def _guess(
    path: Path,
    rows: Iterable[list[str]],
    width: int,
    of_text: str | None,
    of_label: str | None,
) -> tuple[str, str]:
    """Return which columns hold the text and the label, by their values."""
    if width < 2:
        raise FormatError(
            path, 1, f"expected a column of texts and one of labels, got {width} column"
        )
    cells = [[row[k] for row in rows if len(row) == width] for k in range(width)]
    texts = set((of_text or "").split(","))
    if of_label is None:
        free = [k for k in range(width) if str(k) not in texts]

        def rank(k: int) -> tuple[int, float]:
            return len(set(cells[k])), sum(map(len, cells[k])) / max(len(cells[k]), 1)

        of_label = str(min(free, key=rank))
    if of_text is None:
        of_text = ",".join(str(k) for k in range(width) if str(k) != of_label)
    return of_text, of_label
