"""Rows are encoded once, and batched with others of similar length."""

from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from zoo.tasks import rows
from zoo.tasks.pos import Config

LENGTHS = (3, 1, 4, 1, 5, 9, 2, 6)


def encode(row: dict[str, Any]) -> dict[str, np.ndarray]:
    ids = np.arange(row["length"], dtype=np.int32) + 100 * row["number"]
    return {"ids": ids, "number": np.asarray(row["number"])}


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_batches_are_the_same_in_every_epoch(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(rows, "MAX_KEPT", most)
    data = Dataset.from_dict({"number": range(8), "length": LENGTHS})
    splits = rows.RowSplits(
        {"train": data}, lambda row: row["length"], Config(batch_size=3, max_length=4)
    )
    numbers: list[int] = []

    def counted(row: dict[str, Any]) -> dict[str, np.ndarray]:
        numbers.append(row["number"])
        return encode(row)

    for epoch in range(2):
        seen = []
        for batch in splits.batches("train", epoch, counted):
            for b in range(3):
                ids = batch["ids"][b][batch["mask"][b]]
                if len(ids):
                    number = int(batch["number"][b])
                    seen.append(number)
                    expected = np.arange(min(LENGTHS[number], 4)) + 100 * number
                    np.testing.assert_array_equal(ids, expected)
        assert sorted(seen) == list(range(8))
    assert sorted(numbers) == sorted([*range(8)] * (1 if most else 2))


def test_long_rows_make_small_batches_and_a_note() -> None:
    data = Dataset.from_dict({"number": range(8), "length": LENGTHS})
    config = Config(batch_size=4, batch_tokens=8)
    splits = rows.RowSplits(
        {"train": data, "dev": data}, lambda row: row["length"], config
    )
    assert splits.notes == [
        f"{split}: 1 row has more tokens than --batch-tokens 8; such a row is a batch "
        "of its own"
        for split in ("train", "dev")
    ]
    for split in ("train", "dev"):
        batches = list(splits.batches(split, 0, encode))
        assert len(batches) == splits.num_batches(split)
        shapes = {batch["mask"].shape for batch in batches}
        assert all(B * T <= 8 or B == 1 for B, T in shapes)
        assert len(shapes) == len({T for _, T in shapes})
        assert sum(int(batch["mask"].sum()) for batch in batches) == sum(LENGTHS)
