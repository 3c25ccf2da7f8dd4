"""The length of a run, and its progress, which each checkpoint holds."""

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

LARGEST = sys.float_info.max
ADDED: Mapping[str, Any] = {"epoch_seconds": 0.0, "epoch_tokens": 0, "stream": None}
_INTS = {"epoch", "batch", "step", "count", "tokens", "epoch_tokens", "best_epoch"}
_NOT_NEGATIVE = {
    "count",
    "tokens",
    "epoch_tokens",
    "seconds",
    "epoch_seconds",
    "elapsed",
}


class Length(NamedTuple):
    """The length of a run in steps; an epoch ends with an evaluation on dev.

    Attributes:
        steps: batches of the run.
        interval: batches of an epoch; the last epoch may have fewer.
    """

    steps: int
    interval: int

    @property
    def num_epochs(self) -> int:
        """The number of epochs."""
        return -(-self.steps // self.interval)

    def start(self, epoch: int) -> int:
        """Return the batches before an epoch.

        Args:
            epoch: its number, from 0; that of the run's end is the number of epochs.
        """
        return min(epoch * self.interval, self.steps)

    def num_batches(self, epoch: int) -> int:
        """Return the batches of an epoch.

        Args:
            epoch: its number, from 0.
        """
        return self.start(epoch + 1) - self.start(epoch)


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
        seconds: time spent in training steps, without compilations.
        tokens: number of tokens trained on.
        epoch_seconds: of `seconds`, those of this epoch.
        epoch_tokens: of `tokens`, those of this epoch.
        elapsed: seconds of run time, without the pauses before each ``--resume``.
        stream: where the next batch is in training rows that are read in chunks, see
            `zoo.tasks.streaming.TrainingStream`; None for the first, and for others.
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
    epoch_seconds: float = 0.0
    epoch_tokens: int = 0
    elapsed: float = 0.0
    stream: list[int] | None = None

    def advance(self, total: float, count: int, tokens: int, seconds: float) -> None:
        """Count a batch.

        Args:
            total: sum of its loss.
            count: number of terms of that sum.
            tokens: number of its tokens.
            seconds: that it took, without compilations.
        """
        self.batch, self.step = self.batch + 1, self.step + 1
        self.total, self.count = self.total + total, self.count + count
        self.tokens += tokens
        self.epoch_tokens += tokens
        self.seconds += seconds
        self.epoch_seconds += seconds

    def begin_epoch(self) -> None:
        """Begin the next epoch."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.total, self.count = 0.0, 0
        self.epoch_seconds, self.epoch_tokens = 0.0, 0

    def tokens_per_second(self) -> float:
        """Return the training speed in this epoch, without compilations."""
        return self.epoch_tokens / max(self.epoch_seconds, 1e-9)

    @classmethod
    def from_json(cls, length: Length, values: Mapping[str, Any]) -> "Position":
        """Return the position that a checkpoint holds.

        Args:
            length: of the run.
            values: by the names of the attributes. Those of `ADDED` may be missing, as
                in the checkpoints of earlier versions; their speed of the epoch is that
                of its rest.

        Raises:
            PositionError: if a value is missing, has another type or is out of its
                range.
        """
        values = {**ADDED, **values}
        names = {field.name for field in dataclasses.fields(cls)}
        if values.keys() != names:
            differing = ", ".join(sorted(values.keys() ^ names))
            raise PositionError(f"missing or unknown values: {differing}")
        for name, value in values.items():
            if name == "stream":
                if not (value is None or _is_place(value)):
                    raise PositionError(f"stream must be 5 counts, got {value!r}")
            elif name in _INTS:
                if type(value) is not int:
                    raise PositionError(f"{name} must be an int, got {value!r}")
            elif type(value) not in (int, float):
                if value is not None or not name.startswith("best"):
                    raise PositionError(f"{name} must be a number, got {value!r}")
        position = cls(**values)
        step = length.start(position.epoch) + position.batch
        ranges = {
            "epoch": (0, length.num_epochs),
            "batch": (0, length.num_batches(position.epoch)),
            "step": (step, step),
            "total": (-LARGEST, LARGEST),
            "best_epoch": (0 if position.epoch else -1, position.epoch - 1),
            **dict.fromkeys(_NOT_NEGATIVE, (0, LARGEST)),
        }
        for name, (low, high) in ranges.items():
            if not low <= values[name] <= high:
                limits = low if low == high else f"from {low} to {high}"
                raise PositionError(f"{name} must be {limits}, got {values[name]}")
        if (position.best is None) != (position.best_epoch < 0):
            pair = f"best is {position.best} in epoch {position.best_epoch}"
            raise PositionError(pair)
        return position


def _is_place(value: Any) -> bool:
    """Return whether a value can be a position in a stream."""
    is_list = isinstance(value, list) and len(value) == 5
    return is_list and all(type(number) is int and number >= 0 for number in value)
