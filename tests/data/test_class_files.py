"""Files of one class each, and labels that are none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.data_files import labelled_lines, parse_labelled
from zoo.tasks.data import DataError, Source, class_files, formats, load, read

PRAISE = "".join(f"the {noun} was a joy\n" for noun in "song plot cast duo end".split())
BLAME = "".join(f"the {noun} was a bore\n" for noun in "song plot cast duo end".split())


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["views.pos", "views.neg"], ["pos", "neg"]),
        (["a.pos.txt", "a.neg.txt"], ["pos", "neg"]),
        (["plot.tok.5000", "quote.tok.5000"], ["plot", "quote"]),
        (["warm.txt.gz", "cold.txt"], ["warm", "cold"]),
        (["x.a.b.txt", "x.c.b.txt"], ["a", "c"]),
        (["warm.txt"], ["warm"]),
    ],
)
def test_labels_are_the_parts_that_differ(names: list[str], labels: list[str]) -> None:
    assert class_files.labels([Path(name) for name in names]) == labels


@pytest.mark.parametrize("endings", [("pos", "neg"), ("pos.txt", "neg.txt")])
def test_a_file_per_class_is_detected(
    write: Callable[..., Path], tmp_path: Path, cache: Path, endings: tuple[str, str]
) -> None:
    for ending, text in zip(endings, (PRAISE, BLAME + "\n" + BLAME), strict=True):
        write(f"views.{ending}", text)
    write("views.README.1.0.txt", "not data")
    for data in (tmp_path, tmp_path / "views.[pn]*"):
        rows = read(Source(str(data)), "labelled", "train", cache_dir=cache).rows
        assert sorted(set(zip(rows["label"], rows["text"], strict=True)))[0] == (
            "neg",
            "the cast was a bore",
        )
        assert list(rows["label"]).count("pos") == 5 and len(rows) == 15
    notes = load(Source(str(tmp_path)), "labelled", cache_dir=cache).notes
    assert notes[0] == "a file per class: 2 classes (neg, pos)"
    assert f"blank lines left out: 1, the first at views.{endings[1]}:6" in notes


def test_a_file_per_class_for_each_split(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    for split in ("train", "dev", "test"):
        write(f"{split}.pos", PRAISE)
        write(f"{split}.neg", BLAME)
    splits = load(Source(str(tmp_path)), "labelled", cache_dir=cache)
    assert [sorted(set(rows["label"])) for rows in splits[:3]] == [["neg", "pos"]] * 3
    assert "test: a file per class: 2 classes (neg, pos)" in splits.notes
    files = tuple(str(tmp_path / f"train.{label}") for label in ("pos", "neg"))
    rows = read(Source(train_file=files), "labelled", "train", cache_dir=cache).rows
    assert list(rows["label"]) == ["pos"] * 5 + ["neg"] * 5


def test_tables_in_plain_files_are_not_one_per_class(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    for name, text in {"a": labelled_lines(8), "b": labelled_lines(8, 8)}.items():
        write(f"{name}.txt", text)
    rows = read(Source(str(tmp_path)), "labelled", "train", cache_dir=cache).rows
    assert sorted(set(rows["label"])) == ["0", "1"]


def test_first_words_are_labels_only_apart_from_the_texts(
    write: Callable[..., Path],
) -> None:
    path = write("a.txt", PRAISE.replace("the song", "a song").replace("duo", "the"))
    with pytest.raises(DataError, match="a.txt: expected text and labels"):
        parse_labelled(path)
    numbered = write("d.txt", "".join(f"{k} tea for {k}\n" for k in range(9)))
    with pytest.raises(DataError, match="d.txt: expected text and labels"):
        parse_labelled(numbered)
    prose = write("c.txt", PRAISE.replace("the", "Well, the"))
    with pytest.raises(DataError, match="c.txt: expected text and labels"):
        parse_labelled(prose)
    labels = write("b.txt", PRAISE.replace("the", "GOOD") + BLAME.replace("the", "BAD"))
    assert parse_labelled(labels)[5] == ("song was a bore", "BAD")
    description = formats.describe(formats.plan(labels, "labelled"))
    assert description == "format labelled, label = the first word (BAD, GOOD)"


def test_many_rare_labels_are_refused(write: Callable[..., Path], cache: Path) -> None:
    lines = [f"w{k // 2} is text {k}\t{k}" for k in range(400)]
    path = str(write("a.txt", "\n".join(line.partition("\t")[0] for line in lines)))
    message = (
        "train has 200 labels, 200 of which occur once or twice.*--format.*--label"
    )
    with pytest.raises(DataError, match=message):
        load(Source(path), "labelled", cache_dir=cache)
    splits = load(Source(path, format="labelled"), "labelled", cache_dir=cache)
    assert any("200 of which occur" in note for note in splits.notes)


def test_a_single_label_or_tag_is_reported(
    write: Callable[..., Path], cache: Path
) -> None:
    path = write("a.tsv", labelled_lines(40).replace("\t0", "\t1"))
    notes = load(Source(str(path)), "labelled", cache_dir=cache).notes
    assert "train has a single label: '1'" in notes
    path = write("a.conll", "".join(f"w{k} O\n\n" for k in range(30)))
    assert any(
        "train has a single tag: 'O'" in note
        for note in load(Source(str(path)), "tagged", cache_dir=cache).notes
    )
    notes = load(Source(str(path)), "entities", cache_dir=cache).notes
    assert "train has no entities, only the tag O" in notes
