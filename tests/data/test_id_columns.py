"""Units of texts as numbers, kept in the data cache."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.tasks.data import id_columns as module
from zoo.tasks.data.id_columns import IdColumn, cached_result, id_columns
from zoo.text.numbering import UnitNumbering


class Counted(UnitNumbering):
    """A numbering of characters that counts its calls."""

    calls = 0

    def __init__(self) -> None:
        super().__init__(list)

    def __call__(self, rows: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        Counted.calls += 1
        return super().__call__(rows)


def ids_of(column: IdColumn) -> list[list[str]]:
    """Return the units of each row."""
    numbers = range(len(column.starts))
    rows = [column.of_rows(np.array([number])) for number in numbers]
    return [[column.units[k] for k in row] for row in rows]


@given(
    texts=st.lists(st.text("abcde\u00e9\U0001f600", max_size=6), min_size=1),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_rows_and_counts_are_those_of_a_loop(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    whole = Dataset.from_dict({"text": texts})
    chosen = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1))
    rows = {"train": whole, "dev": whole.select(chosen)}
    cache = tmp_path_factory.mktemp("cache")
    for _ in range(2):  # written, then read
        columns = id_columns(rows, "text", lambda: UnitNumbering(list), "chars", cache)
        for split, split_rows in rows.items():
            loop = [list(text) for text in split_rows["text"]]
            column = columns[split]
            assert ids_of(column) == loop
            assert column.lengths.tolist() == list(map(len, loop))
            assert column.counts() == Counter(c for row in loop for c in row)
        # Rows in a row are a table of their own, others are chosen from the same one.
        if rows["dev"]._indices is not None:
            assert columns["train"].units is columns["dev"].units


@pytest.mark.parametrize(
    ("kinds", "dtype"),
    [(256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)],
)
def test_ids_have_the_smallest_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: int, dtype: type
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 1000)
    texts = [" ".join(map(str, range(n, n + 100))) for n in range(0, kinds, 100)]
    texts[-1] = " ".join(map(str, range(100 * (len(texts) - 1), kinds)))
    rows = {"train": Dataset.from_dict({"text": texts})}
    numbering = lambda: UnitNumbering(str.split)  # noqa: E731
    column = id_columns(rows, "text", numbering, "words", tmp_path)["train"]
    assert column.ids.dtype == dtype
    np.testing.assert_array_equal(column.ids, np.arange(kinds))
    assert column.units == list(map(str, range(kinds)))
    assert set(column.counts().values()) == {1}


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size - 8),
    "empty": lambda path: os.truncate(path, 0),
    "altered": lambda path: path.write_bytes(b"\7" + path.read_bytes()[1:]),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_written_again(tmp_path: Path, damage: str) -> None:
    rows = {"train": Dataset.from_dict({"text": ["abc", "", "ca"]})}
    Counted.calls = 0
    contents = []
    for calls in (1, 1, 2):
        column = id_columns(rows, "text", Counted, "chars", tmp_path)["train"]
        assert ids_of(column) == [["a", "b", "c"], [], ["c", "a"]]
        assert Counted.calls == calls
        (path,) = (tmp_path / "rnn_zoo").glob("*.ids")
        contents.append(path.read_bytes())
        if len(contents) == 2:
            DAMAGE[damage](path)
    assert len(set(contents)) == 1


def test_the_key_covers_rows_and_rules(tmp_path: Path) -> None:
    first = {"train": Dataset.from_dict({"text": ["ab", "c"]})}
    for rows, rules, calls in (
        (first, "x", 1),
        (first, "y", 2),
        ({"train": Dataset.from_dict({"text": ["a", "bc"]})}, "x", 3),
        ({"train": first["train"].select([1, 0])}, "x", 3),  # rows of the same table
        ({"train": Dataset.from_dict({"text": ["ab", "c"]})}, "x", 3),
    ):
        if calls == 1:
            Counted.calls = 0
        column = id_columns(rows, "text", Counted, rules, tmp_path)["train"]
        assert ids_of(column) == [list(text) for text in rows["train"]["text"]]
        assert Counted.calls == calls


def test_what_was_found_is_not_sought_again(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"text": ["ab", "c"]})
    calls: list[Any] = []

    def find() -> dict[str, int]:
        calls.append(1)
        return {"rows": len(rows)}

    for part, count in ((rows, 1), (rows, 1), (rows.select([1]), 2)):
        assert cached_result(part, "text", find, "rules", tmp_path) == {"rows": 2}
        assert len(calls) == count
