"""The flags that the tasks share, in the groups of the help.

The flags of a task are one flat dataclass, `Config`. It inherits each group of flags
from the first class of its name, such as ``Data`` or ``Model``: a task derives classes
of these names, with flags and defaults of its own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

from zoo.tasks.data.source import Files
from zoo.tasks.ranges import Count, Factor, NonNegative, Positive, Rate, Seed

MIN_STEPS = 300  # of a training run whose --epochs is not given


@dataclass(frozen=True)
class Data:
    """The training data of any task."""

    limit_train: Positive | None = None
    """Train on the first N rows only."""


@dataclass(frozen=True)
class Corpus(Data, Files):
    """Training data in files; a task adds the columns that its formats have."""

    max_length: Positive | None = None
    """Truncate training rows to this many tokens."""


@dataclass(frozen=True)
class RowCorpus(Corpus):
    """Training data in files whose rows are independent of each other."""

    streaming: bool = False
    """Read train in chunks of rows, for data larger than memory; needs --steps."""
    shuffle_rows: Positive = 10_000
    """With --streaming: rows of a chunk, which are shuffled and batched together."""
    vocab_rows: Positive = 100_000
    """With --streaming: the first rows of train, for vocabulary and labels."""


@dataclass(frozen=True)
class Model:
    """The recurrent layers."""

    cell: str = "lstm"
    """Cell of the recurrent layers (zoo cells), or your own: module:Class."""
    hidden_size: Positive = 128
    """Hidden units of each layer and direction."""
    num_layers: Positive = 1
    """Number of recurrent layers."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of matrix products; sums, states and parameters stay float32."""
    remat: str = "none"
    """Recompute instead of store, for long rows: none, step or chunk:N (N steps)."""
    dropout: Rate = 0.5
    """Dropout rate of the embeddings, between layers and before the output."""

    def layer_options(self) -> dict[str, Any]:
        """Return the options of the recurrent layers that all tasks have."""
        remat = {} if self.remat == "none" else {"remat": self.remat}
        return {"dtype": self.dtype, **remat}


@dataclass(frozen=True)
class Embeddings:
    """The embedding of tokens, and pretrained word vectors for it."""

    default_embedding_dim: ClassVar[int] = 100

    embedding_dim: Positive | None = None
    """Embedding size of a token; vectors of another size are projected to it."""
    vectors: str | None = None
    """File of pretrained word vectors: GloVe, word2vec, fastText or navec."""
    vector_words: Count = 50_000
    """Words of --vectors that train lacks, to keep for later texts: the first N."""
    freeze_vectors: bool = False
    """Do not train the embedding of --vectors."""
    vectors_dtype: Literal["float32", "float16"] = "float32"
    """Type in which the trained model stores the embedding of --vectors."""

    def __init_subclass__(cls) -> None:
        """Show the default of ``--embedding-dim`` in the help."""
        super().__init_subclass__()
        default = f"that of --vectors; {cls.default_embedding_dim} without"
        argument = tyro.conf.arg(help_behavior_hint=f"(default: {default})")
        cls.__annotations__["embedding_dim"] = Annotated[Positive | None, argument]


@dataclass(frozen=True)
class Features:
    """Vectors of words by their context, of tasks that read sentences."""

    features: str | None = None
    """Runs of charlm, RUN,RUN: also read their states at the ends of words."""
    tune_features: bool = False
    """Train the models of --features too; else their states are computed once."""


@dataclass(frozen=True)
class Directions:
    """The directions of the recurrent layers, of tasks that may read ahead."""

    bidirectional: bool = True
    """Read in both directions."""


