"""CoNLL-U: ten tab-separated columns, with metadata in comments.

See universaldependencies.org. Multiword tokens (``1-2``) and empty nodes (``8.1``) are
skipped. Metadata are comments such as ``# topic = sport``; the column MISC holds keys
such as ``NER=B-PER``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zoo.tasks.data.formats.column_choice import column_number
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.lines import numbered_lines
from zoo.tasks.data.formats.reading import Parsed, Reading, Remark, Sentence

COLUMNS = (
    *("id", "form", "lemma", "upos", "xpos"),
    *("feats", "head", "deprel", "deps", "misc"),
)
_WORD_ID = re.compile(r"[1-9][0-9]*")
_STARTS = re.compile(r"1(-\d+)?$|0\.")  # IDs of the first line of a sentence
_SKIPPED_ID = re.compile(r"[0-9]+(-|\.)[0-9]+")
_VALUES = ("xpos", "feats")  # an underscore in these columns is a value
# Spaces divide the items of some files. Possessive: as fast for any run of spaces.
_ITEMS = re.compile(r"\||(?<!\s)\s++(?=[^\s=|]++=)")


class Block(NamedTuple):
    """A sentence: its metadata, and the line number and ten columns of each word.

    The last one is true if no blank line separates it from the sentence before.
    """

    metadata: dict[str, str]
    words: list[tuple[int, list[str]]]
    unseparated: bool = False


def looks_like(line: str) -> bool:
    """Return whether a line has ten columns that start with an ID of CoNLL-U.

    Args:
        line: the line, without its line end.
    """
    cells = line.split("\t")
    has_id = _WORD_ID.fullmatch(cells[0]) or _SKIPPED_ID.fullmatch(cells[0])
    return len(cells) == len(COLUMNS) and has_id is not None


def blocks(path: Path, encoding: str) -> Iterator[Block]:
    """Yield the sentences of a file.

    A word 1, with the comments above it, starts a sentence, even without a blank line.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: if a line is neither a comment nor ten columns that start with an
            ID, or the IDs of the words do not count up from 1.
    """
    block, comments = Block({}, []), {}
    for number, line in numbered_lines(path, encoding):
        if not line.strip():
            if block.words:
                yield block
                block = Block({}, [])
                comments = {}
            continue
        if line.startswith("#"):
            key, equals, value = line[1:].partition("=")
            if equals and key.strip():
                comments[key.strip()] = value.strip()
            continue
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            expected = f"10 columns separated by tabs ({len(cells)} found)"
            raise FormatError(path, number, expected, line)
        is_word = _WORD_ID.fullmatch(cells[0])
        if not is_word and not _SKIPPED_ID.fullmatch(cells[0]):
            expected = "a word's number in column ID, such as 1, 1-2 or 8.1"
            raise FormatError(path, number, expected, cells[0])
        if block.words and _STARTS.match(cells[0]):
            yield block
            block = Block({}, [], unseparated=True)
        if not block.words:
            block.metadata.update(comments)
            comments = {}
        if is_word:
            position = len(block.words) + 1
            if cells[0] != str(position):
                expected = f"the word {position} in column ID, or a blank line"
                raise FormatError(path, number, expected, cells[0])
            block.words.append((number, cells))
    if block.words:
        yield block


def split_values(path: Path, encoding: str) -> list[str]:
    """Return the distinct values of the metadata ``split``, in order of appearance.

    The list is empty if the first sentence has no such metadata.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: as for `blocks`, and if only later sentences lack the metadata.
    """
    values: dict[str, None] = {}
    for block in blocks(path, encoding):
        value = block.metadata.get("split")
        if value is None and not values:
            break
        if value is None:
            line = block.words[0][0]
            raise FormatError(path, line, "metadata `# split = ...`, as above")
        values[value] = None
    return list(values)


def rows(reading: Reading) -> Iterator[Parsed]:
    """Yield the rows of a file.

    Args:
        reading: the file. By default, tokens are FORM and tags UPOS; entities are the
            key NER of MISC (O for a word without it); the label is the metadata
            ``topic`` or ``label``; the text is the metadata ``text``, otherwise the
            forms.

    Raises:
        FormatError: as for `blocks`, and if no sentence has entities.
    """
    has_tags = False
    for block in blocks(reading.path, reading.encoding):
        if block.unseparated:
            line = block.words[0][0]
            yield Remark(line, "sentences that start without a blank line")
        value = reading.metadata_split
        if value and block.metadata.get("split") != value:
            continue
        if reading.kind in ("tagged", "entities"):
            sentence, tags_present = _sentence(reading, block)
            has_tags = has_tags or tags_present
            yield sentence
        elif reading.kind == "labelled":
            label = _label(reading, block)
            if isinstance(label, FormatError):
                yield label
            else:
                yield {"text": _text(reading, block), "label": label}
        else:
            yield {"text": _text(reading, block) + "\n"}
    if reading.kind == "entities" and not has_tags:
        key = reading.columns.tag or "NER"
        expected = f"tags as the key {key} of MISC, such as {key}=B-PER (--tag-column)"
        raise FormatError(reading.path, None, expected)


def describe(reading: Reading) -> str:
    """Return which columns are read, for the user.

    Args:
        reading: the file.
    """
    if reading.kind not in ("tagged", "entities"):
        return ""
    form, tag = reading.columns.token or "form", _tag_name(reading)
    names = []
    for name in (form, tag):
        index = _column_index(name)
        is_key = index is None
        names.append(f"{name} of MISC" if is_key else COLUMNS[index].upper())
    return f"token = {names[0]}, tag = {names[1]}"


def _tag_name(reading: Reading) -> str:
    return reading.columns.tag or ("NER" if reading.kind == "entities" else "upos")


def _sentence(reading: Reading, block: Block) -> tuple[Sentence | FormatError, bool]:
    """Return a sentence, or its error, and whether its tags are present in the file."""
    is_entities = reading.kind == "entities"
    tag = _tag_name(reading)
    form = _column_index(reading.columns.token or "form")
    if form is None:
        expected = f"one of the columns {', '.join(COLUMNS)} as --token-column"
        raise FormatError(reading.path, None, expected, reading.columns.token)
    tag_index = _column_index(tag)
    sentence = Sentence([], [], [])
    tags_present = tag_index is not None
    for line, cells in block.words:
        if tag_index is None:
            values = _misc_values(cells[9], tag)
            if len(values) > 1:
                expected = f"a single value of the key {tag} in MISC"
                return FormatError(reading.path, line, expected, cells[9]), True
            tags_present = tags_present or bool(values)
            value = values.pop() if values else "O" if is_entities else ""
        else:
            is_missing = cells[tag_index] == "_" and COLUMNS[tag_index] not in _VALUES
            value = "" if is_missing else cells[tag_index]
        if not cells[form] or not value:
            missing = "tag" if cells[form] else "form"
            expected = f"a {missing} for the word {cells[0]} ({tag})"
            return FormatError(reading.path, line, expected, "_"), tags_present
        sentence.tokens.append(cells[form])
        sentence.tags.append(value)
        sentence.lines.append(line)
    return sentence, tags_present


def _misc_values(misc: str, key: str) -> set[str]:
    """Return the values of a key of MISC, whatever the case of its letters."""
    items = (item.partition("=") for item in _ITEMS.split(misc))
    wanted = key.lower()
    return {value.strip() for name, _, value in items if name.strip().lower() == wanted}


def _column_index(name: str) -> int | None:
    """Return the index of a column; None for any other name, a key of MISC."""
    index = column_number(name)
    if index is not None and 0 <= index < len(COLUMNS):
        return index
    return COLUMNS.index(name.lower()) if name.lower() in COLUMNS else None


def _text(reading: Reading, block: Block) -> str:
    forms = " ".join(cells[1] for _, cells in block.words)
    return block.metadata.get(reading.columns.text or "text", forms)


def _label(reading: Reading, block: Block) -> str | FormatError:
    keys = [reading.columns.label] if reading.columns.label else ["topic", "label"]
    for key in keys:
        if block.metadata.get(key):
            return block.metadata[key]
    names = " or ".join(f"`# {key} = ...`" for key in keys)
    line = block.words[0][0]
    expected = f"metadata {names} above (--label-column)"
    return FormatError(reading.path, line, expected)
