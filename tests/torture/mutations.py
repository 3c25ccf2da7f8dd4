"""Damage to the bytes of a data file: of its bytes, lines, cells, JSON or Parquet."""

import codecs
import datetime
import decimal
import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture.corpus_files import parquet_bytes

Mutation = Callable[[random.Random, bytes], bytes]
_DIGITS = b"9" * 5000
_PIECES = (
    *(b"\0", b"\r", b"\n", b"\r\n", b"\n\n", b"\x0b", b"\x0c", b"\x1c", b"\x1b[2J"),
    *(b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8"),
    *(codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\x1f\x8b", b"PAR1"),
    *(b'"', b'""', b"\t", b" ", b"\t\t", b"|", b" ||| ", b",", b";", b"=", b"#", b"\\"),
    *(b"\\ud83d", b'"\\ud800"', b"\\", b"[", b"]", b"{", b"}", b"[" * 3000, b"NaN"),
    *("²".encode(), "١".encode(), _DIGITS, b"-1", b"1e999", b"null", b"true", b"0"),
    *(b"__label__", b"-DOCSTART-", b"# split = test\n", b"# text =\n", b"sep=;\n"),
    *(b"#begin document (x); part 0\n", b"1-2", b"8.1", b"B-", b"PER", b"I_X", b";;;"),
    *(b"#" + b" " * 20_000, b" " * 20_000, b"(1" * 5000, b"a," * 5000, b'","' * 3000),
    *(b"O" * 20_000, b"a+" * 2000, b"\t" * 5000, b"1\n" * 3000, b'"\n' * 2000),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**4299, float("nan"), "", " ", "a\0b", "\ud800"),
    *("\n", "²", [], {}, [None], [""], [1, 2], ["a", 1], [["a"]], {"a": 1}, [[0, 1]]),
    *([[0, 1, "PER"]], [[-1, 10**9, "X"]], [[0, 3, "X"], [1, 2, "Y"]], [[3, 0, "X"]]),
    *(
        [{"start": 0, "end": 2, "label": "X"}],
        [{"start": None}],
        {"de": "a", "en": "b"},
    ),
    *("x" * 5000, ["a"] * 3000, ["B-X"], ["O", "O"]),
)


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(_PIECES) + data[at:]


def _cut(rng: random.Random, data: bytes) -> bytes:
    first, last = sorted(rng.randint(0, len(data)) for _ in range(2))
    return data[:first] if rng.random() < 0.5 else data[:first] + data[last:]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    first, last = sorted(rng.randint(0, len(data)) for _ in range(2))
    piece = data[first:last][:500]
    return data[:last] + piece * rng.choice((1, 2, 50)) + data[last:]


def _random_bytes(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 2, 3, 4, 100)))


def _lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    k, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            lines[k], lines[other] = lines[other], lines[k]
        case 1:
            del lines[k]
        case 2:
            lines.insert(k, lines[other])
        case 3:
            lines.insert(k, rng.choice(_PIECES))
        case 4:
            lines[k] = lines[k].strip() + lines[other]
        case _:
            lines[k:k] = [lines[other]] * 1500
    return b"\n".join(lines)


def _line_ends(rng: random.Random, data: bytes) -> bytes:
    return data.replace(
        b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n\r", b" \n", b""))
    )


def _cells(rng: random.Random, data: bytes) -> bytes:
    separator = rng.choice((b"\t", b",", b" ", b";"))
    lines = data.split(b"\n")
    column = rng.randrange(3)
    chosen = range(len(lines)) if rng.random() < 0.3 else [rng.randrange(len(lines))]
    action, piece = rng.randrange(4), rng.choice(_PIECES)
    for k in chosen:
        cells = lines[k].split(separator)
        index = min(column, len(cells) - 1)
        match action:
            case 0:
                del cells[index]
            case 1:
                cells.insert(index, cells[index])
            case 2:
                cells[index] = piece
            case _:
                cells.reverse()
        lines[k] = separator.join(cells)
    return b"\n".join(lines)


def _json(rng: random.Random, data: bytes) -> bytes:
    """Change the values, the keys or the structure of JSON."""
    lines = data.split(b"\n")
    everywhere, action = rng.random() < 0.3, rng.randrange(7)
    value, key = (
        rng.choice(_VALUES),
        rng.choice(("text", "tags", "", "\ud800", "a\0", "\x1b")),
    )
    at = rng.randrange(len(lines))
    for k, line in enumerate(lines):
        if not everywhere and k != at:
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record:
            name = rng.choice(list(record))
            match action:
                case 0 | 1 | 2:
                    record[name] = value
                case 3:
                    record[key] = record.pop(name)
                case 4:
                    record[key] = value
                case 5:
                    record = {"translation": record}
                case _:
                    record = list(record.values())
        lines[k] = json.dumps(record).encode()
        if action == 6 and rng.random() < 0.5:
            depth = rng.choice((50, 900, 5000))
            lines[k] = b'{"text":' * depth + lines[k] + b"}" * depth
    return b"\n".join(lines)


