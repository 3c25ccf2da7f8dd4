"""Parquet files that are damaged, or have columns that no task reads."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.data_files import parse
from zoo.tasks.data import DataError, FormatError

ROWS = {"text": ["a b", "c d", "e f"], "label": ["x", "y", "x"]}


def write(path: Path, table: pa.Table | None = None, **options: Any) -> bytes:
    """Write a table, by default `ROWS`, and return the bytes of the file."""
    pq.write_table(pa.table(ROWS) if table is None else table, path, **options)
    return path.read_bytes()


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    data = write(path, compression="none", write_page_checksum=True)
    middle = data.index(b"c d")
    for damaged in (
        data[:-1],
        data[:50],
        b"PAR1",
        b"",
        b"PARE" + data[4:-4] + b"PARE",
        data[:middle]
        + b"k"
        + data[middle + 1 :],  # what the checksum of its page tells
        data[:-12] + bytes(12),
    ):
        path.write_bytes(damaged)
        with pytest.raises(
            FormatError, match=r"a\.parquet: expected a Parquet file that"
        ):
            parse(path, "labelled", format="parquet")
    path.write_bytes(b"PARE" + data[4:-4] + b"PARE")
    with pytest.raises(FormatError, match="complete and not encrypted"):
        parse(path, "labelled")


def test_texts_that_are_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    data = write(path, compression="none", use_dictionary=False)
    path.write_bytes(data.replace(b"c d", b"c\xffd"))
    with pytest.raises(FormatError, match="UnicodeDecodeError: 'utf-8' codec"):
        parse(path, "labelled")


@pytest.mark.parametrize(
    "metadata",
    [
        "{",
        '{"info": {"features": {"text": 1}}}',
        json.dumps({"info": {"features": {"text": {"_type": "None"}}}}),
    ],
)
def test_broken_types_of_datasets(tmp_path: Path, metadata: str) -> None:
    path = tmp_path / "a.parquet"
    write(path, pa.table(ROWS).replace_schema_metadata({"huggingface": metadata}))
    with pytest.raises(FormatError, match=r"a\.parquet: expected a Parquet file"):
        parse(path, "labelled")


def test_class_names_that_are_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["\ud800", "y"], "_type": "ClassLabel"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({**ROWS, "label": [0, 1, 0]})
    write(path, table.replace_schema_metadata(metadata))
    with pytest.raises(FormatError, match="surrogates not allowed"):
        parse(path, "labelled")


MORE: dict[str, pa.Array] = {
    "map": pa.array([[("a", "b")]] * 3, pa.map_(pa.string(), pa.string())),
    "dictionary": pa.array(["a"] * 3, pa.dictionary(pa.int8(), pa.string())),
    "struct": pa.array([{"a": 1}] * 3),
    "null": pa.nulls(3),
    "lists": pa.array([[["a"]]] * 3),
    "bytes": pa.array([b"\xff"] * 3),
}


@pytest.mark.parametrize("name", MORE)
def test_columns_that_are_not_read_have_any_type(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.parquet"
    write(path, pa.table({**ROWS, "more": MORE[name]}))
    rows = parse(path, "labelled")
    assert [list(row.values()) for row in rows] == [
        list(row) for row in zip(*ROWS.values(), strict=True)
    ]
    if name != "dictionary":
        with pytest.raises(FormatError, match=r"a\.parquet:1: expected a value in col"):
            parse(path, "labelled", text="more", label="label")


def test_columns_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    write(path, table)
    with pytest.raises(DataError, match="columns with distinct names, got 'text'"):
        parse(path, "text")
