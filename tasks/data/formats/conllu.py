"""CoNLL-U: ten tab-separated columns, with metadata in comments.

See universaldependencies.org. Multiword tokens (``1-2``) and empty nodes (``8.1``) are
skipped. Metadata are comments such as ``# topic = sport``; the column MISC holds keys
such as ``NER=B-PER``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import numbered_lines
from tasks.data.formats.reading import Reading, Row, Sentence

COLUMNS = (
    *("id", "form", "lemma", "upos", "xpos"),
    *("feats", "head", "deprel", "deps", "misc"),
)
_WORD_ID = re.compile(r"[1-9][0-9]*")
_SKIPPED_ID = re.compile(r"[0-9]+(-|\.)[0-9]+")
_METADATA = re.compile(r"#\s*([^=]+?)\s*=\s*(.*?)\s*")


class Block(NamedTuple):
    """A sentence: its metadata, and the line number and ten columns of each word."""

    metadata: dict[str, str]
    words: list[tuple[int, list[str]]]


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

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: if a line is neither a comment nor ten columns that start with an
            ID.
    """
    block = Block({}, [])
    for number, line in numbered_lines(path, encoding):
        if not line.strip():
            if block.words:
                yield block
                block = Block({}, [])
        elif line.startswith("#"):
            if match := _METADATA.fullmatch(line):
                block.metadata[match[1]] = match[2]
        else:
            cells = line.split("\t")
            if len(cells) != len(COLUMNS):
                expected = f"10 columns separated by tabs ({len(cells)} found)"
                raise FormatError(path, number, expected, line)
            if _WORD_ID.fullmatch(cells[0]):
                block.words.append((number, cells))
            elif not _SKIPPED_ID.fullmatch(cells[0]):
                expected = "a word's number in column ID, such as 1, 1-2 or 8.1"
                raise FormatError(path, number, expected, cells[0])
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


def rows(reading: Reading) -> Iterator[Row | Sentence]:
    """Yield the rows of a file.

    Args:
        reading: the file. By default, tokens are FORM and tags UPOS; entities are the
            key NER of MISC (O for a word without it); the label is the metadata
            ``topic`` or ``label``; the text is the metadata ``text``, otherwise the
            forms.

    Raises:
        FormatError: if a sentence lacks one of these.
    """
    has_tags = False
    for block in blocks(reading.path, reading.encoding):
        value = reading.metadata_split
        if value and block.metadata.get("split") != value:
            continue
        if reading.kind in ("tagged", "entities"):
            sentence, tags_present = _sentence(reading, block)
            has_tags = has_tags or tags_present
            yield sentence
        elif reading.kind == "labelled":
            yield {"text": _text(reading, block), "label": _label(reading, block)}
        else:
            yield {"text": _text(reading, block) + "\n"}
    if reading.kind == "entities" and not has_tags:
        key = reading.columns.tag or "NER"
        expected = f"tags as the key {key} of MISC, such as {key}=B-PER (--tag-column)"
        raise FormatError(reading.path, None, expected)


def _sentence(reading: Reading, block: Block) -> tuple[Sentence, bool]:
    """Return a sentence, and whether its tags are present in the file."""
    is_entities = reading.kind == "entities"
    tag = reading.columns.tag or ("NER" if is_entities else "upos")
    form = _column_index(reading.columns.token or "form")
    if form is None:
        expected = f"one of the columns {', '.join(COLUMNS)} as --token-column"
        raise FormatError(reading.path, None, expected, reading.columns.token)
    tag_index = _column_index(tag)
    sentence = Sentence([], [], [])
    tags_present = tag_index is not None
    for line, cells in block.words:
        if tag_index is None:
            items = (item.partition("=") for item in cells[9].split("|"))
            keys = {key: value for key, _, value in items}
            tags_present = tags_present or tag in keys
            value = keys.get(tag, "O" if is_entities else "")
        else:
            value = "" if cells[tag_index] == "_" else cells[tag_index]
        if not cells[form] or not value:
            missing = "tag" if cells[form] else "form"
            expected = f"a {missing} for the word {cells[0]} ({tag})"
            raise FormatError(reading.path, line, expected, "_")
        sentence.tokens.append(cells[form])
        sentence.tags.append(value)
        sentence.lines.append(line)
    return sentence, tags_present


def _column_index(name: str) -> int | None:
    """Return the index of a column; None for any other name, a key of MISC."""
    if name.isdigit() and int(name) < len(COLUMNS):
        return int(name)
    return COLUMNS.index(name.lower()) if name.lower() in COLUMNS else None


def _text(reading: Reading, block: Block) -> str:
    forms = " ".join(cells[1] for _, cells in block.words)
    return block.metadata.get(reading.columns.text or "text", forms)


def _label(reading: Reading, block: Block) -> str:
    keys = [reading.columns.label] if reading.columns.label else ["topic", "label"]
    for key in keys:
        if block.metadata.get(key):
            return block.metadata[key]
    names = " or ".join(f"`# {key} = ...`" for key in keys)
    line = block.words[0][0]
    expected = f"metadata {names} above (--label-column)"
    raise FormatError(reading.path, line, expected)
