"""From records (rows with named columns) to rows: what all tables have in common."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from tasks.data.formats import column_choice, pair_columns
from tasks.data.formats.column_choice import Record
from tasks.data.formats.errors import FormatError
from tasks.data.formats.reading import Columns, Kind, Row, Sentence

NumberedRecords = Iterable[tuple[int, Record]]
"""Records, each with its line number or its own number from 1."""


def rows(
    where: str,
    kind: Kind,
    columns: Columns,
    records: NumberedRecords,
    class_columns: Sequence[str] = (),
) -> Iterator[Row | Sentence]:
    """Yield the rows of a table.

    Args:
        where: the file, for error messages.
        kind: the kind of the rows.
        columns: the columns that the user names.
        records: the records.
        class_columns: columns of type ``ClassLabel``.

    Raises:
        DataError: if the columns cannot be determined.
        FormatError: if a record lacks one of them.
    """
    stream = iter(records)
    sample = list(itertools.islice(stream, column_choice.SAMPLE_SIZE))
    if not sample:
        return
    numbered = itertools.chain(sample, stream)
    if kind == "pairs":
        sources, targets = pair_columns.choose(where, [r for _, r in sample], columns)
        for line, record in numbered:
            record = pair_columns.unpack_translation(record)
            yield _pair(where, line, record, sources, targets)
        return
    texts, label, token, tag = _choose(where, kind, columns, sample, class_columns)
    for line, record in numbered:
        if kind in ("tagged", "entities"):
            sentence = _sentence(where, line, record, token, tag)
            if sentence.tokens:
                yield sentence
            continue
        text = " ".join(_cell(where, line, record, name) for name in texts)
        if kind == "text":
            yield {"text": text if text.endswith("\n") else text + "\n"}
            continue
        value = _cell(where, line, record, label).strip()
        if not text.strip() or not value:
            expected = f"a text ({' + '.join(texts)}) and a label ({label})"
            raise FormatError(where, line, expected, dict(record))
        yield {"text": text, "label": value}


def describe(
    where: str,
    kind: Kind,
    columns: Columns,
    records: NumberedRecords,
    class_columns: Sequence[str] = (),
) -> str:
    """Return which columns are read, for the user.

    Args:
        where: as for `rows`.
        kind: as for `rows`.
        columns: as for `rows`.
        records: as for `rows`.
        class_columns: as for `rows`.

    Raises:
        DataError: if the columns cannot be determined.
    """
    sample = list(itertools.islice(iter(records), column_choice.SAMPLE_SIZE))
    if not sample:
        return ""
    if kind == "pairs":
        sources, targets = pair_columns.choose(where, [r for _, r in sample], columns)
        return f"source = {' + '.join(sources)}, target = {', '.join(targets)}"
    texts, label, token, tag = _choose(where, kind, columns, sample, class_columns)
    if kind in ("tagged", "entities"):
        return f"tokens = {token}, tags = {tag}"
    text = " + ".join(texts)
    return f"text = {text}" if kind == "text" else f"text = {text}, label = {label}"


def _choose(
    where: str,
    kind: Kind,
    columns: Columns,
    sample: list[tuple[int, Record]],
    class_columns: Sequence[str],
) -> tuple[list[str], str, str, str]:
    """Return the columns of text, label, token and tag; empty if `kind` has none."""
    records = [record for _, record in sample]
    if kind in ("tagged", "entities"):
        return [], "", *column_choice.tagged_columns(where, records, kind, columns)
    if kind == "text":
        return column_choice.text_columns(where, records, columns), "", "", ""
    chosen = column_choice.labelled_columns(where, records, columns, class_columns)
    return *chosen, "", ""


def _sentence(where: str, line: int, record: Record, token: str, tag: str) -> Sentence:
    """Return the sentence of a record with a list of tokens and a list of tags."""
    tokens = _list(where, line, record, token)
    tags = _list(where, line, record, tag)
    if len(tokens) != len(tags):
        expected = f"as many tags as tokens ({token}, {tag})"
        got = f"{len(tokens)} tokens, {len(tags)} tags"
        raise FormatError(where, line, expected, got)
    return Sentence(tokens, tags, [line] * len(tokens))


def _pair(
    where: str, line: int, record: Record, sources: list[str], targets: list[str]
) -> Row:
    """Return the pair of a record; a target column may hold a list of targets."""
    cells = [_cell(where, line, record, name).strip() for name in sources]
    source = " ".join(cell for cell in cells if cell)
    texts: list[str] = []
    for name in targets:
        if isinstance(record.get(name), list):
            texts += _list(where, line, record, name)
        else:
            texts.append(_cell(where, line, record, name))
    texts = [text.strip() for text in texts]
    if not source or not texts or not all(texts):
        expected = (
            f"a source ({' + '.join(sources)}) and a target ({', '.join(targets)})"
        )
        raise FormatError(where, line, expected, dict(record))
    return {"source": source, "targets": texts}


def _cell(where: str, line: int, record: Record, name: str) -> str:
    value = record.get(name)
    if value is None or isinstance(value, list | dict):
        raise FormatError(where, line, f"a value in column {name!r}", value)
    return str(value)


def _list(where: str, line: int, record: Record, name: str) -> list[str]:
    value = record.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise FormatError(where, line, f"a list of words in column {name!r}", value)
    return value
