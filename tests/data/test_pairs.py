"""Pairs of a source and its targets: formats, parallel files, splits, the hub."""

import json
import os
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data import DataError, FormatError, Source, formats, load, read
from tasks.data.formats import Columns, pair_columns


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text.encode(encoding))
        return path

    return write


def found(path: Path, **options) -> list[tuple]:
    """Return the rows of a file: a source and its targets each."""
    columns = Columns(**{k: options.pop(k) for k in Columns._fields if k in options})
    reading = formats.plan(path, "pairs", columns=columns, **options)
    return [(row["source"], *row["targets"]) for row in formats.rows(reading)]


# -- Tables ---------------------------------------------------------------------------


@pytest.mark.parametrize("divider", "\t,;")
def test_tables(write, divider):
    name = "a.tsv" if divider == "\t" else "a.csv"

    def table(*lines: str) -> Path:
        return write(name, "\n".join(lines).replace("|", divider))

    wanted = [("a b", "c"), ("d", "e f")]
    assert found(table(" a b|c ", "d|e f")) == wanted
    assert found(table("Source|Target", "a b|c", "d|e f")) == wanted
    assert found(table("id|tgt|src", "1|c|a b", "2|e f|d")) == wanted
    path = table("en|de|fr", "a b|c|x", "d|e f|y")
    assert found(path, source="en", target="de") == wanted
    both = [("a b", "x", "c"), ("d", "y", "e f")]
    assert found(path, source="en", target="2,1") == both


def test_several_columns_of_the_source_are_joined(write):
    path = write("a", "run\tran\tV;PST\nset up \tset up\t V\n")
    assert found(path, source="0,2", target="1") == [
        ("run V;PST", "ran"),
        ("set up V", "set up"),
    ]
    assert found(path, source="-1,0", target="1")[0] == ("V;PST run", "ran")


def test_rows_of_several_answers(write):
    path = write("a", "ABADI\tAH B\nABBE\tAE B\tAE B IY\n")
    assert found(path) == [("ABADI", "AH B"), ("ABBE", "AE B", "AE B IY")]
    reading = formats.plan(path, "pairs")
    assert formats.describe(reading).endswith("all columns from 1 are targets)")
    with pytest.raises(FormatError, match="a:2: expected 2 cells"):
        found(path, source="0", target="1")


def test_a_header_over_sentences_needs_no_usual_names(write):
    body = "".join(f"a line {k}\teine Zeile {k}\n" for k in range(10))
    assert len(found(write("a.tsv", "en\tde\n" + body))) == 10
    assert found(write("a.tsv", "go\tgeh\n" + body[:40]))[0] == ("go", "geh")
    words = "".join(f"w{k}\tW {k}\n" for k in range(20))
    assert found(write("a.tsv", "a\tEY\n" + words))[0] == ("a", "EY")
    assert pair_columns.has_header([["id", "x", "y"], ["1", "b", "c"]])
    assert not pair_columns.has_header([["id", "x", "y"], ["id", "b", "c"]])


def test_tsv_keeps_quotes_and_inner_white_space(write):
    assert found(write("a.tsv", '"a"  b\u00a0c\t"d\n')) == [('"a"  b\u00a0c', '"d')]
    assert found(write("a.csv", '"a, ""b""\nc",d\n')) == [('a, "b"\nc', "d")]


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("a.tsv", "a\tb\n\t c\n", 2, "a source .0. and a target .1."),
        ("a.tsv", "a\tb\nc\t \n", 2, "a source .0. and a target"),
        ("a.tsv", "a\tb\nc\td\t\n", 2, "a source .0. and a target"),
        ("a.tsv", "a\tb\nc\n", 2, "a source and a target"),
        ("a.tsv", "a\tb\n\nc\td\n", 2, "cells divided by tabs"),
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
def test_broken_rows(write, name, text, line, message):
    path = write(name, text)
    with pytest.raises(FormatError, match=message) as error:
        found(path)
    assert str(error.value).startswith(f"{path}:{line}: expected")


