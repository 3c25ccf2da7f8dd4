"""Character-level language model: what comes next in a text."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from tasks import base, data
from tasks.data import arrow_cache, sample_text
from tasks.data.batching import Streams
from tasks.rows import first, one_split
from tasks.run import sections
from tasks.run.html import Section
from zoo.models.decoding import likeliest
from zoo.pipelines import LanguageModelPipeline
from zoo.text import Text

if TYPE_CHECKING:
    from datasets import Dataset

TEST_WINDOW = 1000  # of the one stream of the test text: no gradient limits it


@dataclass(frozen=True)
class Config(base.Config):
    """Character-level generation: learn a text, and write more of it."""

    default_epochs: ClassVar[int] = 11
    sample_epochs: ClassVar[int | None] = 3

    hidden_size: int = 256
    """Units of each layer."""
    num_layers: int = 2
    """Recurrent layers."""
    bidirectional: bool = False
    """Not for this task: a model that reads ahead cannot write."""
    dropout: float = 0.25
    """Rate of dropout between layers and before the output."""
    learning_rate: float = 4e-3
    """Peak of the learning rate."""
    optimizer: str = "adamw"
    """Optimiser, by its name in optax."""
    weight_decay: float = 0.05
    """Decay of the weights: by adamw, times the learning rate."""
    embedding_dim: int = 64
    """Size of a character's vector."""
    tied: bool = False
    """Score with the table of the embedding (needs equal sizes)."""
    units: Literal["chars", "symbols", "words"] = "chars"
    """What the text is split into; symbols stand between single spaces."""
    min_count: int = 1
    """How often a character must occur in train to have a number of its own."""
    max_length: int | None = 100
    """Window of truncated backpropagation: steps through which gradients go."""


