"""Parallel files: pairs of a source and a target that are aligned by line."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.tasks.data import DataError, FormatError, Source, load, read


@pytest.fixture
def corpus(write: Callable[..., Path], tmp_path: Path) -> str:
    """Return a folder with three languages: 6 lines of train, 1 of dev, 2 of test."""
    for language in ("de", "en", "fr"):
        for split, lines in {"train": range(6), "val": [6], "test": [7, 8]}.items():
            text = "".join(f"{language} {k}\n" for k in lines)
            write(f"corpus/{split}.{language}", text)
    return str(tmp_path / "corpus")


def test_parallel_files(corpus: str, cache: Path) -> None:
    source = Source(corpus, source_column="de", target_column="en")
    splits = load(source, "pairs", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [6, 1, 2]
    assert splits.test[1] == {"source": "de 8", "targets": ["en 8"]}
    note = "left out, as their names do not end in .de or .en: test.fr, train.fr"
    assert splits.notes[0].startswith(note)
    assert "test: test.de (format parallel, source = .de, target = .en)" in splits.notes
    dev = read(source, "pairs", "dev", cache_dir=cache).rows
    assert dev[:] == {"source": ["de 6"], "targets": [["en 6"]]}


@pytest.mark.parametrize(
    "name", ["test.de", "test.en", "te*", "*t.de", "t[e]*.[de][en]"]
)
def test_one_file_of_a_pair_is_enough(corpus: str, cache: Path, name: str) -> None:
    flags: dict[str, Any] = {"source_column": "fr", "target_column": "en"}
    if "de" in name or name.startswith("t["):
        flags["source_column"] = "de"
    path = f"{corpus}/{name}"
    source = Source(train_file=(f"{corpus}/train.*",), test_file=(path,), **flags)
    rows = read(source, "pairs", "test", cache_dir=cache).rows
    assert list(rows["targets"]) == [["en 7"], ["en 8"]]
    single = read(Source(path, **flags), "pairs", "test", cache_dir=cache).rows
    assert single[:] == rows[:]


def test_usual_endings_need_no_flags(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    for split in ("train", "valid"):
        write(f"{split}.src", f"a\r\nb {split}\r\n\r\n")
        write(f"{split}.tgt", f"{split} c\nd \n")
    dev = read(Source(str(tmp_path)), "pairs", "dev", cache_dir=cache).rows
    assert dev[:] == {"source": ["a", "b valid"], "targets": [["valid c"], ["d"]]}


def test_the_endings_of_parallel_files_are_asked_for(
    corpus: str, write: Callable[..., Path], cache: Path
) -> None:
    flags = "--source-column and --target-column"
    columns: list[dict[str, Any]] = [
        {},
        {"source_column": "de"},
        {"target_column": "en"},
    ]
    for more in columns:
        with pytest.raises(DataError, match=rf"test\.\*.* de, en, fr: .*{flags}"):
            load(Source(corpus, **more), "pairs", cache_dir=cache)
    with pytest.raises(DataError, match=r"test\.ru is not in .*, only test\.de, test"):
        source = Source(corpus, source_column="ru", target_column="en")
        load(source, "pairs", cache_dir=cache)
    with pytest.raises(FormatError, match=f"test.de: expected sources .*{flags}"):
        read(Source(f"{corpus}/test.de"), "pairs", "test", cache_dir=cache)
    with pytest.raises(DataError, match=f"format parallel needs two files.*{flags}"):
        source = Source(f"{corpus}/test.de", format="parallel")
        read(source, "pairs", "test", cache_dir=cache)
    Path(corpus, "val.en").unlink()
    with pytest.raises(DataError, match=r"val\.de: val\.en is not in the same folder"):
        source = Source(corpus, source_column="de", target_column="en")
        load(source, "pairs", cache_dir=cache)


def test_tables_with_a_common_stem_are_not_parallel_files(
    write: Callable[..., Path], cache: Path
) -> None:
    for k, name in enumerate(("a.1", "a.2", "a.x")):
        path = write(name, f"{k}\tb\n")
    source = Source(str(path.parent), source_column="0", target_column="1")
    assert len(read(source, "pairs", "train", cache_dir=cache).rows) == 3
    source = Source(str(path.parent), format="tsv")
    assert len(read(source, "pairs", "train", cache_dir=cache).rows) == 3
    write("a.train", "c\td\n")
    rows = read(Source(str(path.parent)), "pairs", "train", cache_dir=cache).rows
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
def test_lines_that_are_not_aligned(
    write: Callable[..., Path], cache: Path, first: str, second: str, message: str
) -> None:
    path = write("a.de", first)
    write("a.en", second)
    source = Source(str(path), source_column="de", target_column="en")
    with pytest.raises(FormatError, match=message):
        read(source, "pairs", "train", cache_dir=cache)


def test_an_edited_target_file_is_read_again(
    write: Callable[..., Path], cache: Path
) -> None:
    flags: dict[str, Any] = {"source_column": "de", "target_column": "en"}
    source = Source(str(write("a.de", "Hut\n")), **flags)
    for word in ("hat", "cap"):
        path = write("a.en", f"{word}\n")
        os.utime(path, ns=(0, 0))
        rows = read(source, "pairs", "train", cache_dir=cache).rows
        assert rows[0] == {"source": "Hut", "targets": [word]}
    again = read(source, "pairs", "train", cache_dir=cache).rows
    assert again.cache_files == rows.cache_files != []


def test_compressed_parallel_files(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    write("a.de", "Hut\n")
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(b"hat\n"))
    source = Source(str(tmp_path), source_column="de", target_column="en")
    rows = read(source, "pairs", "train", cache_dir=cache).rows
    assert rows[:] == {"source": ["Hut"], "targets": [["hat"]]}


def test_encodings_of_parallel_files(write: Callable[..., Path], cache: Path) -> None:
    path = write("a.ru", "Ёж\n", "cp1251")
    write("a.en", "a hedgehog\n", "cp1251")
    flags: dict[str, Any] = {"source_column": "en", "target_column": "ru"}
    source = Source(str(path), encoding="cp1251", **flags)
    assert read(source, "pairs", "train", cache_dir=cache).rows[0]["targets"] == ["Ёж"]
    with pytest.raises(FormatError, match=r"a\.ru:1: expected text in utf-8"):
        read(Source(str(path), **flags), "pairs", "train", cache_dir=cache)
