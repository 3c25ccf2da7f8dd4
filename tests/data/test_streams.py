"""Training rows in chunks: of files and of the hub, from any place again."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from zoo.tasks.data import DataError, FormatError, Source, stream
from zoo.tasks.data.streams import Place, RowStream, Shard

LENGTHS = (5, 0, 3, 4)  # rows of the shards


def rows_of(shard: int) -> Iterator[dict[str, Any]]:
    for row in range(LENGTHS[shard]):
        yield {"text": f"{shard}.{row}"}


@pytest.fixture
def shards() -> RowStream:
    """Return a stream of shards with `LENGTHS` rows."""
    parts = [Shard(f"shard {k}", partial(rows_of, k)) for k in range(len(LENGTHS))]
    return RowStream(parts, "text", 7)


def texts(rows: Any) -> list[str]:
    return list(rows["text"])


def in_order(shards: RowStream, passes: int) -> list[str]:
    """Return all rows of a pass."""
    return [row["text"] for k in shards.order(passes) for row in rows_of(k)]


@pytest.mark.parametrize("size", [1, 4, 12, 100])
def test_each_pass_has_all_rows_in_another_order_of_the_shards(
    shards: RowStream, size: int
) -> None:
    orders = [in_order(shards, passes) for passes in range(4)]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len(set(map(tuple, orders))) > 1
    per_pass = -(-sum(LENGTHS) // size)
    chunks = list(islice(shards.chunks(size), 4 * per_pass))
    assert [chunk.place.chunk for chunk in chunks] == list(range(4 * per_pass))
    for passes, order in enumerate(orders):
        part = chunks[passes * per_pass :][:per_pass]
        assert {chunk.place.passes for chunk in part} == {passes}
        assert [len(chunk.rows) for chunk in part[:-1]] == [size] * (per_pass - 1)
        assert [text for chunk in part for text in texts(chunk.rows)] == order


def test_chunks_are_the_same_from_each_place(shards: RowStream) -> None:
    chunks = list(islice(shards.chunks(5), 9))
    for number, chunk in enumerate(chunks):
        again = list(islice(shards.chunks(5, chunk.place), len(chunks) - number))
        assert [a.place for a in again] == [c.place for c in chunks[number:]]
        for a, b in zip(again, chunks[number:], strict=True):
            assert texts(a.rows) == texts(b.rows) and a.origins == b.origins


def test_rows_know_their_shards(shards: RowStream) -> None:
    chunk = next(shards.chunks(100))
    for row, text in enumerate(texts(chunk.rows)):
        shard, number = text.split(".")
        assert chunk.name(row) == f"shard {shard}, row {int(number) + 1}"
    assert texts(shards.head(4)) == in_order(shards, 0)[:4]


def test_a_place_without_rows_is_an_error(shards: RowStream) -> None:
    last = int(shards.order(2)[3])
    with pytest.raises(DataError, match=f"shard {last} has no row 10 to train on"):
        next(shards.chunks(5, Place(2, 3, 9, 0)))
    with pytest.raises(DataError, match="shard 0 has no row 1 to train on"):
        next(RowStream([Shard("shard 0", lambda: iter(()))], "text", 0).chunks(5))


def write(path: Path, *rows: tuple[str, str]) -> Path:
    path.write_text("text,label\n" + "".join(f"{a},{b}\n" for a, b in rows))
    return path


def films(count: int, start: int = 0) -> list[tuple[str, str]]:
    return [
        (f"a {word} film {k}", word)
        for k in range(start, start + count)
        for word in ("good", "bad")
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three shards, dev and test."""
    for k in range(3):
        write(tmp_path / f"shard-{k}.csv", *films(4, 10 * k))
    write(tmp_path / "dev.csv", *films(2, 100))
    write(tmp_path / "test.csv", *films(3, 200))
    return tmp_path


def source(folder: Path, **more: Any) -> Source:
    files = {f"{s}_file": (str(folder / f"{s}.csv"),) for s in ("dev", "test")}
    return Source(train_file=(str(folder / "shard-*.csv"),), **{**files, **more})


def test_files_are_shards(folder: Path, cache: Path) -> None:
    rows, splits = stream(source(folder), "labelled", head_rows=10, cache_dir=cache)
    assert [Path(shard.name).name for shard in rows.shards] == [
        f"shard-{k}.csv" for k in range(3)
    ]
    expected = [
        {"text": text, "label": label}
        for k in rows.order(0)
        for text, label in films(4, 10 * int(k))
    ]
    assert list(splits.train) == expected[:10]
    assert len(splits.dev) == 4 and len(splits.test) == 6
    assert list(next(rows.chunks(100)).rows) == expected
    assert (
        "train: 3 shards; vocabulary, labels, batch lengths and baselines are those of "
        "the first 10 rows (--vocab-rows)"
    ) in splits.notes
    assert "train: shard-0.csv (format csv, text = text, label = label)" in splits.notes
    # What a resumed run compares.
    write(folder / "shard-2.csv", *films(4, 30), ("one more", "good"))
    _, changed = stream(source(folder), "labelled", head_rows=10, cache_dir=cache)
    assert changed.digests["the files of train"] != splits.digests["the files of train"]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_nothing_is_held_out(folder: Path, cache: Path, split: str) -> None:
    with pytest.raises(DataError, match=f"no {split} split .* give --{split}-file"):
        stream(source(folder, **{f"{split}_file": ()}), "labelled", cache_dir=cache)