def test_formats_without_pairs_are_refused(write, cache):
    source = Source(str(write("a.tsv", "a\tb\n")), format="conllu")
    with pytest.raises(DataError, match="conllu gives no pairs rows; these do: csv"):
        read(source, "pairs", "train", cache_dir=cache)
    for text in ("source\ttarget\n", ""):
        source = Source(str(write("a.tsv", text)))
        with pytest.raises(DataError, match="is empty"):
            read(source, "pairs", "train", cache_dir=cache)
    prose = Source(str(write("a.txt", "A line.\nAnother one, not of pairs.\n")))
    with pytest.raises(FormatError, match="a.txt: expected sources and targets in"):
        read(prose, "pairs", "train", cache_dir=cache)


def test_columns_that_cannot_be_told_are_listed(write):
    path = write("a.csv", "id,en,de\n1,a b,c d\n")
    flags = "--source-column and --target-column: 'id', 'en', 'de'"
    for options in ({}, {"source": "en"}, {"target": "en"}):
        with pytest.raises(DataError, match=flags):
            found(path, **options)
    with pytest.raises(DataError, match="no column 'ed'; there are 'id', 'en', 'de'"):
        found(path, source="ed")
    with pytest.raises(DataError, match="no column 'dee'.*did you mean 'de'"):
        found(path, source="en", target="dee")
    two = write("b.csv", "en,de\na b,c d\n")
    assert found(two, source="de") == [("c d", "a b")]
    assert found(two, target="en") == [("c d", "a b")]
    with pytest.raises(DataError, match="--source-column.*: 'en', 'de'"):
        found(write("a.jsonl", '{"en": "a", "de": "b"}'))


# -- JSON lines, Parquet, the hub -----------------------------------------------------


@pytest.mark.parametrize("names", pair_columns.USUAL_NAMES)
def test_usual_names(write, names):
    record = dict(zip(names[::-1], (["b", " c"], "a "), strict=True)) | {"id": 1}
    assert found(write("a.jsonl", json.dumps(record))) == [("a", "b", "c")]


def test_translations(write):
    record = {"id": 7, "translation": {"de": "ein Hut", "en": "a hat"}}
    path = write("a.jsonl", json.dumps(record) + "\n")
    wanted = [("ein Hut", "a hat")]
    assert found(path, source="de", target="en") == wanted
    assert found(path, source="de") == found(path, target="en") == wanted
    with pytest.raises(
        DataError, match="languages .*--source-column .*--target-column: 'de', 'en'"
    ):
        found(path)
    with pytest.raises(DataError, match="no column 'fr'"):
        found(path, source="fr", target="en")


def test_parquet_and_the_hub(tmp_path, cache):
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
    answers = {"question": ["why"], "answer": [["so", "no"]]}
    datasets.Dataset.from_dict(answers).to_parquet(tmp_path / "a.parquet")
    assert found(tmp_path / "a.parquet") == [("why", "so", "no")]


# -- Dictionaries ---------------------------------------------------------------------


def test_dictionaries(write):
    text = ";;; a comment\n'bout B AW1 T\na AH0\na(2) EY1 # the letter\n"
    text += "(2)  T UW1\nc# S IY1 #\n\n"
    assert found(write("a.dict", text)) == [
        ("'bout", "B AW1 T"),
        ("a", "AH0"),
        ("a", "EY1"),
        ("(2)", "T UW1"),
        ("c#", "S IY1"),
    ]


# -- Parallel files -------------------------------------------------------------------


@pytest.fixture
def corpus(write, tmp_path):
    """A folder with three languages, six lines to train on and two to test."""
    for language in ("de", "en", "fr"):
        for split, lines in {"train": range(6), "val": [6], "test": [7, 8]}.items():
            text = "".join(f"{language} {k}\n" for k in lines)
            write(f"corpus/{split}.{language}", text)
    return str(tmp_path / "corpus")


