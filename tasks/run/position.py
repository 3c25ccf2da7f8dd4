"""The progress of a run, which each checkpoint holds."""

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

LARGEST = sys.float_info.max


class PositionError(ValueError):
    """The position of a checkpoint is not one of the run."""


@dataclasses.dataclass
class Position:
    """The progress of a run, saved with each checkpoint.

    Attributes:
        epoch: the current epoch, counted from 0.
        batch: batches done in this epoch.
        step: batches done in all epochs.
        total: sum of the loss in this epoch.
        count: number of terms of that sum.
        best: the best dev score.
        best_loss: the dev loss of the best epoch.
        best_epoch: the epoch of the best dev score; -1 before the first evaluation.
        seconds: time spent in training steps.
        tokens: number of tokens trained on.
        elapsed: seconds of run time, without the pauses before each ``--resume``.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    total: float = 0.0
    count: int = 0
    best: float | None = None
    best_loss: float | None = None
    best_epoch: int = -1
    seconds: float = 0.0
    tokens: int = 0
    elapsed: float = 0.0

    @classmethod
    def from_json(
        cls, num_batches: int, num_epochs: int, values: Mapping[str, Any]
    ) -> "Position":
        """Return the position that a checkpoint holds.

        Args:
            num_batches: of an epoch.
            num_epochs: of the run.
            values: by the names of the attributes.

        Raises:
            PositionError: if a value is missing, has another type or is out of its
                range.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if values.keys() != names:
            differing = ", ".join(sorted(values.keys() ^ names))
            raise PositionError(f"missing or unknown values: {differing}")
        for name in ("epoch", "batch", "step", "count", "tokens", "best_epoch"):
            if type(values[name]) is not int:
                raise PositionError(f"{name} must be an int, got {values[name]!r}")
        for name in ("total", "seconds", "elapsed", "best", "best_loss"):
            is_none = values[name] is None and name.startswith("best")
            if type(values[name]) not in (int, float) and not is_none:
                raise PositionError(f"{name} must be a number, got {values[name]!r}")
        position = cls(**values)
        step = position.epoch * num_batches + position.batch
        ranges = {
            "epoch": (0, num_epochs),
            "batch": (0, num_batches),
            "step": (step, step),
            "total": (-LARGEST, LARGEST),
            "best_epoch": (0 if position.epoch else -1, position.epoch - 1),
            **dict.fromkeys(("count", "tokens", "seconds", "elapsed"), (0, LARGEST)),
        }
        for name, (low, high) in ranges.items():
            if not low <= values[name] <= high:
                limits = low if low == high else f"from {low} to {high}"
                raise PositionError(f"{name} must be {limits}, got {values[name]}")
        if (position.best is None) != (position.best_epoch < 0):
            pair = f"best is {position.best} in epoch {position.best_epoch}"
            raise PositionError(pair)
        return position
