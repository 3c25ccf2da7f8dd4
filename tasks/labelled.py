"""What the tasks share whose rows have labels: of a text, or of each word."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from tasks import data
from tasks.base import Batch
from tasks.rows import RowTask, iterate
from zoo.text import Vocabulary, pad


class LabelledTask(RowTask):
    """A task that learns labels.

    Attributes:
        labels: those of the training data.
    """

    labels: Vocabulary

    def adopt(self, trained: Any) -> None:
        """Take a trained pipeline and its labels, to score it.

        Args:
            trained: the pipeline.
        """
        super().adopt(trained)
        self.labels = trained.labels

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
    def row_labels(self, row: dict[str, Any]) -> list[str]:
        """Return the labels of a row."""

    @abstractmethod
    def encode(self, row: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the arrays of a row, inputs first, for `zoo.text.pad`."""

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
        return {**super().sizes(), "labels": len(self.labels)}
