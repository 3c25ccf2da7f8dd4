"""Datasets of rows (sentences, documents, pairs) as batches of few shapes."""

import copy
import hashlib
import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from zoo.tasks import data, streaming
from zoo.tasks.base import Batch, Pairs, Task
from zoo.tasks.configs.base import CorpusConfig, RowConfig
from zoo.tasks.data.batching import Buckets, boundaries
from zoo.tasks.data.id_columns import IdColumn
from zoo.tasks.layout import WHOLE, RowShard
from zoo.text import CURRENT_TOKENIZERS

if TYPE_CHECKING:
    from datasets import Dataset

SAMPLE = Path(__file__).parent / "samples" / "english.conllu"

Row = dict[str, Any]


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
        notes: on rows that do not fit into a batch, for the user.
    """

    def __init__(
        self,
        rows: dict[str, "Dataset"],
        lengths: dict[str, np.ndarray],
        config: RowConfig,
        *,
        fixed_length: int | None = None,
        sizes: list[int] | None = None,
    ) -> None:
        """Sort the rows of all splits into buckets.

        Dev and test use the batch lengths of train, so that fewer programs compile.

        Args:
            rows: the rows by split.
            lengths: number of tokens of each row, int64 ``[R]``, by split.
            config: the flags: ``--batch-size``, ``--batch-tokens``, and
                ``--max-length`` for train.
            fixed_length: T of every batch; None for a few lengths.
            sizes: those lengths; None chooses them for train.
        """
        self.rows = rows
        self.notes: list[str] = []
        self.buckets: dict[str, Buckets] = {}
        sizes = sizes if fixed_length is None else [fixed_length]
        for split in rows:
            limit = config.max_length if split == "train" else fixed_length
            of_split = lengths[split]
            of_split = of_split if limit is None else np.minimum(of_split, limit)
            if split == "train" and sizes is None:
                epochs = config.num_epochs(-(-len(of_split) // config.batch_size))
                sizes = boundaries(of_split, epochs=epochs)
            self.buckets[split] = Buckets(
                of_split, config.batch_size, sizes, config.batch_tokens
            )
            self.notes += _too_long(split, of_split, config.batch_tokens)

    def digests(self) -> dict[str, str]:
        """Return a digest of how train is divided into batches, for `Task.digests`."""
        train = self.buckets.get("train")
        if train is None:
            return {}
        text = json.dumps([train.sizes, list(train.batch_rows.values())])
        return {"the batches of train": hashlib.blake2b(text.encode()).hexdigest()}

    def num_batches(self, split: str) -> int:
        """Return the number of batches of an epoch.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
        """
        return len(self.buckets[split])

    def epoch(self, split: str, seed: int | None) -> list[tuple[int, int, np.ndarray]]:
        """Return T, B and the numbers of the rows of each batch of an epoch.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: shuffles; None keeps the order of the data within a length.
        """
        buckets = self.buckets[split]
        return [(T, buckets.batch_rows[T], rows) for T, rows in buckets.epoch(seed)]

    def predictions(self, split: str, pairs: Pairs) -> Iterator[tuple[int, Row]]:
        """Yield the number of each row that has tokens, and its slice of all arrays.

        Args:
            split: the split that was evaluated.
            pairs: its batches, in the order of `epoch` without a seed, each with the
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


def _too_long(split: str, lengths: np.ndarray, batch_tokens: int) -> list[str]:
    """Return a note for the user if rows are longer than a batch."""
    count = int((lengths > batch_tokens).sum())
    if not count:
        return []
    rows = "1 row has" if count == 1 else f"{count:,} rows have"
    return [
        f"{split}: {rows} more tokens than --batch-tokens {batch_tokens:,}; such a row "
        "is a batch of its own"
    ]


