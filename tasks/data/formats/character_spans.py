"""Entities as character offsets in a text, as annotation tools write them.

Doccano: ``{"text": ..., "label": [[0, 4, "PER"]]}``; Prodigy and spaCy: ``"spans"`` or
``"entities"`` of ``{"start": 0, "end": 4, "label": "PER"}``. A text becomes the tokens
of the record, otherwise those of the project's tokenizer, with tags in BIO2.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from zoo.tasks.data.formats.column_choice import (
    TEXT_NAMES,
    Record,
    Records,
    by_name,
    columns_of_flag,
)
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.reading import Columns, Sentence

SPAN_NAMES = ("entities", "spans", "label", "labels")
_STARTS = ("start", "start_offset", "start_char", "begin")
_ENDS = ("end", "end_offset", "end_char", "stop")
_TYPES = ("label", "type", "entity", "tag", "class")
Span = tuple[int, int, str]
"""The start and the end of a piece of text, and its type or the piece itself."""


def spans_columns(
    where: object, sample: Records, columns: Columns
) -> tuple[str, str] | None:
    """Return the columns of the text and of its spans; None without such columns.

    Args:
        where: the file, for error messages.
        sample: the first rows of the file.
        columns: the columns that the user names.

    Raises:
        DataError: if the user names a column that does not exist.
    """
    names = list(sample[0])
    usual = [name for name in names if name.strip().lower() in SPAN_NAMES]
    usual.sort(key=lambda name: SPAN_NAMES.index(name.strip().lower()))
    if columns.tag is not None:
        usual = columns_of_flag(where, names, columns.tag, "--tag-column")
    texts = columns_of_flag(where, names, columns.text, "--text-column")
    strings = [n for n in names if all(isinstance(row.get(n), str) for row in sample)]
    text = texts[0] if texts else by_name(strings, TEXT_NAMES)
    spans = next((name for name in usual if _are_spans(sample, name)), None)
    return (text, spans) if text is not None and spans is not None else None


def spans_sentence(
    where: str,
    line: int,
    record: Record,
    text_column: str,
    spans_column: str,
    *,
    tokenizer: str,
) -> Sentence:
    """Return the sentence of a record.

    Args:
        where: the file, for error messages.
        line: number of the record.
        record: the record.
        text_column: the column of the text.
        spans_column: the column of the spans.
        tokenizer: a key of `zoo.text.CURRENT_TOKENIZERS`.

    Raises:
        FormatError: if an offset lies outside of the text or cuts a token, or entities
            overlap.
    """
    text, value = record.get(text_column), record.get(spans_column)
    if not isinstance(text, str):
        raise FormatError(where, line, f"a text in column {text_column!r}", text)
    spans = [_span(item) for item in value] if isinstance(value, list) else [None]
    known = [span for span in spans if span is not None]
    if len(known) < len(spans):
        expected = f"a list of start, end and type in column {spans_column!r}"
        raise FormatError(where, line, expected, value)
    tokens = tokens_with_offsets(record, text, tokenizer)
    starts, ends = [a for a, _, _ in tokens], [b for _, b, _ in tokens]
    tags = ["O"] * len(tokens)
    for start, end, kind in sorted(known):
        covered = text[start:end] if 0 <= start < end <= len(text) else ""
        if not covered.strip():
            expected = f"offsets of an entity in a text of {len(text)} characters"
            raise FormatError(where, line, expected, [start, end, kind])
        start += len(covered) - len(covered.lstrip())
        end -= len(covered) - len(covered.rstrip())
        inside = range(bisect_right(ends, start), bisect_left(starts, end))
        if not inside:  # the tokens of a record may leave out parts of its text
            expected = f"a token where the entity {text[start:end]!r} is"
            raise FormatError(where, line, expected, [start, end, kind])
        cut = [tokens[k][2] for k in (inside[0], inside[-1])]
        if tokens[inside[0]][0] != start or tokens[inside[-1]][1] != end:
            reason = f"the entity {text[start:end]!r} cuts {cut[0]!r} or {cut[1]!r}"
            expected = "offsets at the start and the end of tokens"
            raise FormatError(where, line, expected, [start, end, kind], reason)
        if any(tags[k] != "O" for k in inside):
            expected = "entities that do not overlap"
            raise FormatError(where, line, expected, [start, end, kind])
        for k in inside:
            tags[k] = f"{'B' if k == inside[0] else 'I'}-{kind}"
    return Sentence([token for _, _, token in tokens], tags, [line] * len(tokens))


def tokens_with_offsets(record: Record, text: str, tokenizer: str) -> list[Span]:
    """Return the tokens of a text: those of the record, or else those of the tokenizer.

    Args:
        record: the record; Prodigy lists ``{"text", "start", "end"}`` as ``tokens``.
        text: the text.
        tokenizer: a key of `zoo.text.CURRENT_TOKENIZERS`; the trained model applies the
            same tokenizer to raw text.
    """
    listed = record.get("tokens")
    if isinstance(listed, list) and listed:
        pieces = [_span(item, ("text",)) for item in listed]
        tokens = [piece for piece in pieces if piece and piece[2].strip()]
        follow = all(a[1] <= b[0] for a, b in itertools.pairwise(tokens))
        equal = all(text[a:b] == t for a, b, t in tokens)
        if len(tokens) == len(listed) and tokens[0][0] >= 0 and follow and equal:
            return tokens
    # Imported here: the library imports JAX, which no other format needs.
    from zoo.text.tokenizer import CURRENT_TOKENIZERS, tokenize

    spans, end = [], 0
    for token in tokenize(text, CURRENT_TOKENIZERS[tokenizer]):
        start = text.index(token, end)
        end = start + len(token)
        spans.append((start, end, token))
    return spans


def _are_spans(sample: Records, name: str) -> bool:
    """Return whether a column holds lists of spans, and at least one span."""
    values = [row.get(name) for row in sample if row.get(name) is not None]
    lists = [value for value in values if isinstance(value, list)]
    first = next((value[0] for value in lists if value), None)
    return 2 * len(lists) >= len(values) and _span(first) is not None


def _span(item: object, types: Sequence[str] = _TYPES) -> Span | None:
    """Return the start, end and type of an entity; None if the item has none."""
    if isinstance(item, dict):
        parts = [
            next((item[key] for key in keys if key in item), None)
            for keys in (_STARTS, _ENDS, types)
        ]
    elif isinstance(item, list | tuple) and len(item) >= 3:
        parts = list(item[:3])
    else:
        return None
    start, end, kind = parts
    if type(start) is not int or type(end) is not int or not isinstance(kind, str):
        return None
    return start, end, kind
