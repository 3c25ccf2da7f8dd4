"""The task contract: what `train.py` calls."""

import hashlib
import inspect
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from zoo import checks
from zoo.engine.schedule import Schedule
from zoo.registry import cell_class
from zoo.tasks import ranges
from zoo.tasks.configs.base import Config
from zoo.tasks.layout import WHOLE, RowShard
from zoo.tasks.run.html import Section
from zoo.tasks.scores import LOWER_IS_BETTER, Batch, Pairs, Scores
from zoo.types import Array, Key, State

if TYPE_CHECKING:
    from zoo.tasks.streaming import TrainingStream


class Task(ABC):
    """Data, model, loss and metrics of a task.

    Attributes:
        config: the flags.
        notes: decisions about the data that the user should know.
        digests: of the content that a run depends on, by what the user calls it; a run
            resumes only if they are the same.
        pipeline: the model and its vocabularies, with initial parameters.
        monitor: the dev score that chooses the best epoch, and its direction.
        frozen: globs of the names of parameters that are not trained, besides those of
            ``--freeze``.
        initial: what the model folder says of the model that the run starts from, with
            ``--init``; else None.
        stream: the training rows, if they are read in chunks; then train is their
            first rows only.
        coverage: how many words of train have pretrained vectors, for
            ``metrics.json``; empty without ``--vectors``.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Config]]
    monitor: tuple[str, Literal["max", "min"]]
    initial: dict[str, Any] | None = None
    stream: "TrainingStream | None" = None
    frozen: tuple[str, ...] = ()

    pipeline: Any

    def __init__(
        self, config: Any, trained: Any = None, split: str | None = None
    ) -> None:
        """Read the data, and build the vocabularies and the model.

        Args:
            config: the flags.
            trained: a trained pipeline to score, instead of a new one.
            split: the only split to read, to score it.

        Raises:
            ValueError: if a flag is out of its range, or two exclude each other; the
                message names them.
        """
        ranges.check(config)
        if config.steps is not None and config.epochs is not None:
            raise ValueError("--steps and --epochs exclude each other: give one")
        try:
            Schedule(remat=config.remat).check()
        except ValueError as error:
            raise ValueError(f"--{error}") from None
        self.config = config
        self.notes: list[str] = []
        self.coverage: dict[str, Any] = {}
        self.digests = cell_digest(config.cell)

    def choose_monitor(self, *names: str) -> None:
        """Set `monitor` by ``--monitor``; auto keeps the task's.

        Args:
            *names: the scores that `metrics` returns.

        Raises:
            ValueError: if ``--monitor`` is none of them, nor loss.
        """
        name = checks.one_of("--monitor", self.config.monitor, ("auto", *names, "loss"))
        if name != "auto":
            self.monitor = (name, "min" if name in LOWER_IS_BETTER else "max")

    def epochs(self) -> int:
        """Return the number of passes over the data, see `Config.num_epochs`."""
        return self.config.num_epochs(self.num_batches("train"))

    @abstractmethod
    def num_batches(self, split: str) -> int:
        """Return how many batches an epoch of a split has."""

    @abstractmethod
    def batches(
        self, split: str, seed: int | None, shard: RowShard = WHOLE
    ) -> Iterator[Batch]:
        """Yield one epoch of a split: numpy arrays with a mask, in few shapes.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: shuffles; the same seed gives the same batches. None keeps the order
                of the data.
            shard: the rows of each batch to return.
        """

    def examples(self, split: str, shard: RowShard = WHOLE) -> Iterator[Batch]:
        """Yield a batch of each shape of a split, so that all programs can compile.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            shard: as for `batches`.
        """
        yield from itertools.islice(self.batches(split, None, shard), 1)

    def init_carry(self, model: Any, batch_size: int) -> State:
        """Return the initial state of truncated backpropagation, () without one.

        Args:
            model: the module.
            batch_size: B.
        """
        return ()

    @abstractmethod
    def loss(
        self,
        model: Any,
        batch: Batch,
        carry: State,
        *,
        key: Key | None = None,
        progress: Array | float = 0.0,
    ) -> tuple[tuple[Array, Array], State]:
        """Return the sum of the loss and its number of terms, and the new carry.

        Args:
            model: the module.
            batch: from `batches`.
            carry: the state before the batch.
            key: of dropout and other noise; None for evaluation.
            progress: of training, from 0 to 1.
        """

    def embedding_ids(self, batch: Batch) -> Array | None:
        """Return the rows of ``model.embedding`` that `loss` may look up in a batch.

        Then only these are updated, see `zoo.tasks.lazy_embedding`. None updates all.

        Args:
            batch: from `batches`.
        """
        return None

    @abstractmethod
    def predict(
        self, model: Any, batch: Batch, carry: State
    ) -> tuple[dict[str, Array], State]:
        """Return the arrays that `metrics` needs, and the new carry.

        ``loss`` and ``count`` are among the arrays: the sum and its number of terms.

        Args:
            model: the module.
            batch: from `batches`.
            carry: the state before the batch.
        """

    def scored(self, batch: Batch) -> Batch:
        """Return what `metrics` and `report` read of a batch.

        They may keep it for a whole split, so that large inputs are left out.

        Args:
            batch: from `batches`.
        """
        return batch

    @abstractmethod
    def metrics(self, pairs: Pairs) -> Scores:
        """Score predictions on the host.

        Args:
            pairs: the batches of a split, each with the arrays of `predict`: an
                iterator, so that only what is kept of them needs memory.
        """

    def report(self, pairs: Pairs) -> list[Section]:
        """Return the task's sections of the run's report: errors and pictures.

        The pipeline has the trained parameters when this is called.

        Args:
            pairs: of the test split, as for `metrics`, but a list.
        """
        return []

    def baselines(self) -> dict[str, Scores]:
        """Return test scores that a trained model should beat."""
        return {}

    def example(self) -> str:
        """Return an input to try the trained model on."""
        return "Anna Lind flew from Oslo to Peru."

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of the data, for the user."""
        return {}


def cell_digest(cell: str) -> dict[str, str]:
    """Return a digest of the module that defines a user's own cell, {} for other cells.

    Args:
        cell: ``--cell``; the module of ``module:Class`` has been imported.
    """
    if ":" not in cell:
        return {}
    try:
        code = Path(inspect.getfile(cell_class(cell))).read_bytes()
    except (OSError, TypeError):  # not defined in a file
        return {}
    return {f"the module of --cell {cell}": hashlib.blake2b(code).hexdigest()}
