"""From records (rows with named columns) to rows: what all tables have in common."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from zoo.tasks.data.formats import column_choice, pair_columns
from zoo.tasks.data.formats.character_spans import spans_columns, spans_sentence
from zoo.tasks.data.formats.column_choice import Record
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.reading import Columns, Kind, Parsed, Row, Sentence

NumberedRecords = Iterable[tuple[int, Record | FormatError]]
"""Records, each with its line number or its own number from 1; or the error of one."""


def rows(
    where: str,
    kind: Kind,
    columns: Columns,
    records: NumberedRecords,
    class_columns: Sequence[str] = (),
    tokenizer: str = "words",
    sample: Sequence[Record] | None = None,
) -> Iterator[Parsed]:
    """Yield the rows of a table; for a record that lacks a column, a `FormatError`.

    Args:
        where: the file, for error messages.
        kind: the kind of the rows.
        columns: the columns that the user names.
        records: the records.
        class_columns: columns of type ``ClassLabel``.
        tokenizer: as for `Reading`.
        sample: the records that decide the columns; the first by default.

    Raises:
        DataError: if the columns cannot be determined.
    """
    stream = iter(records)
    first = list(itertools.islice(stream, column_choice.SAMPLE_SIZE))
    readable = sample or _readable(first)
    if not readable:
        yield from (record for _, record in first if isinstance(record, FormatError))
        return
    parse = _parser(where, kind, columns, readable, class_columns, tokenizer)
    for line, record in itertools.chain(first, stream):
        if isinstance(record, FormatError):
            yield record
            continue
        try:
            row = parse(line, record)
        except FormatError as error:
            row = error
        if not isinstance(row, Sentence) or row.tokens:
            yield row


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
    head = list(itertools.islice(iter(records), column_choice.SAMPLE_SIZE))
    sample = _readable(head)
    if not sample:
        return ""
    if kind == "pairs":
        sources, targets = pair_columns.choose(where, sample, columns)
        return f"source = {' + '.join(sources)}, target = {', '.join(targets)}"
    if kind == "entities" and (spans := spans_columns(where, sample, columns)):
        return f"text = {spans[0]}, entities = {spans[1]} (character offsets)"
    if kind in ("tagged", "entities"):
        token, tag = column_choice.tagged_columns(where, sample, kind, columns)
        return f"tokens = {token}, tags = {tag}"
    if kind == "text":
        return (
            f"text = {' + '.join(column_choice.text_columns(where, sample, columns))}"
        )
    texts, label = column_choice.labelled_columns(where, sample, columns, class_columns)
    return f"text = {' + '.join(texts)}, label = {label}"


def _readable(sample: Iterable[tuple[int, Record | FormatError]]) -> list[Record]:
    return [record for _, record in sample if not isinstance(record, FormatError)]


def _parser(
    where: str,
    kind: Kind,
    columns: Columns,
    sample: Sequence[Record],
    class_columns: Sequence[str],
    tokenizer: str,
) -> Callable[[int, Record], Row | Sentence]:
    """Return the function from a line number and a record to a row.

    The function raises a `FormatError` if the record lacks a column.
    """
    if kind == "pairs":
        sources, targets = pair_columns.choose(where, sample, columns)
        return lambda line, record: _pair(
            where, line, pair_columns.unpack_translation(record), sources, targets
        )
    if kind == "entities" and (spans := spans_columns(where, sample, columns)):
        return lambda line, record: spans_sentence(
            where, line, record, *spans, tokenizer=tokenizer
        )
    if kind in ("tagged", "entities"):
        token, tag = column_choice.tagged_columns(where, sample, kind, columns)
        return lambda line, record: _sentence(where, line, record, token, tag)
    if kind == "text":
        texts = column_choice.text_columns(where, sample, columns)
        return lambda line, record: _line(where, line, record, texts)
    texts, label = column_choice.labelled_columns(where, sample, columns, class_columns)
    is_bool = isinstance(sample[0].get(label), bool)

    def labelled(line: int, record: Record) -> Row:
        if isinstance(record.get(label), bool) != is_bool:
            expected = f"labels in column {label!r} that are all true or false, or none"
            raise FormatError(where, line, expected, record.get(label))
        text = " ".join(_cell(where, line, record, name) for name in texts)
        labels = record.get(label)
        if isinstance(labels, list) and len(labels) == 1:  # as Doccano writes
            record = {**record, label: labels[0]}
        value = _cell(where, line, record, label).strip()
        if not text.strip() or not value:
            expected = f"a text ({' + '.join(texts)}) and a label ({label})"
            raise _empty(where, line, expected, record, [*texts, label])
        return {"text": text, "label": value}

    return labelled


def _line(where: str, line: int, record: Record, texts: list[str]) -> Row:
    """Return the text of a record, with a line end."""
    text = " ".join(_cell(where, line, record, name) for name in texts)
    return {"text": text if text.endswith("\n") else text + "\n"}


def _sentence(where: str, line: int, record: Record, token: str, tag: str) -> Sentence:
    """Return the sentence of a record with a list of tokens and a list of tags."""
    tokens = _list(where, line, record, token)
    tags = _list(where, line, record, tag)
    if len(tokens) != len(tags):
        expected = f"as many tags as tokens ({token}, {tag})"
        got = f"{len(tokens)} tokens, {len(tags)} tags"
        raise FormatError(where, line, expected, got)
    pairs = zip(tokens, tags, strict=True)
    empty = [pair for pair in pairs if not (pair[0].strip() and pair[1].strip())]
    if empty:
        expected = f"a word in each token and tag ({token}, {tag})"
        raise FormatError(where, line, expected, empty[0])
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
        raise _empty(where, line, expected, record, [*sources, *targets])
    return {"source": source, "targets": texts}


def _empty(
    where: str, line: int, expected: str, record: Record, names: Sequence[str]
) -> FormatError:
    """Return the error of a record with an empty cell."""
    empty = [name for name in names if not str(record.get(name)).strip()]
    reason = f"{', '.join(empty)} is empty" if empty else ""
    if reason:
        reason += "; --skip-bad-rows leaves such rows out"
    return FormatError(where, line, expected, dict(record), reason)


def _cell(where: str, line: int, record: Record, name: str) -> str:
    """Return a value as text; a number without a fraction as an integer."""
    value = record.get(name)
    is_float = isinstance(value, float)
    not_finite = is_float and not math.isfinite(value)
    if value is None or not_finite or isinstance(value, list | dict | bytes):
        raise FormatError(where, line, f"a value in column {name!r}", value)
    return str(int(value)) if is_float and value.is_integer() else str(value)


def _list(where: str, line: int, record: Record, name: str) -> list[str]:
    value = record.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        numbers = isinstance(value, list) and all(isinstance(n, int) for n in value)
        reason = "no column names these numbers" if numbers else ""
        expected = f"a list of words in column {name!r}"
        raise FormatError(where, line, expected, value, reason)
    return value
