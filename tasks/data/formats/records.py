"""From records (a row with named columns) to rows: what all tables have in common."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from tasks.data.formats import choice, pairs
from tasks.data.formats.choice import Record
from tasks.data.formats.errors import FormatError
from tasks.data.formats.reading import Columns, Kind, Row, Sentence

Numbered = Iterable[tuple[int, Record]]


def rows(
    where: str,
    kind: Kind,
    columns: Columns,
    records: Numbered,
    hints: Sequence[str] = (),
) -> Iterator[Row | Sentence]:
    """Yield the rows of a table.

    Args:
        where: the file, for messages.
        kind: what a row shall be.
        columns: the user's flags.
        records: the records, each with its line or number.
        hints: columns whose type says that they are labels.

    Raises:
        DataError: if the columns cannot be told.
        FormatError: if a record lacks one of them.
    """
    stream = iter(records)
    sample = list(itertools.islice(stream, choice.SAMPLE))
    if not sample:
        return
    if kind == "pairs":
        sources, targets = pairs.choose(where, [r for _, r in sample], columns)
        for line, record in itertools.chain(sample, stream):
            yield _pair(where, line, pairs.unpacked(record), sources, targets)
        return
    texts, label, token, tag = _choose(where, kind, columns, sample, hints)
    for line, record in itertools.chain(sample, stream):
        if kind in ("tagged", "entities"):
            tokens = _list(where, line, record, token)
            tags = _list(where, line, record, tag)
            if len(tokens) != len(tags):
                wanted = f"as many tags as tokens ({token}, {tag})"
                got = f"{len(tokens)} tokens, {len(tags)} tags"
                raise FormatError(where, line, wanted, got)
            if tokens:
                yield Sentence(tokens, tags, [line] * len(tokens))
            continue
        text = " ".join(_cell(where, line, record, name) for name in texts)
        if kind == "text":
            yield {"text": text if text.endswith("\n") else text + "\n"}
            continue
        value = _cell(where, line, record, label).strip()
        if not text.strip() or not value:
            wanted = f"a text ({' + '.join(texts)}) and a label ({label})"
            raise FormatError(where, line, wanted, dict(record))
        yield {"text": text, "label": value}


def note(
    where: str,
    kind: Kind,
    columns: Columns,
    records: Numbered,
    hints: Sequence[str] = (),
) -> str:
    """Return which columns are read, in words.

    Args:
        where: as for `rows`.
        kind: as for `rows`.
        columns: as for `rows`.
        records: as for `rows`.
        hints: as for `rows`.

    Raises:
        DataError: if the columns cannot be told.
    """
    sample = list(itertools.islice(iter(records), choice.SAMPLE))
    if not sample:
        return ""
    if kind == "pairs":
        sources, targets = pairs.choose(where, [r for _, r in sample], columns)
        return f"source = {' + '.join(sources)}, target = {', '.join(targets)}"
    texts, label, token, tag = _choose(where, kind, columns, sample, hints)
    if kind in ("tagged", "entities"):
        return f"tokens = {token}, tags = {tag}"
    text = " + ".join(texts)
    return f"text = {text}" if kind == "text" else f"text = {text}, label = {label}"


def _choose(
    where: str,
    kind: Kind,
    columns: Columns,
    sample: list[tuple[int, Record]],
    hints: Sequence[str],
) -> tuple[list[str], str, str, str]:
    """Return the columns of text, label, token, tag; empty where none is wanted."""
    found = [record for _, record in sample]
    if kind in ("tagged", "entities"):
        return [], "", *choice.tagged(where, found, kind, columns)
    if kind == "text":
        return choice.texts(where, found, columns), "", "", ""
    return *choice.labelled(where, found, columns, hints), "", ""


def _pair(
    where: str, line: int, record: Record, sources: list[str], targets: list[str]
) -> Row:
    """Return a row of pairs; a column of targets may hold a list of them."""
    cells = [_cell(where, line, record, name).strip() for name in sources]
    source = " ".join(cell for cell in cells if cell)
    answers: list[str] = []
    for name in targets:
        if isinstance(record.get(name), list):
            answers += _list(where, line, record, name)
        else:
            answers.append(_cell(where, line, record, name))
    answers = [answer.strip() for answer in answers]
    if not source or not answers or not all(answers):
        wanted = f"a source ({' + '.join(sources)}) and a target ({', '.join(targets)})"
        raise FormatError(where, line, wanted, dict(record))
    return {"source": source, "targets": answers}


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
