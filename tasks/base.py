"""The Task contract: what `train.py` asks of a task, and the flags all tasks share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import tyro

from tasks.data import Source
from tasks.run.html import Section
from zoo.types import Array, Key, State

Batch = dict[str, np.ndarray]


MIN_STEPS = 300


@dataclass(frozen=True)
class Config(Source):
    """The flags that all tasks share."""

    default_epochs: ClassVar[int] = 10
    sample_epochs: ClassVar[int | None] = None  # fewer, of a sample that is large

    cell: str = "lstm"
    """Cell of the recurrent layers; `python -m zoo cells` lists them."""
    hidden_size: int = 128
    """Units of each layer and direction."""
    num_layers: int = 1
    """Recurrent layers."""
    bidirectional: bool = True
    """Read in both directions."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What recurrent layers multiply; sums, states and parameters are float32."""
    dropout: float = 0.5
    """Rate of dropout on the embeddings, between layers and before the output."""
    epochs: int | None = None
    """Passes over the data."""
    batch_size: int = 32
    """Rows of a batch."""
    learning_rate: float = 2e-3
    """Peak of the learning rate."""
    optimizer: str = "adam"
    """Optimiser of optax: adam, adamw, nadam, sgd, rmsprop, lion, ..."""
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    """Course of the learning rate: constant, or down to zero over all epochs."""
    clip_norm: float = 1.0
    """Largest global norm of the gradient; 0 = no limit."""
    weight_decay: float = 0.0
    """Weight decay: decoupled in adamw, lamb, lion, ...; else added to the gradient."""
    ema: float = 0.0
    """Score and save a running average of the weights: the share kept at each step."""
    patience: int = 0
    """Stop after so many epochs without a better dev score; 0 = never."""
    max_length: int | None = None
    """Cut longer training rows to so many tokens."""
    seed: int = 0
    """Seed of all that is drawn: initialisation, batches, dropout, shares."""
    limit_train: int | None = None
    """Train on the first N rows only."""
    out: Path | None = None
    """Run folder; by default runs/TASK-DATE-TIME."""
    resume: bool = False
    """Go on with the run in --out, or begin it if there is no checkpoint yet."""
    overwrite: bool = False
    """Delete the run in --out and begin anew."""
    checkpoint_seconds: float = 60.0
    """Save a checkpoint about so often, and at the end of each epoch."""
    debug: bool = False
    """Show the traceback of an error."""

    def __init_subclass__(cls) -> None:
        """Let the help tell what `Task.epochs` does where a task is told nothing."""
        usual = str(cls.default_epochs)
        if cls.sample_epochs:
            usual += f", of the sample {cls.sample_epochs}"
        told = f"(default: {usual}; at least {MIN_STEPS} batches)"
        hint = tyro.conf.arg(help_behavior_hint=told)
        cls.__annotations__["epochs"] = Annotated[int | None, hint]


class Scores(NamedTuple):
    """What an evaluation found.

    Attributes:
        values: scores by name; fractions, not per cent.
        per_class: a table: scores by name for each class.
        confusion: counts ``[K, K]``, rows are the true classes.
        signatures: how a library computed a score, in its own words, by name.
    """

    values: dict[str, float]
    per_class: dict[str, dict[str, float]] = {}
    confusion: np.ndarray | None = None
    signatures: dict[str, str] = {}


Pairs = Iterable[tuple[Batch, dict[str, np.ndarray]]]


class Evaluation(NamedTuple):
    """A split seen by a model.

    Attributes:
        scores: what it is judged by.
        loss: a token.
        pairs: the batches, and what `Task.predict` found for them.
    """

    scores: Scores
    loss: float
    pairs: Pairs


class Task(ABC):
    """Data, recipe, loss and metrics of a task.

    Attributes:
        config: the flags.
        notes: what was decided about the data, for the user.
        pipeline: the model and its vocabularies, newly initialised.
        monitor: the score of dev that chooses the best epoch, and which is better.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Config]]
    monitor: tuple[str, Literal["max", "min"]]

    pipeline: Any

    def __init__(
        self, config: Any, trained: Any = None, split: str | None = None
    ) -> None:
        """Read the data, make the vocabularies and the model.

        Args:
            config: the flags.
            trained: a trained pipeline to be scored, instead of a new one.
            split: the split it is to be scored on; no other is read.
        """
        self.config = config
        self.notes: list[str] = []

    def epochs(self) -> int:
        """Return the passes over the training data: as told, or enough of them."""
        config = self.config
        if config.epochs is not None:
            return config.epochs
        enough = -(-MIN_STEPS // self.num_batches("train"))
        sampled = config.data is None and not config.train_file
        usual = sampled and config.sample_epochs or config.default_epochs
        return max(usual, enough)

    @abstractmethod
    def num_batches(self, split: str) -> int:
        """Return how many batches an epoch of a split has."""

    @abstractmethod
    def batches(self, split: str, seed: int | None) -> Iterator[Batch]:
        """Yield one epoch of a split: numpy arrays with a mask, in few shapes.

        The same seed gives the same batches; None keeps the order (evaluation).
        """

    def init_carry(self, model: Any, batch_size: int) -> State:
        """Return the state of truncated backpropagation; () where there is none."""
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
        """Return the sum of the loss, the count it is of, and the carry.

        The progress of training goes from 0 to 1, for what is to change on the way.
        """

    @abstractmethod
    def predict(
        self, model: Any, batch: Batch, carry: State
    ) -> tuple[dict[str, Array], State]:
        """Return what `metrics` needs, and the carry; ``loss`` and ``count`` too."""

    @abstractmethod
    def metrics(self, pairs: Pairs) -> Scores:
        """Score the pairs of batches and what `predict` found for them."""

    def report(self, pairs: Pairs) -> list[Section]:
        """Return what the page of a run shows of this task: errors, and pictures.

        The model is that of the pipeline, with its trained parameters.

        Args:
            pairs: of the test split, as `metrics` is given them.
        """
        return []

    def baselines(self) -> dict[str, Scores]:
        """Return scores on the test split that a model should beat."""
        return {}

    def example(self) -> str:
        """Return a text that the trained model could be given."""
        return "Anna Lind flew from Oslo to Peru."

    def sizes(self) -> dict[str, Any]:
        """Return what the user wants to know of the data before training."""
        return {}
