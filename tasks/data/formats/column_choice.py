"""Choice of the columns of a table that hold text, label, tokens and tags.

The user's flags decide; otherwise the names of the columns; otherwise their content.
For the source and the target of a pair, see `zoo.tasks.data.formats.pair_columns`.
"""

import re
from collections.abc import Mapping, Sequence

from zoo.tasks.data.formats.errors import DataError, similar_names
from zoo.tasks.data.formats.reading import Columns, Kind
from zoo.tasks.data.formats.running_numbers import is_running_number

SAMPLE_SIZE = 1000  # rows at the start of a file from which columns are chosen
TEXT_NAMES = (
    *("text", "sentence", "review", "title", "headline", "description", "content"),
    *("body", "document", "comment", "message", "tweet", "question", "utterance"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "sentiment", "topic", "tag"),
    *("intent", "emotion", "polarity", "stars", "rating", "language"),
    *("class index", "class_index", "y"),
)
TOKEN_NAMES = ("tokens", "words", "forms", "token", "word")
TAG_NAMES = ("upos", "pos_tags", "pos", "tags", "xpos", "labels", "tag")
ENTITY_NAMES = ("ner_tags", "ner", "entities", "tags", "labels", "tag")
MAX_LABEL_LENGTH = 40  # characters

Record = Mapping[str, object]
"""A row by column names; a cell is a str or other scalar, a list of those, or None."""
Records = Sequence[Record]
"""Some rows."""


def text_columns(where: object, sample: Records, columns: Columns) -> list[str]:
    """Return the columns of the text, for rows without a label.

    Args:
        where: the file, for error messages.
        sample: the first rows of the file.
        columns: the columns that the user names.

    Raises:
        DataError: if the columns cannot be determined.
    """
    return _text_columns(where, sample, columns, label=None)


def labelled_columns(
    where: object,
    sample: Records,
    columns: Columns,
    class_columns: Sequence[str] = (),
) -> tuple[list[str], str]:
    """Return the columns of the text, joined by a space if several, and of the label.

    Args:
        where: the file, for error messages.
        sample: the first rows of the file.
        columns: the columns that the user names.
        class_columns: columns of type ``ClassLabel``.

    Raises:
        DataError: if the columns cannot be determined.
    """
    names = list(sample[0])
    texts = columns_of_flag(where, names, columns.text, "--text-column")
    if columns.label is not None:
        label = columns_of_flag(where, names, columns.label, "--label-column")[0]
    else:
        free = [name for name in names if name not in texts]
        typed = [name for name in class_columns if name in free]
        label = typed[0] if len(typed) == 1 else by_name(free, LABEL_NAMES)
        label = label or label_by_content(sample, free)
        label = _with_names(free, label)
    if label is None:
        raise DataError(
            f"{where}: cannot determine the label (no column has few distinct short "
            f"values); name its column with --label-column: {quoted_names(names)}"
        )
    return _text_columns(where, sample, columns, label=label), label


def tagged_columns(
    where: object, sample: Records, kind: Kind, columns: Columns
) -> tuple[str, str]:
    """Return the columns of the tokens and of their tags, which hold lists.

    Args:
        where: the file, for error messages.
        sample: the first rows of the file.
        kind: ``"tagged"`` or ``"entities"``.
        columns: the columns that the user names.

    Raises:
        DataError: if the columns cannot be determined.
    """
    names = list(sample[0])
    lists = [n for n in names if all(isinstance(row.get(n), list) for row in sample)]
    words = [n for n in lists if _holds_words(sample, n)]
    usual = ENTITY_NAMES if kind == "entities" else TAG_NAMES
    if columns.token is not None:
        token = columns_of_flag(where, names, columns.token, "--token-column")[0]
    else:
        token = by_name(lists, TOKEN_NAMES)
    if columns.tag is not None:
        tag = columns_of_flag(where, names, columns.tag, "--tag-column")[0]
    else:
        # Class numbers are read only if no column next to them names the classes.
        for free in (words, lists):
            free = [name for name in free if name != token]
            tag = by_name(free, usual) or (free[0] if len(free) == 1 else None)
            if tag is not None:
                break
    chosen = ((token, "tokens", "--token-column"), (tag, "tags", "--tag-column"))
    for column, content, option in chosen:
        if column is None:
            raise DataError(
                f"{where}: cannot determine the column of lists that holds the "
                f"{content}; name it with {option}: {quoted_names(names)}"
            )
    assert token is not None and tag is not None
    return token, tag


