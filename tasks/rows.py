"""What the tasks share whose data are rows: sentences or documents."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import datasets
import numpy as np

from tasks import data
from tasks.base import Batch, Task
from tasks.batching import Buckets
from zoo.text import Vocabulary, pad

SAMPLE = Path(__file__).parent / "samples" / "english.conllu"


class RowTask(Task):
    """A task whose batches are rows of about the same length."""

    kind: ClassVar[data.Kind]

    def __init__(
        self, config: Any, trained: Any = None, split: str | None = None
    ) -> None:
        """Read the data, make the vocabularies and the model.

        Args:
            config: the flags.
            trained: a trained pipeline to be scored, instead of a new one.
            split: the split it is to be scored on; no other is read.

        Raises:
            tasks.data.DataError: if the data cannot be read, or do not fit together.
        """
        super().__init__(config)
        self.buckets = {}
        if split is not None:
            rows = one_split(config, self.kind, split, SAMPLE)
            self.splits = {split: rows}
            self.labels = trained.labels
            self.pipeline = trained
            self.buckets[split] = self._bucket(split, rows, None)
            return
        splits = data.load(config, self.kind, seed=config.seed, sample=SAMPLE)
        self.notes += splits.notes
        train = splits.train
        if config.limit_train is not None:
            train = train.select(range(min(config.limit_train, len(train))))
        self.splits = {"train": train, "dev": splits.dev, "test": splits.test}
        self.labels = self.read_labels()
        self.pipeline = self.make_pipeline()
        sizes = None
        for split, rows in self.splits.items():
            self.buckets[split] = self._bucket(split, rows, sizes)
            # The shapes of training again, so that few programs are compiled.
            sizes = self.buckets["train"].sizes

    def _bucket(
        self, split: str, rows: datasets.Dataset, sizes: list[int] | None
    ) -> Buckets:
        """Sort the rows of a split by their lengths."""
        fixed = self.fixed_length()
        cut = self.config.max_length if split == "train" else fixed
        lengths = np.array([self.length(row) for row in iterate(rows)], np.int64)
        lengths = lengths if cut is None else np.minimum(lengths, cut)
        sizes = sizes if fixed is None else [fixed]
        return Buckets(lengths, self.config.batch_size, sizes)

    def read_labels(self) -> Vocabulary:
        """Return the labels of the training data; those of the others must be among."""
        found = {}
        for split, rows in self.splits.items():
            found[split] = {
                tag for row in iterate(rows) for tag in self.row_labels(row)
            }
        found["train"] = self.complete(found["train"])
        for split in ("dev", "test"):
            new = sorted(found[split] - found["train"])
            if new:
                raise data.DataError(
                    f"{split} holds labels that train lacks: {', '.join(new[:10])}; "
                    f"train has {', '.join(sorted(found['train'])[:20])}"
                )
        return Vocabulary(sorted(found["train"]))

    def complete(self, labels: set[str]) -> set[str]:
        """Return the labels of train and those that they imply."""
        return labels

    @abstractmethod
    def make_pipeline(self) -> Any:
        """Return the untrained model with the vocabularies of the training data."""

    @abstractmethod
    def row_labels(self, row: dict[str, Any]) -> list[str]:
        """Return the labels of a row."""

    @abstractmethod
    def length(self, row: dict[str, Any]) -> int:
        """Return the number of tokens of a row."""

    @abstractmethod
    def encode(self, row: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the arrays of a row, inputs first, for `zoo.text.pad`."""

    def fixed_length(self) -> int | None:
        """Return the T of all batches, where the model needs one."""
        return None

    def num_batches(self, split: str) -> int:
        """Return how many batches an epoch of a split has."""
        return len(self.buckets[split])

    def batches(self, split: str, seed: int | None) -> Iterator[Batch]:
        """Yield one epoch of a split: numpy arrays with a mask, in few shapes.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: shuffles; None keeps the order of the data within a shape.
        """
        for T, rows in self.buckets[split].epoch(seed):
            found = self.splits[split][rows]
            encoded = [
                self.encode({name: values[k] for name, values in found.items()})
                for k in range(len(rows))
            ]
            cut = [
                {name: a[:T] if a.ndim else a for name, a in row.items()}
                for row in encoded
            ]
            yield pad(cut, T, self.config.batch_size)

    def sizes(self) -> dict[str, Any]:
        """Return what the user wants to know of the data before training."""
        told: dict[str, Any] = {
            split: f"{len(rows):,} rows, {self.buckets[split].lengths.sum():,} tokens"
            for split, rows in self.splits.items()
        }
        train = self.buckets["train"]
        told["labels"] = len(self.labels)
        told["batches"] = (
            f"{len(train)} of {len(train.sizes)} lengths, "
            f"{100 * train.padding():.1f} % padding"
        )
        return told


def one_split(
    config: Any, kind: data.Kind, split: str, sample: Path
) -> datasets.Dataset:
    """Return the rows on which a trained model is scored.

    Args:
        config: the flags; where they name no data, the sample's split is returned.
        kind: of the rows.
        split: ``"train"``, ``"dev"`` or ``"test"``.
        sample: the file that is read where the flags name no data.
    """
    if config.data or config.train_file or config.dev_file or config.test_file:
        return data.read(config, kind, split)
    return getattr(data.load(config, kind, seed=config.seed, sample=sample), split)


def first(split: datasets.Dataset, column: str) -> Iterator[Any]:
    """Yield the values of one column.

    Args:
        split: rows.
        column: its name.
    """
    for row in iterate(split.select_columns([column])):
        yield row[column]


def iterate(split: datasets.Dataset) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split.

    Args:
        split: rows.
    """
    for row in split:
        assert isinstance(row, dict)
        yield row