class RowTask(Task):
    """A task whose batches are rows of similar length.

    Attributes:
        splits: the rows in batches.
    """

    splits: RowSplits

    def read_rows(
        self,
        kind: data.Kind,
        split: str | None,
        *,
        sample: Callable[[], Path] = lambda: SAMPLE,
    ) -> dict[str, "Dataset"]:
        """Return the rows by split; add to `notes` and `digests`, and set `stream`.

        Args:
            kind: of the rows.
            split: as for `read`.
            sample: as for `read`.

        Raises:
            zoo.tasks.data.DataError: if the data cannot be read.
            ValueError: if ``--streaming`` lacks other flags.
        """
        config: Any = self.config
        if config.streaming and split is None:
            stream, splits = streaming.read(config, kind)
            self.stream = streaming.TrainingStream(stream, self)
            rows = {"train": splits.train, "dev": splits.dev, "test": splits.test}
            notes, digests = list(splits.notes), splits.digests
        else:
            rows, notes, digests = read(config, kind, split, sample=sample)
        self.notes += notes
        self.digests |= digests
        return rows

    def of_chunk(self, rows: "Dataset") -> Self:
        """Return a copy of the task whose only split is train, with other rows.

        Args:
            rows: in memory.
        """
        chunk = copy.copy(self)
        chunk.encode({"train": rows}, sizes=self.splits.buckets["train"].sizes)
        return chunk

    @abstractmethod
    def encode(
        self,
        rows: dict[str, "Dataset"],
        columns: Any = None,
        sizes: list[int] | None = None,
    ) -> None:
        """Encode rows with the vocabularies of the pipeline, and set `splits`.

        Args:
            rows: the rows by split.
            columns: the numbers of their units; None numbers them in memory.
            sizes: the lengths of the batches; None chooses them for train.
        """

    @abstractmethod
    def batch(
        self, split: str, length: int, batch_size: int, numbers: np.ndarray
    ) -> Batch:
        """Return some rows as padded arrays.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            length: T; longer rows are cut.
            batch_size: B; rows that are missing are all padding.
            numbers: of the rows, at most B.
        """

    def scored(self, batch: Batch) -> Batch:
        """Return a batch without the arrays of contextual string embeddings."""
        return {k: a for k, a in batch.items() if not k.startswith("context")}

    def num_batches(self, split: str) -> int:
        """Return how many batches an epoch of a split has."""
        return self.splits.num_batches(split)

    def batches(
        self, split: str, seed: int | None, shard: RowShard = WHOLE
    ) -> Iterator[Batch]:
        """Yield one epoch of a split: padded arrays with a mask, in few shapes.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: shuffles; None keeps the order of the data within a length.
            shard: the rows of each batch to encode.
        """
        for length, size, numbers in self.splits.epoch(split, seed):
            start, stop = shard.rows(size)
            yield self.batch(split, length, stop - start, numbers[start:stop])

    def examples(self, split: str, shard: RowShard = WHOLE) -> Iterator[Batch]:
        """Yield a batch of each shape of a split, the most frequent shape first.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            shard: as for `batches`.
        """
        plan = self.splits.epoch(split, None)
        counts = Counter((length, size) for length, size, _ in plan)
        first = {plan[k][:2]: plan[k][2] for k in reversed(range(len(plan)))}
        for (length, size), _ in counts.most_common():
            start, stop = shard.rows(size)
            numbers = first[length, size][start:stop]
            yield self.batch(split, length, stop - start, numbers)


class Encoded:
    """The rows of the splits as arrays of their units.

    What is encoded is a unit, and only once: a batch takes the arrays of its units.

    Attributes:
        columns: the numbers of the units by split.
    """

    def __init__(
        self, columns: dict[str, IdColumn], encode: Callable[[list[str]], Batch]
    ) -> None:
        """Encode the units of all splits.

        Args:
            columns: the numbers of the units by split.
            encode: arrays ``[V, ...]`` of V units, by name.
        """
        self.columns = columns
        tables: dict[int, Batch] = {}  # splits of one file share their units
        for column in columns.values():
            if id(column.units) not in tables:
                tables[id(column.units)] = encode(column.units)
        self._arrays = {s: tables[id(c.units)] for s, c in columns.items()}

    def batch(
        self, split: str, rows: np.ndarray, length: int, batch_size: int
    ) -> Batch:
        """Return rows as padded arrays ``[B, T, ...]``, and ``mask`` bool ``[B, T]``.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            rows: numbers of the rows, at most B.
            length: T; longer rows are cut.
            batch_size: B; rows that are missing are all padding.
        """
        column = self.columns[split]
        mask = np.zeros((batch_size, length), bool)
        mask[: len(rows)] = np.arange(length) < column.lengths[rows, None]
        ids = column.of_rows(rows, length)
        batch: Batch = {}
        for name, table in self._arrays[split].items():
            batch[name] = np.zeros((batch_size, length, *table.shape[1:]), table.dtype)
            batch[name][mask] = table[ids]
        return {**batch, "mask": mask}


def limit_notes(
    counts: Mapping[str, int],
    units: str,
    min_count: int,
    max_size: int | None,
    more: Sequence[str] = (),
) -> list[str]:
    """Return a note if ``--vocab-size`` makes units of train unknown.

    Args:
        counts: how often each unit occurs in train.
        units: what they are called.
        min_count: ``--min-count``, which makes units unknown by itself.
        max_size: ``--vocab-size``; None for no limit.
        more: tokens that are known nevertheless.
    """
    kept = set(more)
    frequent = [w for w, n in counts.items() if n >= min_count]
    ranked = sorted((counts[w] for w in frequent if w not in kept), reverse=True)
    rare = [] if max_size is None else ranked[max_size:]
    if not rare:
        return []
    share = 100 * sum(rare) / sum(counts.values())
    return [
        f"the vocabulary has {len(frequent) - len(rare):,} of the {len(frequent):,} "
        f"{units} of train (--vocab-size {max_size}); the {len(rare):,} least "
        f"frequent, {share:.2g} % of its tokens, are unknown"
    ]


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
