"""Character-level language model: what comes next in a text."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from zoo.models.decoding import argmax
from zoo.pipelines import LanguageModelPipeline
from zoo.tasks import base, data
from zoo.tasks.configs.charlm import Config
from zoo.tasks.data import arrow_cache, sample_text
from zoo.tasks.data.batching import Streams
from zoo.tasks.rows import column, read, tokenizer_of
from zoo.tasks.run import sections
from zoo.tasks.run.html import Section
from zoo.text import Text
from zoo.types import Array, Key, State

if TYPE_CHECKING:
    from datasets import Dataset

TEST_WINDOW = 1000  # steps of a window of test, which needs no memory for gradients


class CharacterModel(base.Task):
    """Next-character prediction with truncated backpropagation through time.

    The state is carried from window to window and saved in checkpoints. Train and dev
    are cut into ``--batch-size`` parallel streams, each with a fresh initial state;
    test is one stream, from its first character to its last.
    """

    name = "charlm"
    Config = Config
    monitor = ("nats", "min")

    def __init__(
        self,
        config: Config,
        trained: LanguageModelPipeline | None = None,
        split: str | None = None,
    ) -> None:
        """Read the text, build its vocabulary and the model, and encode the text.

        Args:
            config: the flags.
            trained: a trained pipeline to score, instead of a new one.
            split: the only split to read, to score it.

        Raises:
            zoo.tasks.data.DataError: if the text cannot be read or is too short.
            ValueError: if a flag is out of its range.
        """
        super().__init__(config)
        self.choose_monitor("nats", _second_score(config.units), "unknown")
        self.window = config.max_length or 100
        splits, notes, digests = read(config, "text", split, sample=python_manual)
        self.digests |= digests
        self.notes += notes
        self.pipeline = trained or self._build_pipeline(splits["train"])
        self.ids = {name: self._encode(rows) for name, rows in splits.items()}
        self.streams = {}
        for name, ids in self.ids.items():
            if len(ids) < 2:
                raise data.DataError(
                    f"{name} must have two {self.pipeline.text.units} or more, got "
                    f"{len(ids)}"
                )
            rows, window = config.batch_size, self.window
            if name == "test":
                rows, window = 1, TEST_WINDOW
            self.streams[name] = Streams(len(ids), rows, window)

    def _build_pipeline(self, train: "Dataset") -> LanguageModelPipeline:
        """Return an untrained model with the characters of the training text."""
        config = self.config
        text = Text.build(
            column(train, "text"),
            config.units,
            min_count=config.min_count,
            tokenizer=tokenizer_of(config.units, config.tokens),
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
        """Return the text as a memory-mapped column with one character ID a row."""
        from datasets import Features, Value
        from datasets.fingerprint import Hasher

        text = self.pipeline.text
        vocabulary = text.vocabulary.tokens
        key = Hasher.hash((rows._fingerprint, vocabulary, text.units, text.tokenizer))
        with arrow_cache.quiet():
            return rows.map(
                lambda batch: {"id": text.encode("".join(batch["text"]))},
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
            seed: unused: a text has one order.
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
                window = ids.slice(start, n + 1).to_numpy()
                batch["ids"][b, :n] = window[:n]
                batch["labels"][b, :n] = window[1 : n + 1]
                batch["mask"][b, :n] = True
            yield batch

    def init_carry(self, model: Any, batch_size: int) -> Any:
        """Return the state before the first window."""
        return model.init_state(batch_size)

    def loss(
        self,
        model: Any,
        batch: base.Batch,
        carry: State,
        *,
        key: Key | None = None,
        progress: Array | float = 0.0,
    ) -> tuple[tuple[Array, Array], State]:
        """Return the sum of the cross-entropies in nats, their number, the state."""
        carry, _, picked = _read(model, batch, carry, key)
        return (-picked.sum(), jnp.asarray(batch["mask"]).sum()), carry

    def predict(
        self, model: Any, batch: base.Batch, carry: State
    ) -> tuple[dict[str, Array], State]:
        """Return the predicted characters, probabilities, the loss, and the state."""
        carry, scores, picked = _read(model, batch, carry, None)
        arrays = {
            "predicted": argmax(scores),
            "confidence": jnp.exp(scores.max(axis=-1)),
            "probability": jnp.exp(picked),
            "loss": -picked.sum(),
            "count": jnp.asarray(batch["mask"]).sum(),
        }
        return arrays, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Return nats, bits per character or perplexity, and the unknown fraction."""
        total, count, unknown = 0.0, 0, 0
        for batch, arrays in pairs:
            total += float(arrays["loss"])
            count += int(arrays["count"])
            is_unknown = batch["labels"] == self.pipeline.text.vocabulary.unknown
            unknown += int((is_unknown & batch["mask"]).sum())
        nats = total / count
        name = _second_score(self.pipeline.text.units)
        # The exponential of more than 709 overflows.
        of_chars = name == "bits_per_char"
        value = nats / math.log(2) if of_chars else math.exp(min(nats, 709.0))
        return base.Scores({"nats": nats, name: value, "unknown": unknown / count})

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return generated samples, the most surprising characters, and a unit.

        Args:
            pairs: of the test split.
        """
        batches = [
            (batch["mask"], {**arrays, "labels": batch["labels"]})
            for batch, arrays in pairs
        ]
        names = ("labels", "predicted", "confidence", "probability")
        flat = {
            name: np.concatenate([arrays[name][mask] for mask, arrays in batches])
            for name in names
        }
        return sections.language_model_sections(self.pipeline, self.example(), flat)

    def example(self) -> str:
        """Return the first words of the test text."""
        vocabulary, ids = self.pipeline.text.vocabulary, self.ids["test"]
        text = self.pipeline.text.join(vocabulary.decode(ids[:200]["id"]))
        return " ".join(text.split()[:3]) + " "

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of the data, for the user."""
        sizes: dict[str, Any] = {
            split: f"{len(ids):,} {self.config.units}"
            for split, ids in self.ids.items()
        }
        sizes["vocabulary"] = len(self.pipeline.text.vocabulary)
        sizes["batches"] = (
            f"{self.num_batches('train')} windows of {self.window}, "
            f"{self.config.batch_size} streams"
        )
        return sizes


def _second_score(units: str) -> str:
    """Return the name of the score after nats: perplexity if tokens are words."""
    return "bits_per_char" if units == "chars" else "perplexity"


def _read(
    model: Any, batch: base.Batch, carry: State, key: Key | None
) -> tuple[State, Array, Array]:
    """Return the state, all log-probabilities, and those of the next characters."""
    mask = jnp.asarray(batch["mask"])
    carry, logits = model(batch["ids"], mask, carry, key=key)
    scores = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(scores, batch["labels"][..., None], axis=-1)[..., 0]
    return carry, scores, jnp.where(mask, picked, 0.0)


def python_manual() -> Path:
    """Write the language reference of Python to a file, and return its path.

    Every Python installation has this text, as `pydoc_data.topics`.
    """
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))
    return sample_text.write_sample("python-manual.txt", text)