def _parquet(rng: random.Random, data: bytes) -> bytes:
    """Change the types, the names or the metadata of the columns of Parquet."""
    try:
        return _other_columns(rng, pq.read_table(pa.BufferReader(data)))
    except Exception:  # of damaged data, pyarrow raises many types
        return _flip(rng, data)


def _other_columns(rng: random.Random, table: pa.Table) -> bytes:
    action = rng.randrange(4)
    if action == 0:
        text = rng.choice(
            ('{"info": {"features": ', "null", "[]", '{"info": null}', "\xff")
        )
        feature = rng.choice(
            ({"names": ["\ud800"], "_type": "ClassLabel"}, 1, {}, None)
        )
        full = json.dumps({"info": {"features": {"text": feature, "label": feature}}})
        metadata = {"huggingface": rng.choice((text, full))}
        return parquet_bytes(rng, table.replace_schema_metadata(metadata))
    if action == 1:
        names = [
            rng.choice((name, "text", "a\0b", "\x1b", ""))
            for name in table.column_names
        ]
        return parquet_bytes(rng, table.rename_columns(names))
    column, name = _column(rng, table.num_rows), rng.choice(table.column_names)
    if action == 2:
        return parquet_bytes(rng, table.append_column("more", column))
    return parquet_bytes(
        rng, table.set_column(table.column_names.index(name), name, column)
    )


def _column(rng: random.Random, size: int) -> pa.Array:
    """Return a column of an unusual type."""
    value, type = rng.choice(
        (
            ([("a", "b")], pa.map_(pa.string(), pa.string())),
            ({"a": "b"}, pa.struct([("a", pa.string())])),
            (b"\xff\xfe", pa.binary()),
            (b"ab", pa.binary(2)),
            ("a", pa.dictionary(pa.int8(), pa.string())),
            ("a", pa.large_string()),
            ("a", pa.string_view()),
            (None, pa.null()),
            (None, pa.string()),
            (1 << 45, pa.timestamp("s")),
            (1, pa.timestamp("ns", "Nowhere/City")),
            (1 << 40, pa.time64("ns")),
            (1, pa.duration("ns")),
            (datetime.date(1, 1, 1), pa.date32()),
            (decimal.Decimal("1.50"), pa.decimal128(5, 2)),
            (float("nan"), pa.float64()),
            (2.0, pa.float16()),
            (["a", None], pa.list_(pa.string())),
            ([["a"]], pa.list_(pa.list_(pa.string()))),
            ([1, 2], pa.list_(pa.int64(), 2)),
            ([], pa.large_list(pa.string())),
            (True, pa.bool_()),
            (1 << 63, pa.uint64()),
        )
    )
    if pa.types.is_time64(type):
        value = 10**6  # one that a day has, in nanoseconds
    return pa.array([value] * size, type)


def _gzip(rng: random.Random, data: bytes) -> bytes:
    packed = gzip.compress(data, mtime=0)
    match rng.randrange(5):
        case 0:
            return packed + rng.choice((packed, b"\0" * 10, b"garbage"))
        case 1:
            return packed[: rng.randint(0, len(packed))]
        case 2:
            return _flip(rng, packed)
    return packed


def _encode(rng: random.Random, data: bytes) -> bytes:
    codecs = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1251")
    codec = rng.choice((*codecs, "utf-7", "gb18030", "utf-8-sig", "cp037"))
    return data.decode(errors="replace").encode(codec, errors="replace")


def _invalid_text(rng: random.Random, data: bytes) -> bytes:
    """Replace some letters by bytes that are no UTF-8, of the same number."""
    old = rng.choice((b"a", b"e", b"o", b"text", b"label"))
    return data.replace(old, b"\xff" * len(old))


MUTATIONS: dict[str, Mutation] = {
    "flip": _flip,
    "insert": _insert,
    "cut": _cut,
    "repeat": _repeat,
    "random": _random_bytes,
    "lines": _lines,
    "line ends": _line_ends,
    "cells": _cells,
    "json": _json,
    "parquet": _parquet,
    "gzip": _gzip,
    "encode": _encode,
    "invalid text": _invalid_text,
}


def mutations_of(format: str) -> list[str]:
    """Return the names of the mutations that make sense for a format.

    Args:
        format: one of `FORMATS`.
    """
    left_out = {"jsonl": ("parquet",), "parquet": ("json",)}
    return [m for m in MUTATIONS if m not in left_out.get(format, ("json", "parquet"))]
