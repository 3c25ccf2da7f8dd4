"""Small corpora in every format of `zoo.tasks.data.formats`, to be damaged."""

import io
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zoo.tasks.data.formats import FORMATS, Kind

Table = list[dict[str, Any]]
Writer = Callable[[random.Random, Kind, Table], bytes]
_WORDS = "tea Lio ran home слово Ünï 東京 mañana e\u0301 \U0001f375 # - O 12 ,".split()
_TAGS = ("NOUN", "VERB", "X", "PUNCT")
_ENTITIES = ("O", "O", "B-PER", "I-PER", "S-LOC", "E-ORG", "U-X", "L-X", "M-Y")


def table(rng: random.Random, kind: Kind) -> Table:
    """Return rows of a kind, as they are meant.

    Args:
        rng: chooses the words.
        kind: the kind of the rows.
    """
    rows: Table = []
    for number in range(rng.choice((0, 1, 3, 12, 30))):
        tokens = rng.choices(_WORDS, k=rng.randint(1, 6))
        text = f"{' '.join(tokens)} {number}"
        row: dict[str, Any] = {"text": text}
        if kind == "labelled":
            row["label"] = rng.choice(("good", "bad", "so-so"))
        elif kind == "pairs":
            row = {"source": text, "target": text.upper()}
        elif kind in ("tagged", "entities"):
            tags = _ENTITIES if kind == "entities" else _TAGS
            row = {"tokens": tokens, "tags": rng.choices(tags, k=len(tokens))}
        rows.append(row)
    return rows


def write(rng: random.Random, format: str, kind: Kind, rows: Table) -> list[bytes]:
    """Return the bytes of a file of a format; for parallel files, of two.

    Args:
        rng: chooses what the format leaves open.
        format: one of `FORMATS`.
        kind: the kind of the rows.
        rows: the rows.
    """
    if format == "parallel":
        sides = ([row[name] for row in rows] for name in ("source", "target"))
        return [_lines(side) for side in sides]
    return [_WRITERS[format](rng, kind, rows)]


