"""Which columns of a table hold the source and the target of a pair.

The user's flags decide, else the names of the columns. A column ``translation`` that
holds a text for each language is as many columns, named by the languages.
"""

import re
from collections.abc import Sequence

from tasks.data.formats.choice import Record, Records, listed, named
from tasks.data.formats.errors import DataError
from tasks.data.formats.reading import Columns

USUAL = (
    *(("source", "target"), ("source", "targets"), ("src", "tgt"), ("src", "trg")),
    *(("input", "output"), ("input", "target"), ("inputs", "targets")),
    *(("question", "answer"), ("word", "pronunciation"), ("graphemes", "phonemes")),
    *(("document", "summary"), ("article", "summary"), ("text", "summary")),
)
_WORDS = {"id", *(name for couple in USUAL for name in couple)}
_ENOUGH = 10  # rows from which on a header without usual names can be told


def choose(
    where: object, sample: Records, columns: Columns
) -> tuple[list[str], list[str]]:
    """Return the columns of the source (joined by a space if several) and the target.

    Args:
        where: the file, for messages.
        sample: rows at its beginning.
        columns: the user's flags.

    Raises:
        DataError: if they cannot be told.
    """
    names = list(unpacked(sample[0]))
    sources = named(where, names, columns.source, "--source-column")
    targets = named(where, names, columns.target, "--target-column")
    languages = [name for name in names if name not in sample[0]]
    rest = [n for n in languages or names if n not in sources and n not in targets]
    if not sources and not targets and (couple := usual(names)):
        sources, targets = [couple[0]], [couple[1]]
    elif sources and not targets:
        targets = _other(rest, [couple[1] for couple in USUAL])
    elif targets and not sources:
        sources = _other(rest, [couple[0] for couple in USUAL])
    if not sources or not targets:
        which = "languages" if languages else "columns"
        raise DataError(
            f"{where}: which {which} are the source and the target is not plain; name "
            f"them with --source-column and --target-column: "
            f"{listed(languages or names)}"
        )
    return sources, targets


def usual(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the columns with the usual names of a source and its target, or None.

    Args:
        names: the columns.
    """
    lower = {name.strip().lower(): name for name in reversed(names)}
    found = (couple for couple in USUAL if lower.keys() >= set(couple))
    couple = next(found, None)
    return (lower[couple[0]], lower[couple[1]]) if couple else None


def unpacked(record: Record) -> Record:
    """Return a record with a column for each language of its translation.

    Args:
        record: the record.
    """
    languages = record.get("translation")
    if not isinstance(languages, dict):
        return record
    return {k: v for k, v in record.items() if k != "translation"} | languages


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row of a table of pairs names its columns.

    It does if it has the usual names of a source and its target. Else if its cells are
    short and none of them comes again in its own column, and either one of three or
    more is a usual name, or each is one word over a column of sentences or numbers.

    Args:
        rows: the cells of the first rows.
    """
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if usual(first):
        return True
    short = all(cell and len(cell) <= 40 for cell in first)
    columns = [[row[place].strip() for row in rest] for place in range(len(first))]
    again = any(cell in column for cell, column in zip(first, columns, strict=True))
    if not short or not rest or again:
        return False
    if len(first) > 2 and any(cell.lower() in _WORDS for cell in first):
        return True
    return len(rest) >= _ENOUGH and all(map(_names, first, columns))


def _names(cell: str, column: Sequence[str]) -> bool:
    """Whether a cell is one word and those below it sentences or numbers."""
    unlike = sum(" " in other or other.isdigit() for other in column)
    return bool(re.fullmatch(r"[^\W\d][\w-]*", cell)) and unlike >= 0.9 * len(column)


def _other(rest: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the column that goes with those that a flag names, if it can be told."""
    lower = {name.strip().lower(): name for name in reversed(rest)}
    found = [lower[name] for name in known if name in lower]
    return found[:1] or (list(rest) if len(rest) == 1 else [])
