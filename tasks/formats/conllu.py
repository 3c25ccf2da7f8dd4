"""CoNLL-U: ten columns between tabs, a blank line after each sentence.

Ranges (``1-2``) and empty nodes (``8.1``) are no words and are skipped. Comments such
as ``# topic = sport`` give the label of a text, ``# split = dev`` the split it belongs
to. Entities stand in MISC as ``NER=B-PER``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.formats.base import FormatError, Options, lines, pick

COLUMNS = ["id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps"]
COLUMNS += ["misc"]
ENTITY, LABELS = "NER", ("topic", "label")


def read(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the sentences of a file.

    Args:
        path: the file.
        options: `tag_column` is by default UPOS, or ``NER`` of MISC for entities;
            `label_column` a comment's key, by default topic or label.

    Raises:
        FormatError: naming file and line.
    """
    tokens: list[str] = []
    tags: list[str] = []
    about: dict[str, str] = {}
    begin = 1
    for number, line in lines(path, options.encoding):
        if not line.strip():
            if tokens:
                yield _row(path, begin, options, tokens, tags, about)
            tokens, tags, about = [], [], {}
        elif line.startswith("#") and "\t" not in line:
            key, _, value = line[1:].partition("=")
            about[key.strip()] = value.strip()
        else:
            parts = line.split("\t")
            if len(parts) != 10:
                raise FormatError(
                    path,
                    number,
                    "expected ten columns between tabs (CoNLL-U), got "
                    f"{len(parts)}: {line[:60]!r}",
                )
            if re.fullmatch(r"\d+[-.]\d+", parts[0]):
                continue
            if not parts[0].isdecimal():
                raise FormatError(
                    path, number, f"expected a word's number first, got {parts[0]!r}"
                )
            begin = begin if tokens else number
            tokens.append(parts[1])
            if options.kind in ("tagged", "entities"):
                tags.append(_tag(path, number, options, parts))
    if tokens:
        yield _row(path, begin, options, tokens, tags, about)


def _tag(path: Path, number: int, options: Options, parts: list[str]) -> str:
    """Return the tag of a word."""
    entries = (entry.partition("=") for entry in parts[9].split("|"))
    misc = {key: value for key, _, value in entries}
    default = ENTITY if options.kind == "entities" else "upos"
    column = options.tag_column or default
    if column.lower() in COLUMNS:
        tag = parts[COLUMNS.index(column.lower())]
    elif column in misc:
        tag = misc[column]
    elif options.kind == "entities" and not column.isdecimal():
        raise FormatError(
            path,
            number,
            f"expected the entity as {column}=... in the last column, got "
            f"{parts[9]!r}; --tag-column names another key",
        )
    else:
        tag = pick(parts, column, path, number)
    if not tag:
        raise FormatError(path, number, "expected a tag, got nothing")
    return tag


def _row(path, number, options, tokens, tags, about) -> dict[str, Any]:
    """Return a sentence as the task wants it."""
    split = {"split": about["split"]} if "split" in about else {}
    if options.kind in ("tagged", "entities"):
        return {"tokens": tokens, "tags": tags, "line": number, **split}
    text = about.get("text") or " ".join(tokens)
    if options.kind == "text":
        return {"text": text + "\n", **split}
    keys = [options.label_column] if options.label_column else LABELS
    for key in keys:
        if key in about:
            return {"text": text, "label": about[key], **split}
    raise FormatError(
        path,
        number,
        f"expected a comment '# {keys[0]} = ...' with the label before this line; "
        "--label-column names another key",
    )
