"""What both libraries are asked for: the same task, data, batches and first weights."""

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.speed.cases import DType
from tasks.base import Batch, Task
from tasks.registry import TASKS


class Rate(NamedTuple):
    """Tokens, and the seconds that they took."""

    tokens: int
    seconds: float


class Program(ABC):
    """A task with its defaults: trains and evaluates for as long as it is told."""

    def __init__(self, name: str) -> None:
        """Read nothing yet.

        Args:
            name: of the task.
        """
        self.name = name

    def start(self, data: str, dtype: DType) -> int:
        """Read the data and make the model; return the number of its parameters.

        Args:
            data: as for ``train.py --data``.
            dtype: as for ``train.py --dtype``.
        """
        task = TASKS[self.name]
        self.task: Task = task(task.Config(data=data, dtype=dtype))
        self._train = self._endless()
        return self.make()

    def first(self) -> float:
        """Return the seconds of the first training batch, made and learnt."""
        begun = time.perf_counter()
        self.learn(*next(self._train))
        return time.perf_counter() - begun

    def warm(self) -> float:
        """Return the seconds that one batch of every shape takes, in both ways."""
        begun = time.perf_counter()
        for split, use in (("train", self.learn), ("dev", self.judge)):
            seen = set()
            for batch in self.task.batches(split, None):
                if batch["mask"].shape not in seen:
                    seen.add(batch["mask"].shape)
                    use(batch, True)
        return time.perf_counter() - begun

    def train(self, seconds: float) -> Rate:
        """Train on, for about some seconds.

        Args:
            seconds: to begin batches for.
        """
        return self._for(seconds, self._train, self.learn)

    def evaluate(self, seconds: float) -> Rate:
        """Evaluate on dev, again and again for about some seconds.

        Args:
            seconds: to begin batches for.
        """
        batches = (
            (batch, k == 0)
            for _ in itertools.count()
            for k, batch in enumerate(self.task.batches("dev", None))
        )
        return self._for(seconds, batches, self.judge)

    def loss(self) -> float:
        """Return the loss of the first dev batch, without dropout."""
        return self.judge(next(iter(self.task.batches("dev", None))), True)

    @abstractmethod
    def make(self) -> int:
        """Make the model and the optimiser; return the number of parameters."""

    @abstractmethod
    def learn(self, batch: Batch, fresh: bool) -> float:
        """Train on a batch and return its loss a token.

        Args:
            batch: numpy arrays.
            fresh: whether it is the first of an epoch: a carried state begins anew.
        """

    @abstractmethod
    def judge(self, batch: Batch, fresh: bool) -> float:
        """Predict a batch and return its loss a token.

        Args:
            batch: numpy arrays.
            fresh: whether it is the first of the split.
        """

    def _endless(self) -> Iterator[tuple[Batch, bool]]:
        for epoch in itertools.count():
            for k, batch in enumerate(self.task.batches("train", epoch)):
                yield batch, k == 0

    def _for(self, seconds: float, batches: Any, use: Any) -> Rate:
        tokens, begun = 0, time.perf_counter()
        while (passed := time.perf_counter() - begun) < seconds or not tokens:
            # Making the batch counts: both libraries read the same ones.
            batch, fresh = next(batches)
            use(batch, fresh)
            tokens += int(batch["mask"].sum())
        return Rate(tokens, passed)
