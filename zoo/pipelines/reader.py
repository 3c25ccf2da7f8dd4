"""A trained reader of numbers or symbols, such as one that solves a memory problem."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.models import Reader
from zoo.pipelines.base import Pipeline, several


@dataclass(frozen=True)
class Reading:
    """What was made of a sequence.

    Attributes:
        answer: the number, the class, or the class of each step.
    """

    answer: float | int | list[int]


class ReaderPipeline(Pipeline):
    """Sequences of numbers or symbols in, an answer out."""

    kind = "reader"
    model_class = Reader

    def __init__(
        self,
        options: dict[str, Any],
        *,
        symbols: int = 0,
        scale: float = 1.0,
        seed: int = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Reader`; one output is a number, several
                are classes.
            symbols: how many symbols there are, each an input of its own; 0 for
                sequences of numbers.
            scale: factor of the inputs.
            seed: of the model's initialisation.
        """
        super().__init__(options, seed=seed)
        self.symbols, self.scale = symbols, float(scale)

    def vectors(self, sequences: np.ndarray) -> np.ndarray:
        """Return the inputs of sequences of one length.

        Args:
            sequences: ids ``[..., T]`` of symbols, or numbers ``[..., T, D]``.

        Returns:
            float32 ``[..., T, D]``.
        """
        if self.symbols:
            sequences = np.eye(self.symbols)[sequences]
        return (self.scale * sequences).astype(np.float32)

    def encode(self, sequence: str | Sequence[Any]) -> dict[str, np.ndarray]:
        """Return the inputs of one sequence.

        Args:
            sequence: symbols from 0 on, or for each step its number or numbers; as a
                list, or written in JSON.

        Raises:
            ValueError: if it is not such a sequence.
        """
        told = sequence
        if isinstance(sequence, str):
            try:
                sequence = json.loads(sequence)
            except ValueError:
                sequence = ()
        size = self.options["input_size"]
        found: Any = np.zeros(0)
        try:
            found = np.asarray(sequence, np.float64)
        except (TypeError, ValueError):
            pass  # told below, as any other wrong one
        if self.symbols:
            right = found.ndim == 1 and np.isin(found, range(self.symbols)).all()
            wanted = f"a list of symbols from 0 to {self.symbols - 1}"
        else:
            found = found[:, None] if found.ndim == 1 and size == 1 else found
            right = found.ndim == 2 and found.shape[1] == size
            wanted = "a list of numbers" if size == 1 else f"lists of {size} numbers"
        if not right or not found.size or not np.isfinite(found).all():
            raise ValueError(f"a sequence must be {wanted}, got {str(told)[:60]!r}")
        return {"x": self.vectors(found.astype(np.int64) if self.symbols else found)}

    def predict(
        self, sequences: Sequence[Any], *, batch_size: int = 32
    ) -> list[Reading]:
        """Answer sequences.

        Args:
            sequences: each as for `encode`.
            batch_size: sequences read at once.

        Returns:
            What was made of each, in their order.

        Raises:
            TypeError: if `sequences` is one text.
            ValueError: if one is not a sequence.
        """
        rows = [self.encode(one) for one in several(sequences, "sequences")]
        found: list[Any] = [None] * len(rows)
        for k, y in self._run(rows, batch_size):
            if self.options["output_size"] == 1:
                found[k] = Reading(float(y[0]))
            elif self.options["each"]:
                found[k] = Reading(y[: len(rows[k]["x"])].argmax(axis=-1).tolist())
            else:
                found[k] = Reading(int(y.argmax()))
        return found

    def _infer(self, model, batch):
        return model(batch["x"], batch["mask"])

    def to_json(self) -> dict[str, Any]:
        """Return all but the parameters as plain values."""
        return {
            "options": self.options,
            "symbols": self.symbols,
            "scale": self.scale,
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "ReaderPipeline":
        """Return the pipeline that `to_json` told of, with a new model's parameters.

        Args:
            saved: what `to_json` gave.
        """
        return cls(saved["options"], symbols=saved["symbols"], scale=saved["scale"])
