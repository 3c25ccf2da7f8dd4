"""Splits that are taken from train, and labels that train lacks."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.data_files import labelled_lines
from tests.helpers.typed import untyped
from zoo.tasks.data import DataError, Kind, Source, load
from zoo.tasks.data.splits import labels as labels_of


def test_held_out_splits_are_seeded_and_disjoint(
    write: Callable[..., Path], cache: Path
) -> None:
    path = write("a.tsv", labelled_lines(200) * 2)

    def texts(seed: int) -> list[list[str]]:
        splits = load(Source(str(path)), "labelled", seed=seed, cache_dir=cache)
        return [list(rows["text"]) for rows in splits[:3]]

    train, dev, test = texts(0)
    assert [len(train), len(dev), len(test)] == [320, 40, 40]
    assert not set(train) & set(dev) | set(train) & set(test) | set(dev) & set(test)
    assert texts(0) == [train, dev, test]
    assert texts(1)[1] != dev
    assert set(dev) == {f"text number {k}" for k in range(200)} - set(train) - set(test)


def test_digests_of_the_rows_and_of_the_held_out_ones(
    write: Callable[..., Path], cache: Path
) -> None:
    def digests(source: Source, seed: int = 0) -> dict[str, str]:
        return load(source, "labelled", seed=seed, cache_dir=cache).digests

    rows, choice = "train (a.csv)", "the choice of the held-out rows"
    path = write("a.csv", "text,label\n" + "".join(f"t{k},a\n" for k in range(90)))
    first = digests(Source(str(path)))
    assert first.keys() == {rows, choice}
    # Neither the order of the columns nor a line end changes the rows.
    text = "label,text\r\n" + "".join(f"a,t{k}\r\n" for k in range(90))
    assert digests(Source(str(write("a.csv", text)))) == first
    other = digests(Source(str(path)), seed=1)
    assert other[rows] == first[rows] and other[choice] != first[choice]
    swapped = digests(Source(str(write("a.csv", text.replace("a,t4\r", "b,t4\r")))))
    assert swapped[rows] != first[rows]
    files = Source(
        train_file=(str(path),), dev_file=(str(path),), test_file=(str(path),)
    )
    assert digests(files).keys() == {f"{s} (a.csv)" for s in ("train", "dev", "test")}


def test_held_out_splits_are_stratified(
    write: Callable[..., Path], cache: Path
) -> None:
    counts = {"many": 300, "some": 60, "few": 30, "two": 2}
    lines = [f"{name} {k}\t{name}\n" for name, n in counts.items() for k in range(n)]
    for order, content in enumerate([lines, lines[::-1]]):
        path = write(f"{order}.tsv", "".join(content))
        source = Source(str(path), text_column="0", label_column="1")
        for seed in range(3):
            splits = load(source, "labelled", seed=seed, cache_dir=cache)
            held_out = [Counter(rows["label"]) for rows in splits[1:3]]
            assert held_out == [{"many": 30, "some": 6, "few": 3}] * 2
            assert Counter(splits.train["label"])["two"] == 2


def test_the_label_of_a_text_with_several_labels(
    write: Callable[..., Path], cache: Path
) -> None:
    text = "".join(f"text {k}\t{label}\n" for k in range(50) for label in "ba")
    source = Source(str(write("a.tsv", text)), text_column="0", label_column="1")
    splits = load(source, "labelled", cache_dir=cache)
    sizes = [Counter(rows["label"]) for rows in splits[:3]]
    assert sizes == [{"a": n, "b": n} for n in (40, 5, 5)]


def test_a_rare_label_stays_in_train(write: Callable[..., Path], cache: Path) -> None:
    text = labelled_lines(40) + "".join(f"rare {k}\t{k}\n" for k in range(2, 20))
    for seed in range(3):
        source = Source(str(write("a.tsv", text)), text_column="0", label_column="1")
        splits = load(source, "labelled", seed=seed, cache_dir=cache)
        assert labels_of(splits.train) == {str(k) for k in range(20)}
        assert sum(len(rows) for rows in splits[:3]) == 58
    with pytest.raises(DataError, match="too few"):
        path = write("b.tsv", "a b\t0\nc d\t0\n")
        load(Source(str(path)), "labelled", cache_dir=cache)


@pytest.mark.parametrize(
    "text", ["0123456789" * 3, "01\n" * 10, "\n" * 30, "\r\n" * 15]
)
def test_text_is_split_by_position(
    write: Callable[..., Path], cache: Path, text: str
) -> None:
    splits = load(Source(str(write("a.txt", text))), "text", cache_dir=cache)
    train, dev = ("".join(rows["text"]) for rows in splits[:2])
    assert (train, dev) == (text[:27], text[27:])
    assert splits.test is splits.dev
    assert "no test file: test is dev" in splits.notes


def test_a_text_that_is_too_short_to_split(
    write: Callable[..., Path], cache: Path
) -> None:
    with pytest.raises(DataError, match="too short"):
        load(Source(str(write("a.txt", "a"))), "text", cache_dir=cache)


def test_no_source_is_in_two_splits(write: Callable[..., Path], cache: Path) -> None:
    text = "".join(f"{k % 100}\ttarget {k}\n" for k in range(200))
    path = write("a.tsv", text)

    def split(seed: int) -> list[list[dict]]:
        splits = load(Source(str(path)), "pairs", seed=seed, cache_dir=cache)
        note = f"no dev file: 10 % of the sources of train, seed {seed}"
        assert note in splits.notes
        return [list(untyped(rows)) for rows in splits[:3]]

    parts = split(0)
    assert list(map(len, parts)) == [160, 20, 20]
    sources = [{row["source"] for row in part} for part in parts]
    assert len(set.union(*sources)) == sum(map(len, sources)) == 100
    assert split(0) == parts and split(1) != parts
    with pytest.raises(DataError, match="too few"):
        load(Source(str(write("b.tsv", "a\tb\nc\td\n"))), "pairs", cache_dir=cache)


@pytest.mark.parametrize(
    ("kind", "train", "dev", "message"),
    [
        ("tagged", "a X\n", "a Y\n", "dev has the tag 'Y'.*--tag-column"),
        ("entities", "a B-X\n", "a I-Y\n", "dev has the entity type 'Y'.*--tag-column"),
        ("labelled", "1 a\n", "2 a\n", "dev has the label '2'.*--label-column"),
    ],
)
def test_a_label_that_train_lacks(
    write: Callable[..., Path],
    tmp_path: Path,
    cache: Path,
    kind: Kind,
    train: str,
    dev: str,
    message: str,
) -> None:
    write("train", train)
    write("dev", dev)
    write("test", train)
    with pytest.raises(DataError, match=message) as error:
        load(Source(str(tmp_path)), kind, cache_dir=cache)
    assert "which train lacks (train has " in str(error.value)