def test_parallel_files(corpus, cache):
    source = Source(corpus, source_column="de", target_column="en")
    splits = load(source, "pairs", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [6, 1, 2]
    assert splits.test[1] == {"source": "de 8", "targets": ["en 8"]}
    note = "left out, as their names do not end in .de or .en: test.fr, train.fr"
    assert splits.notes[0].startswith(note)
    assert "test: test.de (format parallel, source = .de, target = .en)" in splits.notes
    dev = read(source, "pairs", "dev", cache_dir=cache)
    assert dev[:] == {"source": ["de 6"], "targets": [["en 6"]]}


@pytest.mark.parametrize(
    "name", ["test.de", "test.en", "te*", "*t.de", "t[e]*.[de][en]"]
)
def test_globs_of_parallel_files(corpus, cache, name):
    flags = {"source_column": "fr", "target_column": "en"}
    if "de" in name or name.startswith("t["):
        flags["source_column"] = "de"
    one = f"{corpus}/{name}"
    source = Source(train_file=(f"{corpus}/train.*",), test_file=(one, one), **flags)
    rows = read(source, "pairs", "test", cache_dir=cache)
    assert list(rows["targets"]) == [["en 7"], ["en 8"]]
    lone = read(Source(one, **flags), "pairs", "test", cache_dir=cache)
    assert lone[:] == rows[:]


def test_usual_endings_need_no_flags(write, tmp_path, cache):
    for split in ("train", "valid"):
        write(f"{split}.src", f"a\r\nb {split}\r\n\r\n")
        write(f"{split}.tgt", f"{split} c\nd \n")
    splits = read(Source(str(tmp_path)), "pairs", "dev", cache_dir=cache)
    assert splits[:] == {
        "source": ["a", "b valid"],
        "targets": [["valid c"], ["d"]],
    }


def test_which_files_are_parallel_is_asked_for(corpus, write, cache):
    flags = "--source-column and --target-column"
    for more in ({}, {"source_column": "de"}, {"target_column": "en"}):
        with pytest.raises(DataError, match=rf"test\.\*.* de, en, fr: .*{flags}"):
            load(Source(corpus, **more), "pairs", cache_dir=cache)
    with pytest.raises(DataError, match=r"no test\.ru beside it, only test\.de, test"):
        source = Source(corpus, source_column="ru", target_column="en")
        load(source, "pairs", cache_dir=cache)
    with pytest.raises(FormatError, match=f"test.de: expected sources .*{flags}"):
        read(Source(f"{corpus}/test.de"), "pairs", "test", cache_dir=cache)
    with pytest.raises(DataError, match=f"format parallel wants two files.*{flags}"):
        source = Source(f"{corpus}/test.de", format="parallel")
        read(source, "pairs", "test", cache_dir=cache)
    Path(corpus, "val.en").unlink()
    with pytest.raises(DataError, match=r"val\.de: no val\.en beside it"):
        source = Source(corpus, source_column="de", target_column="en")
        load(source, "pairs", cache_dir=cache)


def test_tables_of_one_name_are_no_parallel_files(write, cache):
    for k, name in enumerate(("a.1", "a.2", "a.x")):
        path = write(name, f"{k}\tb\n")
    source = Source(str(path.parent), source_column="0", target_column="1")
    assert len(read(source, "pairs", "train", cache_dir=cache)) == 3
    source = Source(str(path.parent), format="tsv")
    assert len(read(source, "pairs", "train", cache_dir=cache)) == 3
    write("a.train", "c\td\n")
    rows = read(Source(str(path.parent)), "pairs", "train", cache_dir=cache)
    assert rows[:] == {"source": ["c"], "targets": [["d"]]}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("a\nb\n", "c\n", r"a\.de: expected as many lines as in .*a\.en \(1\), got 2"),
        ("a\n", "c\nd\n\n", r"a\.de: expected as many lines as in .*en \(3\), got 1"),
        ("a\n \nb\n", "c\nd\ne\n", r"a\.de:2: expected a source"),
        ("a\nb\n", "c\n\n", r"a\.en:2: expected a target"),
        ("a\n\n\nb\n", "c\n\n\nd\n", r"a\.de:2: expected a source"),
    ],
)
def test_lines_that_do_not_go_together(write, cache, first, second, message):
    path = write("a.de", first)
    write("a.en", second)
    source = Source(str(path), source_column="de", target_column="en")
    with pytest.raises(FormatError, match=message):
        read(source, "pairs", "train", cache_dir=cache)


