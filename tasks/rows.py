"""Datasets of rows (sentences, documents, pairs) as batches of few shapes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.tasks import data
from zoo.tasks.base import Batch, Pairs
from zoo.tasks.configs.base import CorpusConfig
from zoo.tasks.data.batching import Buckets
from zoo.text import CURRENT_TOKENIZERS, pad

if TYPE_CHECKING:
    from datasets import Dataset

SAMPLE = Path(__file__).parent / "samples" / "english.conllu"

Row = dict[str, Any]
Encoded = dict[str, np.ndarray]

MAX_KEPT = 1 << 28  # bytes of encoded rows, about a million words with characters
_OVERHEAD = 200  # bytes of an array besides its values


def read(
    config: CorpusConfig,
    kind: data.Kind,
    split: str | None,
    *,
    sample: Callable[[], Path] = lambda: SAMPLE,
) -> tuple[dict[str, "Dataset"], list[str], dict[str, str]]:
    """Read the splits of a task.

    Args:
        config: the flags.
        kind: of the rows.
        split: the only split to read, to score a trained model on it; None for all
            three, to train. Without data in the flags, a split of the sample.
        sample: returns the file or folder to read where the flags name no data, and
            writes it first if it is generated.

    Returns:
        The rows by split, train cut to ``--limit-train``; notes for the user; and the
        digests of all splits, see `zoo.tasks.base.Task`.

    Raises:
        zoo.tasks.data.DataError: if the data cannot be read.
    """
    tokenizer = getattr(config, "tokens", "words")
    files = config.data, config.train_file, config.dev_file, config.test_file
    if split is not None and any(files):
        rows, notes = data.read(config, kind, split, tokenizer=tokenizer)
        return {split: rows}, list(notes), {}
    splits = data.load(
        config,
        kind,
        seed=config.seed,
        sample=None if any(files) else sample(),
        strict_labels=getattr(config, "strict_labels", False),
        tokenizer=tokenizer,
    )
    if split is not None:
        return {split: getattr(splits, split)}, list(splits.notes), splits.digests
    train = splits.train
    if config.limit_train is not None:
        train = train.select(range(min(config.limit_train, len(train))))
    rows = {"train": train, "dev": splits.dev, "test": splits.test}
    return rows, list(splits.notes), splits.digests


class RowSplits:
    """Splits whose rows are batched with others of similar length.

    Attributes:
        rows: the rows by split.
        buckets: the batches by split.
    """

    def __init__(
        self,
        rows: dict[str, "Dataset"],
        length: Callable[[Row], int],
        config: CorpusConfig,
        *,
        fixed_length: int | None = None,
    ) -> None:
        """Sort the rows of all splits into buckets.

        Dev and test use the batch lengths of train, so that fewer programs compile.

        Args:
            rows: the rows by split.
            length: number of tokens of a row.
            config: the flags: ``--batch-size``, and ``--max-length`` for train.
            fixed_length: T of every batch; None for a few lengths.
        """
        self.rows = rows
        self._batch_size = config.batch_size
        self._kept: dict[tuple[str, int], Encoded] = {}
        self._num_kept = 0  # bytes
        self.buckets: dict[str, Buckets] = {}
        sizes = None if fixed_length is None else [fixed_length]
        for split, split_rows in rows.items():
            limit = config.max_length if split == "train" else fixed_length
            lengths = np.array([length(row) for row in iterate(split_rows)], np.int64)
            lengths = lengths if limit is None else np.minimum(lengths, limit)
            self.buckets[split] = Buckets(lengths, config.batch_size, sizes)
            if split == "train" and fixed_length is None:
                sizes = self.buckets[split].sizes

    def num_batches(self, split: str) -> int:
        """Return the number of batches of an epoch.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
        """
        return len(self.buckets[split])

    def encoded(
        self, split: str, seed: int | None, encode: Callable[[Row], Encoded]
    ) -> Iterator[tuple[int, np.ndarray, list[Encoded]]]:
        """Yield T, the numbers and the encoded rows of each batch of an epoch.

        Encoded rows are kept for the next epochs, up to `MAX_KEPT` bytes.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: shuffles; None keeps the order of the data within a length.
            encode: arrays of a row; always the same function.
        """
        for length, numbers in self.buckets[split].epoch(seed):
            keys = [(split, int(number)) for number in numbers]
            new = self._encode([key for key in keys if key not in self._kept], encode)
            rows = [new.get(key) or self._kept[key] for key in keys]
            yield length, np.asarray(numbers), rows

    def _encode(
        self, keys: list[tuple[str, int]], encode: Callable[[Row], Encoded]
    ) -> dict[tuple[str, int], Encoded]:
        """Return encoded rows of a split by their keys; keep them if there is room."""
        if not keys:
            return {}
        columns = self.rows[keys[0][0]][[number for _, number in keys]]
        new = {
            key: encode({name: values[k] for name, values in columns.items()})
            for k, key in enumerate(keys)
        }
        if self._num_kept < MAX_KEPT:
            self._kept |= new
            arrays = [array for row in new.values() for array in row.values()]
            self._num_kept += sum(array.nbytes + _OVERHEAD for array in arrays)
        return new

    def batches(
        self, split: str, seed: int | None, encode: Callable[[Row], Encoded]
    ) -> Iterator[Batch]:
        """Yield padded batches of encoded rows, cut to the length of their batch.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: as for `encoded`.
            encode: arrays of a row, inputs first, as `zoo.text.pad` takes them; always
                the same function.
        """
        for length, _, rows in self.encoded(split, seed, encode):
            cut = [
                {name: a[:length] if a.ndim else a for name, a in row.items()}
                for row in rows
            ]
            yield pad(cut, length, self._batch_size)

    def predictions(self, split: str, pairs: Pairs) -> Iterator[tuple[int, Row]]:
        """Yield the number of each row that has tokens, and its slice of all arrays.

        Args:
            split: the split that was evaluated.
            pairs: its batches, in the order of `encoded` without a seed, each with the
                arrays that `Task.predict` returned.
        """
        plan = self.buckets[split].epoch(None)
        for (_, numbers), (batch, predictions) in zip(plan, pairs, strict=True):
            arrays = {k: a for k, a in {**batch, **predictions}.items() if np.ndim(a)}
            for b, number in enumerate(numbers):
                if batch["mask"][b].any():
                    yield int(number), {name: a[b] for name, a in arrays.items()}

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of the splits, for the user."""
        sizes: dict[str, Any] = {
            split: f"{len(rows):,} rows, {self.buckets[split].lengths.sum():,} tokens"
            for split, rows in self.rows.items()
        }
        train = self.buckets["train"]
        sizes["batches"] = (
            f"{len(train)} of {len(train.sizes)} lengths, "
            f"{100 * train.padding():.1f} % padding"
        )
        return sizes


def tokenizer_of(units: str, tokens: str) -> str:
    """Return the name of the tokenizer of a new model.

    Args:
        units: ``--units``.
        tokens: ``--tokens``, a key of `zoo.text.CURRENT_TOKENIZERS`.

    Raises:
        ValueError: if ``--tokens`` has no effect.
    """
    if tokens != "words" and units != "words":
        raise ValueError(f"--tokens {tokens} is for --units words, got --units {units}")
    return CURRENT_TOKENIZERS[tokens]


def column(rows: "Dataset", name: str) -> Iterator[Any]:
    """Yield the values of one column.

    Args:
        rows: a split.
        name: of the column.
    """
    for row in iterate(rows.select_columns([name])):
        yield row[name]


def iterate(rows: "Dataset") -> Iterator[Row]:
    """Yield the rows of a split.

    Args:
        rows: a split.
    """
    for row in rows:
        assert isinstance(row, dict)
        yield row
