"""The jobs of both libraries: the same task, data, batches and initial weights."""

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.speed.cases import DType
from zoo.tasks.base import Batch, Task
from zoo.tasks.registry import TASKS


class Throughput(NamedTuple):
    """Processed tokens, and the seconds that they took."""

    tokens: int
    seconds: float


class Program(ABC):
    """A task with its default flags, trained and evaluated for some seconds."""

    def __init__(self, name: str) -> None:
        """Read no data yet.

        Args:
            name: of the task.
        """
        self.name = name

    def start(self, data: str, dtype: DType) -> int:
        """Read the data and build the model; return the number of its parameters.

        Args:
            data: as for ``train.py --data``.
            dtype: as for ``train.py --dtype``.
        """
        task = TASKS[self.name]
        flags: Any = task.Config  # of a task with data
        self.task: Task = task(flags(data=data, dtype=dtype))
        self._train_batches = self._endless_batches()
        return self.build()

    def first_batch(self) -> float:
        """Return the seconds of the first training batch, with its preparation."""
        start = time.perf_counter()
        self.train_batch(*next(self._train_batches))
        return time.perf_counter() - start

    def all_shapes(self) -> float:
        """Return the seconds of one batch of each shape, training and evaluation."""
        start = time.perf_counter()
        for split, run in (("train", self.train_batch), ("dev", self.evaluate_batch)):
            shapes = set()
            for batch in self.task.batches(split, None):
                if batch["mask"].shape not in shapes:
                    shapes.add(batch["mask"].shape)
                    run(batch, True)
        return time.perf_counter() - start

    def train(self, seconds: float) -> Throughput:
        """Continue the training.

        Args:
            seconds: after which no batch starts.
        """
        return self._run(seconds, self._train_batches, self.train_batch)

    def evaluate(self, seconds: float) -> Throughput:
        """Evaluate on dev, repeatedly.

        Args:
            seconds: after which no batch starts.
        """
        batches = (
            (batch, k == 0)
            for _ in itertools.count()
            for k, batch in enumerate(self.task.batches("dev", None))
        )
        return self._run(seconds, batches, self.evaluate_batch)

    def loss(self) -> float:
        """Return the loss of the first dev batch, without dropout."""
        return self.evaluate_batch(next(iter(self.task.batches("dev", None))), True)

    @abstractmethod
    def build(self) -> int:
        """Build the model and the optimiser; return the number of parameters."""

    @abstractmethod
    def train_batch(self, batch: Batch, reset: bool) -> float:
        """Train on a batch and return its loss per token.

        Args:
            batch: NumPy arrays.
            reset: whether a carried state starts at zero: the first batch of an epoch.
        """

    @abstractmethod
    def evaluate_batch(self, batch: Batch, reset: bool) -> float:
        """Predict a batch and return its loss per token.

        Args:
            batch: NumPy arrays.
            reset: whether a carried state starts at zero: the first batch of the split.
        """

    def _endless_batches(self) -> Iterator[tuple[Batch, bool]]:
        """Yield the training batches of all epochs, and whether the state is reset."""
        for epoch in itertools.count():
            for k, batch in enumerate(self.task.batches("train", epoch)):
                yield batch, k == 0

    def _run(
        self,
        seconds: float,
        batches: Iterator[tuple[Batch, bool]],
        run: Callable[[Batch, bool], float],
    ) -> Throughput:
        """Process batches for some seconds, at least one."""
        tokens, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds or not tokens:
            # The preparation of the batch is included, for both libraries.
            batch, reset = next(batches)
            run(batch, reset)
            tokens += int(batch["mask"].sum())
        return Throughput(tokens, elapsed)