def test_an_edited_target_is_read_anew(write, cache):
    flags = {"source_column": "de", "target_column": "en"}
    source = Source(str(write("a.de", "Hut\n")), **flags)
    for word in ("hat", "cap"):
        path = write("a.en", f"{word}\n")
        os.utime(path, ns=(0, 0))
        rows = read(source, "pairs", "train", cache_dir=cache)
        assert rows[0] == {"source": "Hut", "targets": [word]}
    again = read(source, "pairs", "train", cache_dir=cache)
    assert again.cache_files == rows.cache_files != []


def test_encodings_of_parallel_files(write, cache):
    path = write("a.ru", "Ёж\n", "cp1251")
    write("a.en", "a hedgehog\n", "cp1251")
    flags = {"source_column": "en", "target_column": "ru"}
    source = Source(str(path), encoding="cp1251", **flags)
    assert read(source, "pairs", "train", cache_dir=cache)[0]["targets"] == ["Ёж"]
    with pytest.raises(FormatError, match=r"a\.ru:1: expected text in utf-8"):
        read(Source(str(path), **flags), "pairs", "train", cache_dir=cache)


# -- Any pair, any format -------------------------------------------------------------

SIDE = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\ufeff"))
    .map(str.strip)
    .filter(bool)
)


@given(rows=st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=12))
def test_any_pairs_come_back(tmp_path_factory, rows):
    folder = tmp_path_factory.getbasetemp()

    def write(name: str, lines) -> Path:
        path = folder / name
        path.write_bytes("\n".join(lines).encode())
        return path

    table = write("a.tsv", ["source\ttarget", *map("\t".join, rows)])
    assert found(table) == rows
    names = ("target", "source")
    records = [dict(zip(names, row[::-1], strict=True)) for row in rows]
    assert found(write("a.jsonl", map(json.dumps, records))) == rows
    source = write("a.src", [row[0] for row in rows])
    target = write("a.tgt", [row[1] for row in rows])
    assert found(source, format="parallel", targets=target) == rows


@given(rows=st.lists(st.lists(SIDE, min_size=2, max_size=4), min_size=1, max_size=12))
def test_any_answers_come_back(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "several.tsv"
    path.write_bytes("\n".join(map("\t".join, rows)).encode())
    assert found(path) == list(map(tuple, rows))


# -- Shares ---------------------------------------------------------------------------


def test_no_source_is_in_two_splits(write, cache):
    text = "".join(f"{k % 100}\tanswer {k}\n" for k in range(200))
    path = write("a.tsv", text)

    def split(seed: int) -> list[list[dict]]:
        splits = load(Source(str(path)), "pairs", seed=seed, cache_dir=cache)
        note = f"no dev file: 10 % of the sources of train, seed {seed}"
        assert note in splits.notes
        return [list(rows) for rows in splits[:3]]

    parts = split(0)
    assert list(map(len, parts)) == [160, 20, 20]
    sources = [{row["source"] for row in part} for part in parts]
    assert len(set.union(*sources)) == sum(map(len, sources)) == 100
    assert split(0) == parts and split(1) != parts
    with pytest.raises(DataError, match="too few"):
        load(Source(str(write("b.tsv", "a\tb\nc\td\n"))), "pairs", cache_dir=cache)