def _holds_words(sample: Records, name: str) -> bool:
    """Return whether the lists of a column hold strings only."""
    lists = [row.get(name) for row in sample]
    return all(
        isinstance(item, str)
        for cell in lists
        if isinstance(cell, list)
        for item in cell
    )


def columns_of_flag(
    where: object, names: Sequence[str], value: str | None, option: str
) -> list[str]:
    """Return the columns that a flag names, by name or number, separated by commas.

    Args:
        where: the file, for error messages.
        names: the columns of the file, in order.
        value: value of the flag; None gives an empty list.
        option: the flag, for error messages.

    Raises:
        DataError: if there is no such column; a similar name is suggested.
    """
    if value is None:
        return []
    chosen = []
    for part in [value] if value in names else value.split(","):
        part = part.strip()
        if part in names:
            chosen.append(part)
            continue
        index = column_number(part)
        if index is not None and -len(names) <= index < len(names):
            chosen.append(names[index])
        else:
            similar = similar_names(part, names, 1, 0.6)
            hint = f"; did you mean {similar[0]!r}?" if similar else ""
            raise DataError(
                f"{where}: no column {part!r} ({option}); there are "
                f"{quoted_names(names)}{hint}"
            )
    return chosen


def column_number(text: str) -> int | None:
    """Return the number that stands for a column, such as 0 or -1; None for a name.

    Args:
        text: the value of a flag.
    """
    # Not `isdigit`, which accepts more than `int` does.
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None


def quoted_names(names: Sequence[str]) -> str:
    """Return names in quotes, for a message.

    Args:
        names: the columns.
    """
    return ", ".join(map(repr, names))


def label_by_content(
    sample: Records, names: Sequence[str], *, guess: bool = True
) -> str | None:
    """Return the column that looks most like a label, or None.

    A label has short values, and at most half as many distinct ones as there are rows.
    A column of a single value ranks last, as the rows may be sorted by label.

    Args:
        sample: the rows.
        names: the columns to choose from.
        guess: with fewer than 20 rows, accept a column with more distinct values.
    """
    candidates = []
    for index, name in enumerate(names):
        values = (row.get(name) for row in sample)  # lazy: rows may lack most names
        if any(isinstance(cell, list | dict) or cell is None for cell in values):
            continue
        cells = [row[name] for row in sample]
        if is_running_number(cells):
            continue
        distinct = len({str(cell) for cell in cells})
        length = sum(len(str(cell)) for cell in cells) / len(cells)
        if length <= MAX_LABEL_LENGTH and 2 * distinct <= len(cells):
            candidates.append((distinct == 1, distinct, index, name))
        elif guess and length <= MAX_LABEL_LENGTH and len(cells) < 20:
            candidates.append((True, distinct, length, name))
    return min(candidates)[-1] if candidates else None


def _with_names(names: Sequence[str], label: str | None) -> str | None:
    """Return the column that names the classes of a label; without one, the label."""
    beside = [f"{label}{suffix}" for suffix in ("_text", "_name", "_str")]
    return next((name for name in beside if name in names), label)


def _text_columns(
    where: object, sample: Records, columns: Columns, label: str | None
) -> list[str]:
    """Return the columns of the text, none of which is the label."""
    names = list(sample[0])
    if columns.text is not None:
        return columns_of_flag(where, names, columns.text, "--text-column")
    strings = [
        name
        for name in names
        if name != label and all(isinstance(row.get(name), str) for row in sample)
        if not is_running_number([row[name] for row in sample])
    ]
    if usual := [name for name in strings if name.strip().lower() in TEXT_NAMES]:
        return usual
    cells = {name: [str(row[name]) for row in sample] for name in strings}
    several_words = [
        name
        for name in strings
        if sum(" " in cell for cell in cells[name]) * 2 >= len(sample)
    ]
    if several_words:
        return several_words
    if not strings:
        raise DataError(
            f"{where}: cannot determine the text; name its column with --text-column: "
            f"{quoted_names(names)}"
        )
    return [max(strings, key=lambda name: sum(map(len, cells[name])))]


def by_name(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """Return the column with the first of the usual names.

    Args:
        names: the columns.
        usual: the usual names, in lower case.
    """
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in usual if name in lower), None)


def is_sentence_name(name: str) -> bool:
    """Return whether a column numbers the sentences, by its name.

    Args:
        name: the column.
    """
    return (
        re.fullmatch(r"sent(ence)?([ _](#|id|idx|no|number))?", name.lower())
        is not None
    )