@dataclass(frozen=True)
class Training:
    """How the model is trained."""

    default_epochs: ClassVar[int] = 10
    sample_epochs: ClassVar[int | None] = None  # instead, on a large sample

    epochs: Positive | None = None
    """Passes over the training data."""
    steps: Positive | None = None
    """Train for this many batches, instead of --epochs."""
    eval_every: Positive | None = None
    """Batches between evaluations on dev, an epoch of the log. Default: a pass."""
    batch_size: Positive = 32
    """Rows of a batch."""
    accumulate: Positive = 1
    """Compute the gradient of a batch in N parts, which need less memory."""
    learning_rate: NonNegative = 2e-3
    """Peak learning rate."""
    optimizer: str = "adam"
    """Optax optimiser: adam, adamw, nadam, sgd, rmsprop, lion, ..."""
    schedule: Literal["constant", "linear", "cosine", "slanted"] = "cosine"
    """Learning rate schedule; linear and cosine decay to zero, slanted rises first."""
    clip_norm: NonNegative = 1.0
    """Clip the gradient to this global norm; 0 = no clipping."""
    weight_decay: NonNegative = 0.0
    """Weight decay: decoupled in adamw, lamb, lion, ...; else added to the gradient."""
    ema: Rate = 0.0
    """Decay of a moving average of the weights, which is scored and saved; 0 = off."""
    monitor: str = "auto"
    """Dev score that chooses the best epoch, or loss; auto: the task's main score."""
    patience: Count = 0
    """Stop after this many evaluations without a better dev score; 0 = never."""
    seed: Seed = 0
    """Random seed of initialisation, data splits, batches and dropout."""

    def __init_subclass__(cls) -> None:
        """Show the default of ``--epochs`` in the help: see `Config.num_epochs`."""
        default = str(cls.default_epochs)
        if cls.sample_epochs:
            default += f", of the sample {cls.sample_epochs}"
        hint = f"(default: {default}; at least {MIN_STEPS} batches)"
        argument = tyro.conf.arg(help_behavior_hint=hint)
        cls.__annotations__["epochs"] = Annotated[Positive | None, argument]


@dataclass(frozen=True)
class RowTraining(Training):
    """How a model is trained on rows of different lengths."""

    batch_tokens: Positive = 65_536
    """Largest batch, rows x padded length: batches of longer rows have fewer rows."""


@dataclass(frozen=True)
class FineTuning:
    """How a model that has been trained before is trained further."""

    init: str | None = None
    """Start from the parameters of this run or model folder."""
    freeze: str = ""
    """Do not train these parameters: names such as embedding.*,layers.0.*"""
    unfreeze_every: Positive | None = None
    """Train the output first, and one more layer after every N epochs."""
    layer_decay: Factor = 1.0
    """The rate of a layer relative to that of the layer above it."""


@dataclass(frozen=True)
class Run:
    """The run folder, and how a run continues."""

    out: Path | None = None
    """Run folder; by default runs/TASK-DATE-TIME."""
    resume: bool = False
    """Continue the run in --out with its flags; start it if there is none."""
    overwrite: bool = False
    """Delete the run in --out and start a new one."""
    force: bool = False
    """With --overwrite: also delete files of --out that are not of a run."""
    checkpoint_seconds: NonNegative = 60.0
    """Seconds between checkpoints; at the end of an epoch, 10 are enough."""
    keep_checkpoints: Positive = 1
    """Checkpoints to keep after the end; during training the latest two or more."""
    compile_cache: bool = True
    """Keep compiled programs on disk, in ZOO_COMPILE_CACHE or ~/.cache/rnn-zoo."""
    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True)
class Devices:
    """The devices, of one process or of several that train together."""

    mesh: str = ""
    """Divide the devices: data=N,model=M. Default: all of them divide the batches."""
    shard_optimizer: bool = False
    """Divide the optimiser's state over the data axis too (ZeRO stage 1)."""
    coordinator: str | None = None
    """HOST:PORT of process 0, the same in all processes."""
    processes: Positive | None = None
    """Number of processes."""
    process: Count | None = None
    """Number of this process, from 0."""
    distributed: bool = False
    """Join the processes that Slurm, Open MPI, Kubernetes or a TPU has started."""
    heartbeat_seconds: Positive = 100
    """End the run if a process does not answer for this many seconds."""


@dataclass(frozen=True)
class Config(Data, Model, Training, FineTuning, Devices, Run):
    """The flags that all tasks share."""

    def num_epochs(self, num_batches: int) -> int:
        """Return the passes over the data: ``--epochs``, or the task's default.

        The default is raised until the run has `MIN_STEPS` batches. The last of those
        that ``--steps`` needs may be incomplete.

        Args:
            num_batches: of a pass.
        """
        if self.steps is not None:
            return -(-self.steps // max(num_batches, 1))
        if self.epochs is not None:
            return self.epochs
        default = self.on_sample and self.sample_epochs or self.default_epochs
        return max(default, -(-MIN_STEPS // max(num_batches, 1)))

    @property
    def on_sample(self) -> bool:
        """Whether the data are the task's sample."""
        return True


@dataclass(frozen=True)
class CorpusConfig(Corpus, Config):
    """The flags of the tasks whose data are in files."""

    @property
    def on_sample(self) -> bool:
        """Whether no files are named."""
        return self.data is None and not self.train_file


@dataclass(frozen=True)
class RowConfig(RowCorpus, RowTraining, CorpusConfig):
    """The flags of the tasks whose data are rows in files."""
