"""CoNLL-U: ten columns divided by tabs, comments, metadata (universaldependencies.org).

Ranges (``1-2``) and empty nodes (``8.1``) are no words and are left out. Metadata are
comments such as ``# topic = sport``; keys of the column MISC are such as ``NER=B-PER``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.data.formats.errors import FormatError
from tasks.data.formats.lines import numbered
from tasks.data.formats.reading import Reading, Row, Sentence

COLUMNS = (
    *("id", "form", "lemma", "upos", "xpos"),
    *("feats", "head", "deprel", "deps", "misc"),
)
_WORD = re.compile(r"[1-9][0-9]*")
_NO_WORD = re.compile(r"[0-9]+(-|\.)[0-9]+")
_METADATA = re.compile(r"#\s*([^=]+?)\s*=\s*(.*?)\s*")


class Block(NamedTuple):
    """A sentence: its metadata, and each word's line number and ten columns."""

    metadata: dict[str, str]
    words: list[tuple[int, list[str]]]


def looks_like(line: str) -> bool:
    """Tell whether a line is one of a word, a range or an empty node.

    Args:
        line: the line, without its line end.
    """
    parts = line.split("\t")
    number = _WORD.fullmatch(parts[0]) or _NO_WORD.fullmatch(parts[0])
    return len(parts) == len(COLUMNS) and number is not None


def blocks(path: Path, encoding: str) -> Iterator[Block]:
    """Yield the sentences of a file.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: if a line is neither a comment nor ten columns, or has no number.
    """
    block = Block({}, [])
    for number, line in numbered(path, encoding):
        if not line.strip():
            if block.words:
                yield block
                block = Block({}, [])
        elif line.startswith("#"):
            if match := _METADATA.fullmatch(line):
                block.metadata[match[1]] = match[2]
        else:
            parts = line.split("\t")
            if len(parts) != len(COLUMNS):
                wanted = f"10 columns divided by tabs ({len(parts)} found)"
                raise FormatError(path, number, wanted, line)
            if _WORD.fullmatch(parts[0]):
                block.words.append((number, parts))
            elif not _NO_WORD.fullmatch(parts[0]):
                wanted = "a word's number in column ID, such as 1, 1-2 or 8.1"
                raise FormatError(path, number, wanted, parts[0])
    if block.words:
        yield block


def parts(path: Path, encoding: str) -> list[str]:
    """Return the values of the metadata ``split`` in a file, each once, in order.

    The list is empty if the first sentence has no such metadata.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: as for `blocks`, and if a later sentence has none.
    """
    found = {}
    for block in blocks(path, encoding):
        value = block.metadata.get("split")
        if value is None and not found:
            break
        if value is None:
            line = block.words[0][0]
            raise FormatError(path, line, "metadata `# split = ...`, as above")
        found[value] = None
    return list(found)


def rows(reading: Reading) -> Iterator[Row | Sentence]:
    """Yield the rows of a file.

    Args:
        reading: the file. The columns default to FORM and UPOS; for entities to the
            key NER of MISC (a word without it is O); for labels to the metadata
            ``topic`` or ``label``; for texts to the metadata ``text``, else the forms.

    Raises:
        FormatError: if a sentence lacks what is asked for.
    """
    blank = True
    for block in blocks(reading.path, reading.encoding):
        if reading.part and block.metadata.get("split") != reading.part:
            continue
        if reading.kind in ("tagged", "entities"):
            sentence, known = _sentence(reading, block)
            blank = blank and not known
            yield sentence
        elif reading.kind == "labelled":
            yield {"text": _text(reading, block), "label": _label(reading, block)}
        else:
            yield {"text": _text(reading, block) + "\n"}
    if reading.kind == "entities" and blank:
        key = reading.columns.tag or "NER"
        wanted = f"tags as the key {key} of MISC, such as {key}=B-PER (--tag-column)"
        raise FormatError(reading.path, None, wanted)


def _sentence(reading: Reading, block: Block) -> tuple[Sentence, bool]:
    """Return a sentence, and whether its tags were there at all."""
    default = "NER" if reading.kind == "entities" else "upos"
    tag = reading.columns.tag or default
    form = _column(reading.columns.token or "form")
    if form is None:
        wanted = f"one of the columns {', '.join(COLUMNS)} as --token-column"
        raise FormatError(reading.path, None, wanted, reading.columns.token)
    column = _column(tag)
    sentence = Sentence([], [], [])
    known = column is not None
    for line, word in block.words:
        if column is None:
            items = (item.partition("=") for item in word[9].split("|"))
            keys = {key: value for key, _, value in items}
            known = known or tag in keys
            value = keys.get(tag, "O" if reading.kind == "entities" else "")
        else:
            value = "" if word[column] == "_" else word[column]
        if not word[form] or not value:
            wanted = f"a {'tag' if word[form] else 'form'} for the word {word[0]}"
            raise FormatError(reading.path, line, f"{wanted} ({tag})", "_")
        sentence.tokens.append(word[form])
        sentence.tags.append(value)
        sentence.lines.append(line)
    return sentence, known


def _column(name: str) -> int | None:
    """Return a column's place; None for anything else: a key of MISC."""
    if name.isdigit() and int(name) < len(COLUMNS):
        return int(name)
    return COLUMNS.index(name.lower()) if name.lower() in COLUMNS else None


def _text(reading: Reading, block: Block) -> str:
    forms = " ".join(word[1] for _, word in block.words)
    return block.metadata.get(reading.columns.text or "text", forms)


def _label(reading: Reading, block: Block) -> str:
    keys = [reading.columns.label] if reading.columns.label else ["topic", "label"]
    for key in keys:
        if block.metadata.get(key):
            return block.metadata[key]
    wanted = " or ".join(f"`# {key} = ...`" for key in keys)
    line = block.words[0][0]
    raise FormatError(reading.path, line, f"metadata {wanted} above (--label-column)")
