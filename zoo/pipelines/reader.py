"""The pipeline of a model over numbers or symbols, for example of a memory problem."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo import checks
from zoo.models import Reader
from zoo.pipelines.base import Pipeline, check_size, several


@dataclass(frozen=True)
class Reading:
    """The answer to a sequence.

    Attributes:
        answer: a number, a class, or the class of each step.
    """

    answer: float | int | list[int]


class ReaderPipeline(Pipeline):
    """A sequence reader: numbers or symbols in, an answer out."""

    kind = "reader"
    model_class = Reader
    reads_chunks = True

    def __init__(
        self,
        options: dict[str, Any],
        *,
        symbols: int = 0,
        scale: float = 1.0,
        seed: int | None = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Reader`. A single output is a number,
                several are the logits of classes.
            symbols: number of symbols, which are one-hot encoded; 0 for sequences of
                numbers.
            scale: factor of the inputs.
            seed: as for `Pipeline`.

        Raises:
            TypeError: if an option is unknown or has another type.
            ValueError: if an option is out of its range, or `symbols` is neither 0 nor
                the size of an input.
        """
        if symbols:
            check_size(options, "input_size", symbols, "symbols")
        if not math.isfinite(scale):
            raise ValueError(f"scale must be finite, got {scale!r}")
        super().__init__(options, seed=seed)
        self.symbols, self.scale = symbols, float(scale)

    def vectors(self, sequences: np.ndarray) -> np.ndarray:
        """Return the inputs of sequences of one length.

        Args:
            sequences: symbol IDs ``[..., T]``, or numbers ``[..., T, D]``.

        Returns:
            float32 ``[..., T, D]``.
        """
        if self.symbols:
            sequences = np.eye(self.symbols)[sequences]
        return (self.scale * sequences).astype(np.float32)

    def encode(self, sequence: str | Sequence[Any]) -> dict[str, np.ndarray]:
        """Return the inputs of one sequence.

        Args:
            sequence: symbols from 0, or the number or numbers of each step; as a list,
                or as JSON.

        Raises:
            ValueError: if it is not such a sequence.
        """
        original = sequence
        if isinstance(sequence, str):
            try:
                sequence = json.loads(sequence)
            except (ValueError, RecursionError):
                sequence = ()
        size = self.options["input_size"]
        x: Any = np.zeros(0)
        try:
            x = np.asarray(sequence, np.float64)
        except (TypeError, ValueError, OverflowError):
            pass  # refused below, with every other invalid sequence
        if self.symbols:
            valid = x.ndim == 1 and np.isin(x, range(self.symbols)).all()
            expected = f"a list of symbols from 0 to {self.symbols - 1}"
        else:
            x = x[:, None] if x.ndim == 1 and size == 1 else x
            valid = x.ndim == 2 and x.shape[1] == size
            expected = "a list of numbers" if size == 1 else f"lists of {size} numbers"
        limit = np.finfo(np.float32).max / max(abs(self.scale), 1.0)
        if not valid or not x.size or not (np.abs(x) <= limit).all():
            got = str(original)[:60]
            raise ValueError(f"a sequence must be {expected}, got {got!r}")
        return {"x": self.vectors(x.astype(np.int64) if self.symbols else x)}

    def predict(
        self, sequences: Sequence[Any], *, batch_size: int = 32
    ) -> list[Reading]:
        """Compute the answers of sequences.

        Args:
            sequences: each as for `encode`.
            batch_size: sequences per batch.

        Returns:
            One answer per sequence, in the order of `sequences`.

        Raises:
            TypeError: if `sequences` is a single string.
            ValueError: if a sequence is invalid.
        """
        rows = [self.encode(one) for one in several(sequences, "sequences")]
        results: list[Any] = [None] * len(rows)
        for k, y in self._run(rows, batch_size):
            if self.options["output_size"] == 1:
                results[k] = Reading(float(y[0]))
            elif self.options.get("each"):
                results[k] = Reading(y[: len(rows[k]["x"])].argmax(axis=-1).tolist())
            else:
                results[k] = Reading(int(y.argmax()))
        return results

    def _example(self) -> dict[str, np.ndarray]:
        return {"x": np.zeros((1, self.options["input_size"]), np.float32)}

    def _infer(self, model: Any, batch: dict[str, Any]) -> Any:
        return model(batch["x"], batch["mask"])

    def _read(self, model: Any, batch: dict[str, Any], state: Any) -> Any:
        return model.chunk(batch["x"], batch["mask"], state)

    def _answer(self, model: Any, parts: Any, mask: Any) -> Any:
        return model.combine(parts, mask)

    def to_json(self) -> dict[str, Any]:
        """Return the pipeline without its parameters as JSON values."""
        return {
            "options": self.options,
            "symbols": self.symbols,
            "scale": self.scale,
        }

    @classmethod
    def from_json(cls, saved: Any) -> "ReaderPipeline":
        """Return the pipeline that `to_json` described, without its parameters.

        Args:
            saved: the result of `to_json`.
        """
        types = {"options": dict, "symbols": int, "scale": (int, float)}
        checks.fields("pipeline", saved, types)
        options, symbols, scale = map(saved.get, types)
        return cls(options, symbols=symbols, scale=scale, seed=None)
