"""Detection of the format of a file by its content."""

import re
from collections.abc import Sequence

from zoo.tasks.data.formats import conllu, delimiters, labelled
from zoo.tasks.data.formats.column_choice import (
    ENTITY_NAMES,
    TAG_NAMES,
    TOKEN_NAMES,
    is_sentence_name,
)
from zoo.tasks.data.formats.reading import Kind
from zoo.tasks.data.formats.running_numbers import is_running_number
from zoo.tasks.data.formats.schemes import ENTITY_TAG
from zoo.tasks.data.formats.table_cells import BARS

MAX_LABELS_IN_TEXTS = 0.2  # the share of labels that also occur as words of the texts
_JSON = re.compile(r"\s*(\{\s*(\"|\}|$)|\[\s*([{\[\]]|$))")
_TABLES = ("csv", "tsv", "dict", "parquet")


def by_content(lines: Sequence[str], kind: Kind, by_ending: str | None) -> str | None:
    """Return the format of a file by its first lines; None if they do not show it.

    Args:
        lines: the first lines that are not blank.
        kind: the kind of the rows.
        by_ending: the usual format of files with this ending, or None.
    """
    if lines and _JSON.match(lines[0]):
        return "jsonl"
    tagged = kind in ("tagged", "entities")
    data = [line for line in lines if not line.startswith("#")]
    is_conllu = bool(data) and conllu.looks_like(data[0])
    if tagged:
        if is_conllu and not (kind == "entities" and _last_cell_is_entity(data)):
            return "conllu"
        if is_token_table(lines):
            return "csv"
        return by_ending if by_ending in ("conllu", "jsonl", "parquet") else "columns"
    if kind == "labelled":
        if lines and all(labelled.fasttext_labels(line) for line in lines):
            return "labelled"
        if is_conllu and by_ending not in _TABLES:
            return "conllu"
    if by_ending:
        return by_ending
    return _pairs(lines) if kind == "pairs" else _labelled(lines)


def is_token_table(lines: Sequence[str]) -> bool:
    """Return whether a CSV file has a header that names a token and a tag.

    Args:
        lines: its first lines.
    """
    if not lines:
        return False
    for delimiter in delimiters.DELIMITERS:
        names = [cell.strip(' "\ufeff').lower() for cell in lines[0].split(delimiter)]
        named = any(name in TOKEN_NAMES for name in names)
        tagged = any(name in (*TAG_NAMES, *ENTITY_NAMES) for name in names)
        sentence = any(map(is_sentence_name, names))
        if named and tagged and (sentence or delimiter not in "\t"):
            return True
    return False


def labels_by_word(lines: Sequence[str]) -> bool:
    """Return whether the first word of each line is a label, and no part of the text.

    Args:
        lines: the lines.
    """
    words = [line.split(maxsplit=1) for line in lines]
    if not words or not all(len(parts) == 2 for parts in words):
        return False
    if is_running_number([parts[0] for parts in words]):
        return False
    labels = {parts[0].lower() for parts in words}
    if all(word.isdigit() or word.startswith(labelled.PREFIX) for word in labels):
        return True
    if len(labels) < 2 or 2 * len(labels) > len(lines):
        return False
    texts = {word.lower() for _, text in words for word in text.split()}
    return len(labels & texts) <= MAX_LABELS_IN_TEXTS * len(labels)


def _labelled(lines: Sequence[str]) -> str | None:
    """Return the format of lines of texts and labels."""
    if lines and all("\t" in line for line in lines):
        return "tsv"
    if labels_by_word(lines):
        return "labelled"
    return "csv" if delimiters.are_likely(lines) else None


def _pairs(lines: Sequence[str]) -> str | None:
    """Return the format of lines of sources and targets."""
    for separator in ("\t", BARS):
        if lines and all(separator in line for line in lines):
            return "tsv"
    return "csv" if delimiters.are_likely(lines) else None


def _last_cell_is_entity(lines: Sequence[str]) -> bool:
    return all(ENTITY_TAG.fullmatch(line.split("\t")[-1]) for line in lines)
