"""Which files belong to which split."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.data_files import labelled_lines
from zoo.tasks.data import DataError, FormatError, Source, files, load, read


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("eng.train", "train"),
        ("eng.testa", "dev"),
        ("eng.testb", "test"),
        ("wnut17train.conll", "train"),
        ("emerging.dev.conll", "dev"),
        ("emerging.test.annotated", "test"),
        ("stsa.fine.train", "train"),
        ("train_5k.csv", "train"),
        ("ptb.char.valid.txt", "dev"),
        ("GramEval2020-RuEval2017-Lenta-news-dev.conllu", "dev"),
        ("myValidation.tsv", "dev"),
        ("test2016.en", "test"),
        ("latest.csv", None),
        ("input.txt", None),
        ("MorphoRuEval2017-JZ-gold.conllu", None),
    ],
)
def test_split_of_a_file_name(name: str, split: str | None) -> None:
    assert files.split_of(name) == split


def test_a_name_of_two_splits_is_refused() -> None:
    with pytest.raises(DataError, match=r"several splits \(dev, train\)"):
        files.split_of("train-dev.csv")


def test_several_files_and_globs(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    for k, name in enumerate(["train-a.tsv", "train-b.tsv", "dev.tsv", "more.tsv"]):
        write(name, labelled_lines(10, 10 * k))
    write("README.md", "not data")
    splits = load(Source(str(tmp_path)), "labelled", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [18, 10, 2]
    assert any("left out" in note and "more.tsv" in note for note in splits.notes)
    more = str(tmp_path / "m*.tsv")
    source = Source(str(tmp_path), test_file=(more, str(tmp_path / "dev.tsv")))
    splits = load(source, "labelled", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [20, 10, 20]
    assert len(read(source, "labelled", "test", cache_dir=cache).rows) == 20
    assert len(read(Source(more), "labelled", "test", cache_dir=cache).rows) == 10
    single = Source(str(tmp_path / "dev.tsv"))
    assert len(load(single, "labelled", cache_dir=cache).train) == 8
    with pytest.raises(DataError, match="no test among the files, only dev"):
        read(single, "labelled", "test", cache_dir=cache)


def test_a_folder_with_a_file_per_class_for_each_split(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    for split, texts in {"train": "a\nb\nc\n", "dev": "d\ne\n", "test": "f\n"}.items():
        for label in ("x", "y"):
            write(f"{split}/{label}.txt", texts)
    sources: dict[str, Any] = {
        f"{split}_file": (str(tmp_path / split),) for split in files.SPLITS
    }
    splits = load(Source(**sources), "labelled", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [6, 4, 2]
    assert splits.test[1] == {"text": "f", "label": "y"}


def conllu(*splits: str) -> str:
    """Return a sentence of one word for each split, which its metadata name."""
    return "".join(
        f"# split = {split}\n# topic = t\n"
        f"1\tw{k}\t_\tX\t_\t_\t0\troot\t_\tNER=B-PER\n\n"
        for k, split in enumerate(splits)
    )


def test_the_sample_is_split_by_its_metadata(
    write: Callable[..., Path], cache: Path
) -> None:
    sample = write("sample.conllu", conllu("train", "valid", "test", "train"))
    for kind in ("tagged", "entities", "labelled"):
        splits = load(Source(), kind, sample=sample, cache_dir=cache)
        assert [len(rows) for rows in splits[:3]] == [2, 1, 1]
    rows = read(Source(), "tagged", "dev", sample=sample, cache_dir=cache).rows
    assert rows[:] == {"tokens": [["w1"]], "tags": [["X"]]}
    with pytest.raises(DataError, match="no data: give --data"):
        load(Source(), "tagged", cache_dir=cache)
    half = write("half.conllu", conllu("train") + conllu("dev").partition("\n")[2])
    with pytest.raises(FormatError, match="half.conllu:6: expected metadata"):
        load(Source(str(half)), "tagged", cache_dir=cache)


def test_errors_about_missing_files_suggest_similar_names(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    write("corpus/train.tsv", labelled_lines(9))
    for data, hint in {
        "corpus/trian.tsv": "did you mean .*corpus/train.tsv",
        "korpus/train.tsv": "did you mean .*corpus?",
        "corpus/xyz": "corpus holds train.tsv",
        "corpus/*.csv": "no file matches the glob",
    }.items():
        with pytest.raises(DataError, match=hint):
            load(Source(str(tmp_path / data)), "labelled", cache_dir=cache)
    write("none/.hidden", "")
    write("none/README", "")
    with pytest.raises(DataError, match=r"no data files; it holds: \.hidden, README"):
        load(Source(str(tmp_path / "none")), "labelled", cache_dir=cache)


def test_a_file_that_is_named_twice(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    path, copy = (write(name, labelled_lines(9)) for name in ("a.tsv", "b.tsv"))
    twice = (str(path), str(tmp_path / "sub" / ".." / "a.*"))
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match=r"--dev-file names .*a\.tsv 2 times"):
        load(Source(str(path), dev_file=twice), "labelled", cache_dir=cache)
    source = Source(str(path), dev_file=(str(copy),), test_file=(str(path),))
    notes = load(source, "labelled", cache_dir=cache).notes
    pairs = ("train and dev", "train and test", "dev and test")
    assert {note for note in notes if "same rows" in note} == {
        f"{pair} have the same rows" for pair in pairs
    }


def test_an_empty_split_is_refused(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    write("train.conll", "a X\n")
    write("dev.conll", "\n\n")
    with pytest.raises(DataError, match=r"dev \(.*dev\.conll\) is empty"):
        load(Source(str(tmp_path)), "tagged", cache_dir=cache)
