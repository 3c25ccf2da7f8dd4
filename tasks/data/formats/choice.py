"""Which columns of a table hold the text, the label, the tokens and the tags.

The user's flags decide; else the names of the columns; else what the columns hold.
Source and target of a pair: see `tasks.data.formats.pairs`.
"""

import difflib
import re
from collections.abc import Mapping, Sequence

from tasks.data.formats.errors import DataError
from tasks.data.formats.reading import Columns, Kind

SAMPLE = 1000  # rows at the beginning of a file that are looked at
TEXTS = (
    *("text", "sentence", "review", "title", "headline", "description", "content"),
    *("body", "document", "comment", "message", "tweet", "question", "utterance"),
)
LABELS = (
    *("label", "labels", "class", "category", "target", "sentiment", "topic", "tag"),
    *("intent", "emotion", "polarity", "stars", "rating", "language"),
    *("class index", "class_index", "y"),
)
TOKENS = ("tokens", "words", "forms", "token", "word")
TAGS = ("upos", "pos_tags", "pos", "tags", "xpos", "labels", "tag")
ENTITIES = ("ner_tags", "ner", "entities", "tags", "labels", "tag")

Record = Mapping[str, object]
"""A row by columns; a cell is a str or other scalar, a list of those, or None."""
Records = Sequence[Record]
"""Some rows."""


def texts(where: object, sample: Records, columns: Columns) -> list[str]:
    """Return the columns of the text, for rows without a label.

    Args:
        where: the file, for messages.
        sample: rows at its beginning.
        columns: the user's flags.

    Raises:
        DataError: if none can be told to hold the text.
    """
    return _texts(where, sample, columns, without=None)


def labelled(
    where: object, sample: Records, columns: Columns, hints: Sequence[str] = ()
) -> tuple[list[str], str]:
    """Return the columns of the text (joined by a space if several) and of the label.

    Args:
        where: the file, for messages.
        sample: rows at its beginning.
        columns: the user's flags.
        hints: columns whose type says that they are labels.

    Raises:
        DataError: if none can be told to be the label, or the text.
    """
    names = list(sample[0])
    given = named(where, names, columns.text, "--text-column")
    if columns.label is not None:
        label = named(where, names, columns.label, "--label-column")[0]
    else:
        rest = [name for name in names if name not in given]
        sure = [name for name in hints if name in rest]
        label = sure[0] if len(sure) == 1 else _by_name(rest, LABELS)
        label = label or label_by_content(sample, rest)
    if label is None:
        raise DataError(
            f"{where}: no column is plainly the label (few different short values); "
            f"name it with --label-column: {listed(names)}"
        )
    return _texts(where, sample, columns, without=label), label


def tagged(
    where: object, sample: Records, kind: Kind, columns: Columns
) -> tuple[str, str]:
    """Return the columns of the tokens and of their tags: both hold lists.

    Args:
        where: the file, for messages.
        sample: rows at its beginning.
        kind: tagged or entities.
        columns: the user's flags.

    Raises:
        DataError: if they cannot be told.
    """
    names = list(sample[0])
    lists = [n for n in names if all(isinstance(row.get(n), list) for row in sample)]
    wanted = ENTITIES if kind == "entities" else TAGS
    if columns.token is not None:
        token = named(where, names, columns.token, "--token-column")[0]
    else:
        token = _by_name(lists, TOKENS)
    if columns.tag is not None:
        tag = named(where, names, columns.tag, "--tag-column")[0]
    else:
        rest = [name for name in lists if name != token]
        tag = _by_name(rest, wanted) or (rest[0] if len(rest) == 1 else None)
    for found, option in ((token, "--token-column"), (tag, "--tag-column")):
        if found is None:
            what = "tokens" if option == "--token-column" else "tags"
            raise DataError(
                f"{where}: no column of lists is plainly the {what}; name it with "
                f"{option}: {listed(names)}"
            )
    assert token is not None and tag is not None
    return token, tag


def named(
    where: object, names: Sequence[str], value: str | None, option: str
) -> list[str]:
    """Return the columns that a flag names, by name or number, divided by commas.

    Args:
        where: the file, for messages.
        names: the columns of the file, in order.
        value: the flag's value; None gives an empty list.
        option: the flag, for messages.

    Raises:
        DataError: if there is no such column; the nearest name is suggested.
    """
    if value is None:
        return []
    found = []
    for part in [value] if value in names else value.split(","):
        part = part.strip()
        if part in names:
            found.append(part)
        elif re.fullmatch(r"-?\d+", part) and -len(names) <= int(part) < len(names):
            found.append(names[int(part)])
        else:
            near = difflib.get_close_matches(part, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"{where}: no column {part!r} ({option}); there are "
                f"{listed(names)}{hint}"
            )
    return found


def listed(names: Sequence[str]) -> str:
    """Return names in quotes, for a message.

    Args:
        names: the columns.
    """
    return ", ".join(map(repr, names))


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row of a table names its columns.

    It does if it names a text and a label in the usual words; or if its cells are
    short and none of them comes again in its own column, and either one of them is a
    usual name or all look like names over a column of labels.

    Args:
        rows: the cells of the first rows.
    """
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    short = all(cell and len(cell) <= 40 for cell in first)
    if not short or len(set(first)) < len(first) or not rest:
        return False
    lower = [cell.lower() for cell in first]
    text, label = _by_name(lower, TEXTS), _by_name(lower, LABELS)
    if text and label and text != label:
        return True
    if any(row[place] == rows[0][place] for row in rest for place in range(len(first))):
        return False
    if text or label:
        return True
    sample = [dict(zip(first, row, strict=False)) for row in rest]
    like_names = all(re.fullmatch(r"[^\W\d][\w .-]*", cell) for cell in first)
    return like_names and label_by_content(sample, first, sure=True) is not None


def label_by_content(
    sample: Records, names: Sequence[str], *, sure: bool = False
) -> str | None:
    """Return the column that looks most like a label, or None.

    A label has few different values (half the rows at the most) and short ones. A
    column of one value comes after those of several: the rows may be sorted.

    Args:
        sample: the rows.
        names: the columns among which to choose.
        sure: do not guess where the rows are too few to tell.
    """
    best = []
    for place, name in enumerate(names):
        cells = [row.get(name) for row in sample]
        if any(isinstance(cell, list | dict) or cell is None for cell in cells):
            continue
        different = len({str(cell) for cell in cells})
        length = sum(len(str(cell)) for cell in cells) / len(cells)
        if length <= 40 and 2 * different <= len(cells):
            best.append((different == 1, different, place, name))
        elif not sure and length <= 40 and len(cells) < 20:
            best.append((True, different, length, name))
    return min(best)[-1] if best else None


def _texts(
    where: object, sample: Records, columns: Columns, without: str | None
) -> list[str]:
    names = list(sample[0])
    if columns.text is not None:
        return named(where, names, columns.text, "--text-column")
    rest = [
        name
        for name in names
        if name != without and all(isinstance(row.get(name), str) for row in sample)
    ]
    if found := [name for name in rest if name.strip().lower() in TEXTS]:
        return found
    words = {name: [str(row[name]) for row in sample] for name in rest}
    wordy = [n for n in rest if sum(" " in c for c in words[n]) * 2 >= len(sample)]
    if wordy:
        return wordy
    if not rest:
        raise DataError(
            f"{where}: no column is plainly the text; name it with --text-column: "
            f"{listed(names)}"
        )
    return [max(rest, key=lambda name: sum(map(len, words[name])))]


def _by_name(names: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the column with the first of the known names."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in known if name in lower), None)