def test_a_shard_with_other_columns_is_refused(folder: Path, cache: Path) -> None:
    (folder / "shard-1.csv").write_text("review,label\nfine film,good\ndull,bad\n")
    with pytest.raises(DataError, match=r"shard-1.csv is read as .* text = review"):
        stream(source(folder), "labelled", cache_dir=cache)


def test_an_error_in_a_shard_names_its_line(folder: Path, cache: Path) -> None:
    with (folder / "shard-1.csv").open("a") as file:
        file.write("a film without a label,\n")
    with pytest.raises(FormatError, match="shard-1.csv:10: "):
        stream(source(folder), "labelled", cache_dir=cache)
    remarks: list[str] = []
    rows, _ = stream(
        source(folder, skip_bad_rows=True),
        "labelled",
        cache_dir=cache,
        remark=remarks.append,
    )
    chunks = rows.chunks(100)
    assert [len(next(chunks).rows) for _ in range(2)] == [24, 24]
    (remark,) = remarks  # once, in the first pass
    assert remark.startswith("bad rows left out of shard-1.csv: 1, in lines 10 ")


@pytest.fixture
def hub_folder(tmp_path: Path) -> Path:
    """Return a local dataset in the form of the hub: shards in Parquet."""
    features = datasets.Features(
        tokens=datasets.List(datasets.Value("string")),
        tags=datasets.List(datasets.ClassLabel(names=["O", "I-PER", "B-PER"])),
    )
    datasets.disable_progress_bars()
    (tmp_path / "data").mkdir()
    for split, count in {"train": 3, "validation": 1, "test": 1}.items():
        for shard in range(count):
            numbers = range(4)
            rows = {
                "tokens": [["Ann", "Lee", f"{split}{shard}.{k}"] for k in numbers],
                "tags": [[1, 1, 2]] * 4,
            }
            name = f"{split}-{shard:05}-of-{count:05}.parquet"
            table = datasets.Dataset.from_dict(rows, features=features)
            table.to_parquet(tmp_path / "data" / name)
    return tmp_path


def test_a_dataset_of_the_hub_has_its_own_shards(hub_folder: Path) -> None:
    cache = hub_folder / "cache"
    where = Source(f"hub:{hub_folder}")
    rows, splits = stream(where, "entities", head_rows=5, cache_dir=cache)
    names = [f"hub:{hub_folder}:train, shard {k + 1} of 3" for k in range(3)]
    assert [shard.name for shard in rows.shards] == names
    chunk = next(rows.chunks(100))
    # Entities in BIO2, in the scheme that the first rows have.
    assert set(map(tuple, chunk.rows["tags"])) == {("B-PER", "I-PER", "B-PER")}
    last = [tokens[2] for tokens in chunk.rows["tokens"]]
    assert last == [f"train{k}.{n}" for k in rows.order(0) for n in range(4)]
    np.testing.assert_array_equal(splits.train["tokens"], chunk.rows["tokens"][:5])
    assert splits.dev["tokens"][0] == ["Ann", "Lee", "validation0.0"]
    assert len(splits.test) == 4
    assert "train: tokens = tokens, tags = tags" in splits.notes
    bad = "bad rows after the first 5 rows of train are left out without a note"
    skipping = Source(f"hub:{hub_folder}", skip_bad_rows=True)
    _, skipped = stream(skipping, "entities", head_rows=5, cache_dir=cache / "other")
    assert bad in skipped.notes and bad not in splits.notes
    # The same keys in the data cache.
    _, again = stream(where, "entities", head_rows=5, cache_dir=cache)
    assert again.digests == splits.digests
    assert len(list((cache / "rnn_zoo").glob("*.arrow"))) == 2


def test_dev_of_a_dataset_of_the_hub_may_be_a_file(
    hub_folder: Path, cache: Path
) -> None:
    for path in (hub_folder / "data").glob("validation*"):
        path.unlink()
    where = f"hub:{hub_folder}"
    with pytest.raises(DataError, match="no dev split .* give --dev-file"):
        stream(Source(where), "tagged", cache_dir=cache)
    path = hub_folder / "some.conll"
    path.write_text("Ann I-PER\nLee I-PER\n\n" * 3)
    _, splits = stream(Source(where, dev_file=(str(path),)), "tagged", cache_dir=cache)
    assert splits.dev["tokens"] == [["Ann", "Lee"]] * 3
