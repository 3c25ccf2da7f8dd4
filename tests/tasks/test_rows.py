"""Rows are batched with others of similar length, as arrays of their units."""

from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from zoo.tasks import rows
from zoo.tasks.data.id_columns import id_columns
from zoo.tasks.pos import Config
from zoo.text.numbering import UnitNumbering

LENGTHS = (3, 1, 4, 1, 5, 9, 2, 6)


def test_batches_hold_every_row_in_every_epoch(tmp_path: Path) -> None:
    texts = [" ".join(f"{n}.{k}" for k in range(m)) for n, m in enumerate(LENGTHS)]
    data = {"train": Dataset.from_dict({"text": texts})}
    columns = id_columns(
        data, "text", lambda: UnitNumbering(str.split), "split", tmp_path
    )
    lengths = {"train": columns["train"].lengths}
    assert tuple(lengths["train"]) == LENGTHS
    splits = rows.RowSplits(data, lengths, Config(batch_size=3, max_length=4))
    encoded = rows.Encoded(
        columns, lambda units: {"ids": np.array([float(u) for u in units])}
    )
    orders = []
    for epoch in range(2):
        seen = []
        for length, size, numbers in splits.epoch("train", epoch):
            assert size == 3
            batch = encoded.batch("train", numbers, length, 3)
            assert batch["ids"].shape == batch["mask"].shape == (3, length)
            assert (batch["ids"][~batch["mask"]] == 0).all()
            for b, number in enumerate(numbers):
                ids = batch["ids"][b][batch["mask"][b]]
                expected = [float(u) for u in texts[number].split()[:4]]
                np.testing.assert_array_equal(ids, expected)
            assert not batch["mask"][len(numbers) :].any()
            seen += numbers.tolist()
        assert sorted(seen) == list(range(8))
        orders.append(seen)
    assert orders[0] != orders[1]


def test_long_rows_make_small_batches_and_a_note() -> None:
    data = Dataset.from_dict({"number": range(8)})
    lengths = np.array(LENGTHS)
    config = Config(batch_size=4, batch_tokens=8)
    of_both = {"train": lengths, "dev": lengths}
    splits = rows.RowSplits({"train": data, "dev": data}, of_both, config)
    assert splits.notes == [
        f"{split}: 1 row has more tokens than --batch-tokens 8; such a row is a batch "
        "of its own"
        for split in ("train", "dev")
    ]
    for split in ("train", "dev"):
        batches = splits.epoch(split, 0)
        assert len(batches) == splits.num_batches(split)
        shapes = {(B, T) for T, B, _ in batches}
        assert all(B * T <= 8 or B == 1 for B, T in shapes)
        assert len(shapes) == len({T for _, T in shapes})
        numbers = np.concatenate([numbers for _, _, numbers in batches])
        assert sorted(numbers) == list(range(8))


@pytest.mark.parametrize(("max_size", "min_count"), [(2, 1), (1, 3), (None, 1)])
def test_a_vocabulary_that_is_too_small_is_noted(
    max_size: int | None, min_count: int
) -> None:
    counts = {"a": 5, "b": 3, "c": 1, "d": 1}
    notes = rows.limit_notes(counts, "words", min_count, max_size)
    expected = {
        2: "the vocabulary has 2 of the 4 words of train (--vocab-size 2); the 2 least "
        "frequent, 20 % of its tokens, are unknown",
        1: "the vocabulary has 1 of the 2 words of train (--vocab-size 1); the 1 least "
        "frequent, 30 % of its tokens, are unknown",
    }
    assert notes == ([] if max_size is None else [expected[max_size]])
