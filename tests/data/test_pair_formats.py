"""Pairs of a source and its targets: tables, JSON Lines, Parquet, dictionaries."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.data_files import parse_pairs
from zoo.tasks.data import DataError, FormatError, Source, formats, load, read
from zoo.tasks.data.formats import pair_columns


@pytest.mark.parametrize("separator", "\t,;")
def test_columns_of_tables(write: Callable[..., Path], separator: str) -> None:
    name = "a.tsv" if separator == "\t" else "a.csv"

    def table(*lines: str) -> Path:
        return write(name, "\n".join(lines).replace("|", separator))

    expected = [("a b", "c"), ("d", "e f")]
    assert parse_pairs(table(" a b|c ", "d|e f")) == expected
    assert parse_pairs(table("Source|Target", "a b|c", "d|e f")) == expected
    assert parse_pairs(table("id|tgt|src", "1|c|a b", "2|e f|d")) == expected
    path = table("en|de|fr", "a b|c|x", "d|e f|y")
    assert parse_pairs(path, source="en", target="de") == expected
    both = [("a b", "x", "c"), ("d", "y", "e f")]
    assert parse_pairs(path, source="en", target="2,1") == both


def test_several_columns_of_the_source_are_joined(write: Callable[..., Path]) -> None:
    path = write("a", "run\tran\tV;PST\nset up \tset up\t V\n")
    assert parse_pairs(path, source="0,2", target="1") == [
        ("run V;PST", "ran"),
        ("set up V", "set up"),
    ]
    assert parse_pairs(path, source="-1,0", target="1")[0] == ("V;PST run", "ran")


def test_rows_with_several_targets(write: Callable[..., Path]) -> None:
    path = write("a", "ABADI\tAH B\nABBE\tAE B\tAE B IY\n")
    assert parse_pairs(path) == [("ABADI", "AH B"), ("ABBE", "AE B", "AE B IY")]
    reading = formats.plan(path, "pairs")
    assert formats.describe(reading).endswith("all columns from 1 are targets)")
    with pytest.raises(FormatError, match="a:2: expected 2 cells"):
        parse_pairs(path, source="0", target="1")


def test_a_header_above_sentences_needs_no_usual_names(
    write: Callable[..., Path],
) -> None:
    body = "".join(f"a line {k}\teine Zeile {k}\n" for k in range(10))
    assert len(parse_pairs(write("a.tsv", "en\tde\n" + body))) == 10
    assert parse_pairs(write("a.tsv", "go\tgeh\n" + body[:40]))[0] == ("go", "geh")
    words = "".join(f"w{k}\tW {k}\n" for k in range(20))
    assert parse_pairs(write("a.tsv", "a\tEY\n" + words))[0] == ("a", "EY")
    assert pair_columns.has_header([["id", "x", "y"], ["1", "b", "c"]])
    assert not pair_columns.has_header([["id", "x", "y"], ["id", "b", "c"]])


def test_tsv_keeps_quotes_and_inner_white_space(write: Callable[..., Path]) -> None:
    assert parse_pairs(write("a.tsv", '"a"  b\u00a0c\t"d\n')) == [
        ('"a"  b\u00a0c', '"d')
    ]
    assert parse_pairs(write("a.csv", '"a, ""b""\nc",d\n')) == [('a, "b"\nc', "d")]


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("a.tsv", "a\tb\n\t c\n", 2, "a source .0. and a target .1."),
        ("a.tsv", "a\tb\nc\t \n", 2, "a source .0. and a target"),
        ("a.tsv", "a\tb\nc\td\t\n", 2, "a source .0. and a target"),
        ("a.tsv", "a\tb\nc\n", 2, "a source and a target"),
        ("a.tsv", "a\tb\n\nc\td\n", 2, "cells separated by tabs"),
        ("a.tsv", "source\ttarget\na\tb\nc\td\te\n", 3, "2 cells, as in the first row"),
        ("a.csv", "source,target\na,b\n,d\n", 3, r"a source \(source\) and a target"),
        ("a.jsonl", '{"source": "a", "target": "b"}\n{"source": "c"}', 2, "'target'"),
        ("a.jsonl", '{"source": "a", "target": []}', 1, "a source"),
        ("a.jsonl", '{"source": "a", "target": ["b", ""]}', 1, "a source"),
        ("a.jsonl", '{"source": "a", "target": [1]}', 1, "a list of words"),
        ("a.jsonl", '{"source": ["a"], "target": "b"}', 1, "a value in column"),
        ("a.jsonl", '["a", "b"]', 1, 'such as {"source": "...", "target": "..."}'),
        ("a.dict", "a AH\nb\n", 2, "a word and its phones"),
        ("a.dict", "a AH\n\nb B\n", 2, "a word and its phones"),
        ("a.dict", "a AH\nb # B\n", 2, "a word and its phones"),
    ],
)
def test_broken_rows(
    write: Callable[..., Path], name: str, text: str, line: int, message: str
) -> None:
    path = write(name, text)
    with pytest.raises(FormatError, match=message) as error:
        parse_pairs(path)
    assert str(error.value).startswith(f"{path}:{line}: expected")


def test_formats_without_pairs_are_refused(
    write: Callable[..., Path], cache: Path
) -> None:
    source = Source(str(write("a.tsv", "a\tb\n")), format="conllu")
    with pytest.raises(
        DataError, match="conllu cannot hold pairs rows; these can: csv"
    ):
        read(source, "pairs", "train", cache_dir=cache)
    for text in ("source\ttarget\n", ""):
        source = Source(str(write("a.tsv", text)))
        with pytest.raises(DataError, match="is empty"):
            read(source, "pairs", "train", cache_dir=cache)
    prose = Source(str(write("a.txt", "A line.\nAnother line, without a tab.\n")))
    with pytest.raises(FormatError, match="a.txt: expected sources and targets in"):
        read(prose, "pairs", "train", cache_dir=cache)


def test_columns_that_cannot_be_determined_are_listed(
    write: Callable[..., Path],
) -> None:
    path = write("a.csv", "id,en,de\n1,a b,c d\n")
    flags = "--source-column and --target-column: 'id', 'en', 'de'"
    for options in ({}, {"source": "en"}, {"target": "en"}):
        with pytest.raises(DataError, match=flags):
            parse_pairs(path, **options)
    with pytest.raises(
        DataError, match="no column 'ed' in line 1; there are 'id', 'en', 'de'"
    ):
        parse_pairs(path, source="ed")
    with pytest.raises(DataError, match="no column 'dee'.*did you mean 'de'"):
        parse_pairs(path, source="en", target="dee")
    two = write("b.csv", "en,de\na b,c d\n")
    assert parse_pairs(two, source="de") == [("c d", "a b")]
    assert parse_pairs(two, target="en") == [("c d", "a b")]
    with pytest.raises(DataError, match="--source-column.*: 'en', 'de'"):
        parse_pairs(write("a.jsonl", '{"en": "a", "de": "b"}'))


@pytest.mark.parametrize("names", pair_columns.USUAL_NAMES)
def test_usual_names(write: Callable[..., Path], names: tuple[str, str]) -> None:
    record = dict(zip(names[::-1], (["b", " c"], "a "), strict=True)) | {"id": 1}
    assert parse_pairs(write("a.jsonl", json.dumps(record))) == [("a", "b", "c")]


def test_a_translation_column_counts_as_a_column_per_language(
    write: Callable[..., Path],
) -> None:
    record = {"id": 7, "translation": {"de": "ein Hut", "en": "a hat"}}
    path = write("a.jsonl", json.dumps(record) + "\n")
    expected = [("ein Hut", "a hat")]
    assert parse_pairs(path, source="de", target="en") == expected
    assert parse_pairs(path, source="de") == parse_pairs(path, target="en") == expected
    with pytest.raises(
        DataError, match="languages .*--source-column .*--target-column: 'de', 'en'"
    ):
        parse_pairs(path)
    with pytest.raises(DataError, match="no column 'fr'"):
        parse_pairs(path, source="fr", target="en")


def test_parquet_and_the_hub(tmp_path: Path, cache: Path) -> None:
    features = datasets.Features(
        id=datasets.Value("string"),
        translation=datasets.Translation(languages=["de", "en"]),
    )
    datasets.disable_progress_bars()
    for split, count in {"train": 20, "validation": 2}.items():
        texts = [{"de": f"Hut {k}", "en": f"hat {k}"} for k in range(count)]
        rows = {"id": list(map(str, range(count))), "translation": texts}
        table = datasets.Dataset.from_dict(rows, features=features)
        table.to_parquet(tmp_path / f"{split}-00000-of-00001.parquet")
    for name in (f"hub:{tmp_path}", str(tmp_path)):
        source = Source(name, source_column="en", target_column="de")
        splits = load(source, "pairs", cache_dir=cache)
        assert [len(rows) for rows in splits[:3]] == [18, 2, 2]
        assert splits.dev[1] == {"source": "hat 1", "targets": ["Hut 1"]}
        assert any("source = en, target = de" in note for note in splits.notes)
        with pytest.raises(DataError, match="--target-column: 'de', 'en'"):
            load(Source(name), "pairs", cache_dir=cache)
    table = {"question": ["why"], "answer": [["so", "no"]]}
    datasets.Dataset.from_dict(table).to_parquet(tmp_path / "a.parquet")
    assert parse_pairs(tmp_path / "a.parquet") == [("why", "so", "no")]


def test_dictionary(write: Callable[..., Path]) -> None:
    text = ";;; a comment\n'bout B AW1 T\na AH0\na(2) EY1 # the letter\n"
    text += "(2)  T UW1\nc# S IY1 #\n\n"
    assert parse_pairs(write("a.dict", text)) == [
        ("'bout", "B AW1 T"),
        ("a", "AH0"),
        ("a", "EY1"),
        ("(2)", "T UW1"),
        ("c#", "S IY1"),
    ]


CHARACTERS = st.characters(
    exclude_categories=["Cs"], exclude_characters="\0\t\n\r\ufeff"
)
SIDE = st.text(CHARACTERS).map(str.strip).filter(bool)


@given(rows=st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=12))
def test_any_pairs_are_read_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.getbasetemp()

    def write(name: str, lines: Iterable[str]) -> Path:
        path = folder / name
        path.write_bytes("\n".join(lines).encode())
        return path

    table = write("a.tsv", ["source\ttarget", *map("\t".join, rows)])
    assert parse_pairs(table) == rows
    names = ("target", "source")
    records = [dict(zip(names, row[::-1], strict=True)) for row in rows]
    assert parse_pairs(write("a.jsonl", map(json.dumps, records))) == rows
    source = write("a.src", [row[0] for row in rows])
    target = write("a.tgt", [row[1] for row in rows])
    assert parse_pairs(source, format="parallel", targets=target) == rows


@given(rows=st.lists(st.lists(SIDE, min_size=2, max_size=4), min_size=1, max_size=12))
def test_any_targets_are_read_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "several.tsv"
    # The first row is no header: a first row with a usual name in it would be one.
    rows = [["a word", "its sound"]] * (len(rows) + 1) + rows
    path.write_bytes("\n".join(map("\t".join, rows)).encode())
    assert parse_pairs(path) == list(map(tuple, rows))


@pytest.mark.parametrize("extra", ["number", "author", "constant"])
def test_columns_that_are_no_texts_are_left_out(
    write: Callable[..., Path], extra: str
) -> None:
    cells = {
        "number": str,
        "author": lambda k: f"CC-0, written by user {k * 7919}",
        "constant": lambda _: "x",
    }[extra]
    rows = [f"{cells(k)}\tcold {k}\tkalt {k}" for k in range(12)]
    path = write("a.tsv", "\n".join(rows))
    assert parse_pairs(path) == [(f"cold {k}", f"kalt {k}") for k in range(12)]
    description = formats.describe(formats.plan(path, "pairs"))
    assert "source = 1, target = 2" in description and "left out: 0" in description
    path = write("b.tsv", "\n".join(f"cold {k}\tkalt {k}" for k in range(12)))
    assert "left out" not in formats.describe(formats.plan(path, "pairs"))


def test_three_unnamed_columns_are_asked_for(write: Callable[..., Path]) -> None:
    rows = [f"cold {k}\tkalt {k}\tfroid {k}" for k in range(12)]
    path = write("a.tsv", "\n".join(rows))
    with pytest.raises(DataError, match="--source-column and --target-column: '0', '1"):
        parse_pairs(path)
    assert parse_pairs(path, source="0", target="2")[1] == ("cold 1", "froid 1")
    numbered = write("c.tsv", "\n".join(f"{k}\tcold {k}" for k in range(12)))
    with pytest.raises(DataError, match="--source-column and --target-column"):
        parse_pairs(numbered)
    assert parse_pairs(numbered, source="0", target="1")[1] == ("1", "cold 1")
    ragged = write("b.tsv", "\n".join([*rows, "cold\tkalt"]))
    with pytest.raises(DataError, match="--source-column and --target-column"):
        parse_pairs(ragged)


def test_pairs_divided_by_three_bars(write: Callable[..., Path]) -> None:
    path = write("a.txt", "cold tea ||| kalter Tee\nred ||| rot\n")
    assert parse_pairs(path) == [("cold tea", "kalter Tee"), ("red", "rot")]