def as_read(format: str, kind: Kind, rows: Table) -> Table | None:
    """Return rows as they are read from a file; None where a file holds less than them.

    Args:
        format: of the file.
        kind: the kind of the rows.
        rows: the rows, from `table`.
    """
    if format in ("folder", "dict") or kind == "entities":
        return None  # the label is in the path; words of its own; schemes are mixed
    if format == "conllu" and kind != "tagged":
        return None  # the text is joined from the words
    if format in ("csv", "tsv", "columns") and (kind == "text" or len(rows) < 12):
        return None  # a table of one column is plain text; few rows tell little
    if format == "columns" and any(row["tokens"][0] == "#" for row in rows):
        return None  # a line that starts with it is a comment
    if kind == "pairs":
        return [{"source": r["source"], "targets": [r["target"]]} for r in rows]
    if kind == "text":
        return [{"text": f"{row['text']}\n"} for row in rows]
    return rows


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _conllu(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    lines = []
    for row in rows:
        tokens = row.get("tokens") or row["text"].split()
        tags = row.get("tags") or ["X"] * len(tokens)
        if rng.random() < 0.5 or kind == "labelled":
            lines.append(f"# topic = {row.get('label', 'news')}")
        if rng.random() < 0.3:
            lines.append(f"# split = {rng.choice(('train', 'dev', 'test'))}")
        for k, (token, tag) in enumerate(zip(tokens, tags, strict=True), 1):
            misc = f"NER={tag}" if kind == "entities" else "_"
            cells = (k, token, "_", tag, "_", "_", 0, "dep", "_", misc)
            lines.append("\t".join(map(str, cells)))
        lines.append("")
    return _lines(lines)


def _columns(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    separator, numbered = rng.choice("\t "), rng.random() < 0.3
    lines = ["-DOCSTART- O", ""] if rng.random() < 0.3 else []
    for row in rows:
        for k, pair in enumerate(zip(row["tokens"], row["tags"], strict=True)):
            lines.append(separator.join([str(k), *pair] if numbered else pair))
        lines.append("")
    return _lines(lines)


def _cells(rng: random.Random, kind: Kind, rows: Table) -> list[list[str]]:
    """Return the cells of a table, often with a header."""
    if kind in ("tagged", "entities"):
        cells = [["Sentence #", "Word", "POS" if kind == "tagged" else "Tag"]]
        for number, row in enumerate(rows):
            pairs = zip(row["tokens"], row["tags"], strict=True)
            cells += [[f"Sentence {number}", token, tag] for token, tag in pairs]
        return cells
    cells = [[str(value) for value in row.values()] for row in rows]
    if rows and rng.random() < 0.7:
        cells.insert(0, list(rows[0]))
    return cells


def _csv(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    delimiter = rng.choice(",,,;\t|")

    def quoted(cell: str) -> str:
        has_special = any(c in cell for c in f'"{delimiter}\r\n')
        is_quoted = has_special or rng.random() < 0.2
        return '"{}"'.format(cell.replace('"', '""')) if is_quoted else cell

    return _lines([delimiter.join(map(quoted, c)) for c in _cells(rng, kind, rows)])


def _tsv(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    separator = " ||| " if kind == "pairs" and rng.random() < 0.3 else "\t"
    return _lines([separator.join(cells) for cells in _cells(rng, kind, rows)])


def _jsonl(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    if kind == "entities" and rng.random() < 0.4:
        rows = [_offsets(rng, row) for row in rows]
    if rng.random() < 0.2:
        return json.dumps(rows, indent=rng.choice((None, 1))).encode()
    return _lines([json.dumps(row, ensure_ascii=rng.random() < 0.5) for row in rows])


def _offsets(rng: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with entities as character offsets."""
    text = " ".join(row["tokens"])
    end = len(row["tokens"][0])
    spans: list[Any] = [[0, end, "PER"]]
    if rng.random() < 0.5:
        spans = [{"start": 0, "end": end, "label": "PER"}]
    return {"text": text, rng.choice(("label", "spans", "entities")): spans}


def _parquet(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    names = list(rows[0]) if rows else ["text", "label"]
    columns = {name: pa.array([row[name] for row in rows]) for name in names}
    data = pa.table(columns)
    if rng.random() < 0.3 and kind == "labelled" and rows:
        classes = sorted({row["label"] for row in rows})
        numbers = pa.array([classes.index(row["label"]) for row in rows], pa.int64())
        data = data.set_column(1, "label", numbers)
        features = {
            "text": {"dtype": "string", "_type": "Value"},
            "label": {"names": classes, "_type": "ClassLabel"},
        }
        info = json.dumps({"info": {"features": features}})
        data = data.replace_schema_metadata({"huggingface": info})
    return parquet_bytes(rng, data)


def parquet_bytes(rng: random.Random, data: pa.Table) -> bytes:
    """Return the bytes of a Parquet file.

    Args:
        rng: chooses the options of the file.
        data: its content.
    """
    buffer = io.BytesIO()
    pq.write_table(
        data,
        buffer,
        compression=rng.choice(("none", "snappy", "gzip", "zstd")),
        use_dictionary=rng.random() < 0.5,
        write_page_checksum=rng.random() < 0.3,
        data_page_version=rng.choice(("1.0", "2.0")),
        row_group_size=rng.choice((4, 1000)),
    )
    return buffer.getvalue()


def _labelled(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    prefix = rng.choice(("", "__label__"))
    lines = [(f"{prefix}{row['label']}", row["text"]) for row in rows]
    at_end = prefix and rng.random() < 0.5
    return _lines([" ".join(reversed(line) if at_end else line) for line in lines])


def _folder(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    return _lines([row["text"] for row in rows])


def _dict(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    return _lines([f"word{k} T IY{k % 3} # {k}" for k, _ in enumerate(rows)])


def _text(rng: random.Random, kind: Kind, rows: Table) -> bytes:
    return _lines([row["text"] for row in rows])


_WRITERS: dict[str, Writer] = {
    "conllu": _conllu,
    "columns": _columns,
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "labelled": _labelled,
    "folder": _folder,
    "dict": _dict,
    "text": _text,
}
assert {*_WRITERS, "parallel"} == set(FORMATS)