class CharacterModel(base.Task):
    """Next-character prediction by truncated backpropagation with carried state.

    The state is carried from window to window, and saved in checkpoints. Train and dev
    are read as `batch_size` parallel streams, each beginning with a new state; test is
    read as one, from its first character to its last.
    """

    name = "charlm"
    Config = Config
    monitor = ("nats", "min")

    def __init__(
        self, config: Config, trained: Any = None, split: str | None = None
    ) -> None:
        """Read the text, number its characters, make the model.

        Args:
            config: the flags.
            trained: a trained pipeline to be scored, instead of a new one.
            split: the split it is to be scored on; no other is read.

        Raises:
            tasks.data.DataError: if the text cannot be read or is too short.
            ValueError: if a flag is not for this task.
        """
        super().__init__(config)
        if config.bidirectional:
            raise ValueError(
                "--bidirectional is not for charlm: a model that reads ahead cannot "
                "predict what comes next"
            )
        self.window = config.max_length or 100
        if split is not None:
            parts = {split: one_split(config, "text", split, python_manual())}
            self.pipeline = trained
        else:
            splits = data.load(config, "text", seed=config.seed, sample=python_manual())
            self.notes += splits.notes
            train = splits.train
            if config.limit_train is not None:
                train = train.select(range(min(config.limit_train, len(train))))
            parts = {"train": train, "dev": splits.dev, "test": splits.test}
            self.pipeline = self._make_pipeline(train)
        self.ids = {name: self._encode(rows) for name, rows in parts.items()}
        self.streams = {}
        for name, ids in self.ids.items():
            if len(ids) < 2:
                raise data.DataError(
                    f"{name} must hold two characters or more, got {len(ids)}"
                )
            rows, window = config.batch_size, self.window
            if name == "test":
                rows, window = 1, TEST_WINDOW
            self.streams[name] = Streams(len(ids), rows, window)

    def _make_pipeline(self, train: "Dataset") -> LanguageModelPipeline:
        """Return the untrained model with the characters of the training text."""
        config = self.config
        text = Text.build(
            first(train, "text"), config.units, min_count=config.min_count
        )
        options = {
            "vocab_size": len(text.vocabulary),
            "embedding_dim": config.embedding_dim,
            "cell": config.cell,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            "dtype": config.dtype,
            "dropout": config.dropout,
            "tied": config.tied,
        }
        return LanguageModelPipeline(options, text, seed=config.seed)

    def _encode(self, rows: "Dataset") -> "Dataset":
        """Return the text as one number a row, in a file of its own."""
        from datasets import Features, Value
        from datasets.fingerprint import Hasher

        text = self.pipeline.text
        vocabulary = text.vocabulary.tokens
        key = Hasher.hash((rows._fingerprint, vocabulary, text.units))
        with arrow_cache.quiet():
            return rows.map(
                lambda found: {"id": text.encode("".join(found["text"]))},
                batched=True,
                remove_columns=rows.column_names,
                features=Features({"id": Value("int32")}),
                new_fingerprint=key,
            )

    def num_batches(self, split: str) -> int:
        """Return how many windows a split has."""
        return len(self.streams[split])

    def batches(self, split: str, seed: int | None) -> Iterator[base.Batch]:
        """Yield the windows of a split in their order.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: not used: the order of a text is its own.
        """
        ids = self.ids[split].data.column("id")
        streams = self.streams[split]
        for rows in streams.epoch():
            shape = (streams.batch_size, streams.window)
            batch = {
                "ids": np.zeros(shape, np.int32),
                "labels": np.zeros(shape, np.int32),
                "mask": np.zeros(shape, bool),
            }
            for b, (start, stop) in enumerate(rows):
                n = stop - start
                both = ids.slice(start, n + 1).to_numpy()
                batch["ids"][b, :n] = both[:n]
                batch["labels"][b, :n] = both[1 : n + 1]
                batch["mask"][b, :n] = True
            yield batch

    def init_carry(self, model: Any, batch_size: int) -> Any:
        """Return the state before the first window."""
        return model.init_state(batch_size)

    def loss(self, model, batch, carry, *, key=None, progress=0.0):
        """Return the sum of the cross-entropies in nats, their number, the state."""
        carry, _, picked = _read(model, batch, carry, key)
        return (-picked.sum(), jnp.asarray(batch["mask"]).sum()), carry

    def predict(self, model, batch, carry):
        """Return the loss, what was expected, how sure it and what came, the state."""
        carry, scores, picked = _read(model, batch, carry, None)
        found = {
            "expected": likeliest(scores),
            "sure": jnp.exp(scores.max(axis=-1)),
            "probability": jnp.exp(picked),
            "loss": -picked.sum(),
            "count": jnp.asarray(batch["mask"]).sum(),
        }
        return found, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Return nats and bits for each character, and the share of unknown ones."""
        total, count, unknown = 0.0, 0, 0
        for batch, found in pairs:
            total += float(found["loss"])
            count += int(found["count"])
            new = batch["labels"] == self.pipeline.text.vocabulary.unknown
            unknown += int((new & batch["mask"]).sum())
        nats = total / count
        return base.Scores(
            {
                "nats": nats,
                "bits_per_char": nats / math.log(2),
                "unknown": unknown / count,
            }
        )

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return samples, what came as a surprise, and what a unit follows.

        Args:
            pairs: of the test split.
        """
        arrays = [
            (batch["mask"], {**found, "labels": batch["labels"]})
            for batch, found in pairs
        ]
        names = ("labels", "expected", "sure", "probability")
        flat = {
            name: np.concatenate([found[name][mask] for mask, found in arrays])
            for name in names
        }
        return sections.language_model(self.pipeline, self.example(), flat)

    def example(self) -> str:
        """Return the first words of the test text."""
        vocabulary, ids = self.pipeline.text.vocabulary, self.ids["test"]
        text = self.pipeline.text.join(vocabulary.decode(ids[:200]["id"]))
        return " ".join(text.split()[:3]) + " "

    def sizes(self) -> dict[str, Any]:
        """Return what the user wants to know of the data before training."""
        told: dict[str, Any] = {
            split: f"{len(ids):,} {self.config.units}"
            for split, ids in self.ids.items()
        }
        told["vocabulary"] = len(self.pipeline.text.vocabulary)
        told["batches"] = (
            f"{self.num_batches('train')} windows of {self.window}, "
            f"{self.config.batch_size} streams"
        )
        return told


def _read(model, batch, carry, key):
    """Return the state, all log-probabilities, and those of what came next."""
    mask = jnp.asarray(batch["mask"])
    carry, logits = model(batch["ids"], mask, carry, key=key)
    scores = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(scores, batch["labels"][..., None], axis=-1)[..., 0]
    return carry, scores, jnp.where(mask, picked, 0.0)


def python_manual() -> Path:
    """Write the language part of Python's own manual to a file, and return its path.

    Every Python carries this text, as `pydoc_data.topics`.
    """
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))
    return sample_text.kept("python-manual.txt", text)
