"""What the tasks share whose data are rows: sentences, documents or pairs."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tasks import data
from tasks.base import Pairs, Task
from tasks.data.batching import Buckets

if TYPE_CHECKING:
    from datasets import Dataset

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
            rows = one_split(config, self.kind, split, self.sample())
            self.splits = {split: rows}
            self.adopt(trained)
            self.buckets[split] = self._bucket(split, rows, None)
            return
        splits = data.load(config, self.kind, seed=config.seed, sample=self.sample())
        self.notes += splits.notes
        train = splits.train
        if config.limit_train is not None:
            train = train.select(range(min(config.limit_train, len(train))))
        self.splits = {"train": train, "dev": splits.dev, "test": splits.test}
        self.pipeline = self.make_pipeline()
        sizes = None
        for split, rows in self.splits.items():
            self.buckets[split] = self._bucket(split, rows, sizes)
            # The shapes of training again, so that few programs are compiled.
            sizes = self.buckets["train"].sizes

    def _bucket(self, split: str, rows: "Dataset", sizes: list[int] | None) -> Buckets:
        """Sort the rows of a split by their lengths."""
        fixed = self.fixed_length()
        cut = self.config.max_length if split == "train" else fixed
        lengths = np.array([self.length(row) for row in iterate(rows)], np.int64)
        lengths = lengths if cut is None else np.minimum(lengths, cut)
        sizes = sizes if fixed is None else [fixed]
        return Buckets(lengths, self.config.batch_size, sizes)

    def sample(self) -> Path:
        """Return the data that is read where the flags name none."""
        return SAMPLE

    def adopt(self, trained: Any) -> None:
        """Take a trained pipeline, to score it.

        Args:
            trained: the pipeline.
        """
        self.pipeline = trained

    @abstractmethod
    def make_pipeline(self) -> Any:
        """Return the untrained model with the vocabularies of the training data."""

    @abstractmethod
    def length(self, row: dict[str, Any]) -> int:
        """Return the number of tokens of a row."""

    def fixed_length(self) -> int | None:
        """Return the T of all batches, where the model needs one."""
        return None

    def num_batches(self, split: str) -> int:
        """Return how many batches an epoch of a split has."""
        return len(self.buckets[split])

    def found(
        self, split: str, pairs: Pairs
    ) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Yield the number of each row that has tokens, and its part of all arrays.

        Args:
            split: the split that was evaluated.
            pairs: of its batches, and what `predict` found for them.
        """
        plan = self.buckets[split].epoch(None)
        for (_, rows), (batch, arrays) in zip(plan, pairs, strict=True):
            whole = {name: a for name, a in {**batch, **arrays}.items() if np.ndim(a)}
            for b, number in enumerate(rows):
                if batch["mask"][b].any():
                    yield int(number), {name: a[b] for name, a in whole.items()}

    def sizes(self) -> dict[str, Any]:
        """Return what the user wants to know of the data before training."""
        told: dict[str, Any] = {
            split: f"{len(rows):,} rows, {self.buckets[split].lengths.sum():,} tokens"
            for split, rows in self.splits.items()
        }
        train = self.buckets["train"]
        told["batches"] = (
            f"{len(train)} of {len(train.sizes)} lengths, "
            f"{100 * train.padding():.1f} % padding"
        )
        return told


def one_split(config: Any, kind: data.Kind, split: str, sample: Path) -> "Dataset":
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


def first(split: "Dataset", column: str) -> Iterator[Any]:
    """Yield the values of one column.

    Args:
        split: rows.
        column: its name.
    """
    for row in iterate(split.select_columns([column])):
        yield row[column]


def iterate(split: "Dataset") -> Iterator[dict[str, Any]]:
    """Yield the rows of a split.

    Args:
        split: rows.
    """
    for row in split:
        assert isinstance(row, dict)
        yield row
