"""Character-level language model: what comes next in a text."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zoo.models.decoding import argmax
from zoo.pipelines import LanguageModelPipeline
from zoo.tasks import base, data, transfer
from zoo.tasks.configs.charlm import Config
from zoo.tasks.data import sample_text
from zoo.tasks.data.batching import Streams
from zoo.tasks.data.id_columns import IdColumn, id_columns
from zoo.tasks.layout import WHOLE, RowShard
from zoo.tasks.losses import log_likelihood, negative_sum
from zoo.tasks.rows import limit_notes, read, tokenizer_of
from zoo.tasks.run import sections
from zoo.tasks.run.html import Section
from zoo.tasks.word_vectors import WordVectors
from zoo.text import Text, Vocabulary
from zoo.types import Array, Key, State

TEST_WINDOW = 1000  # steps of a window of test, which needs no memory for gradients


class CharacterModel(base.Task):
    """Next-character prediction with truncated backpropagation through time.

    The state is carried from window to window and saved in checkpoints. The splits are
    cut into ``--batch-size`` parallel streams, each with a fresh initial state; with
    ``--one-stream``, test is one stream, from its first character to its last.

    With ``--backward``, each split is read from its last character to its first.
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
        text = trained.text if trained else self._text_encoder()
        columns = id_columns(splits, "text", text.numbering, text.rules())
        self.pipeline = trained or transfer.start(
            self, self._build_pipeline(text, columns)
        )
        # Memory-mapped: the number of the unit at each position of a text, in the order
        # of reading, and the ID that the vocabulary has for each number. A label that
        # is no output of the model is the unknown token.
        order = slice(None, None, -1 if self.pipeline.backward else 1)
        self._numbers = {
            name: column.of_all()[order] for name, column in columns.items()
        }
        self._id_of = {
            name: text.vocabulary.encode(column.units)
            for name, column in columns.items()
        }
        self._label_of = dict(self._id_of)
        num_outputs = self.pipeline.options.get("num_outputs")
        if num_outputs is not None:
            unknown = text.vocabulary.unknown
            assert unknown is not None
            for name, ids in self._id_of.items():
                self._label_of[name] = np.where(ids < num_outputs, ids, unknown)
        self.streams = {}
        for name, numbers in self._numbers.items():
            if len(numbers) < 2:
                raise data.DataError(
                    f"{name} must have two {text.units} or more, got {len(numbers)}"
                )
            rows, window = config.batch_size, self.window
            if name == "test" and config.one_stream:
                rows, window = 1, TEST_WINDOW
            self.streams[name] = Streams(len(numbers), rows, window)

    def _text_encoder(self) -> Text:
        """Return the encoder of a new model, still without a vocabulary."""
        units = self.config.units
        tokenizer = tokenizer_of(units, self.config.tokens)
        return Text(Vocabulary([]), units, tokenizer=tokenizer)

    def _build_pipeline(
        self, text: Text, columns: dict[str, IdColumn]
    ) -> LanguageModelPipeline:
        """Return an untrained model with the characters of the training text."""
        config, counts = self.config, columns["train"].counts()
        max_size = None if config.units == "chars" else config.vocab_size
        limits = {"min_count": config.min_count, "max_size": max_size}
        vectors = WordVectors.of_text(config, text, counts)
        more = vectors.more(**limits)
        text.vocabulary = Vocabulary.from_counts(counts, more=more, **limits)
        self.notes += limit_notes(counts, config.units, **limits)
        options = {
            "vocab_size": len(text.vocabulary),
            **vectors.sizes(),
            "cell": config.cell,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            **config.layer_options(),
            "dropout": config.dropout,
            "tied": config.tied,
        }
        if more:  # which the model reads, but does not learn to predict
            options["num_outputs"] = len(text.vocabulary) - len(more)
        pipeline = LanguageModelPipeline(
            options, text, backward=config.backward, seed=config.seed
        )
        vectors.install(self, pipeline, text.vocabulary)
        return pipeline

    def num_batches(self, split: str) -> int:
        """Return how many windows a split has."""
        return len(self.streams[split])

    def batches(
        self, split: str, seed: int | None, shard: RowShard = WHOLE
    ) -> Iterator[base.Batch]:
        """Yield the windows of a split in the order of reading.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: unused: a text has one order.
            shard: the streams to return.
        """
        numbers = self._numbers[split]
        id_of, label_of = self._id_of[split], self._label_of[split]
        streams = self.streams[split]
        steps = np.arange(streams.window + 1)
        first, last = shard.rows(streams.batch_size)
        for windows in streams.epoch():
            rows = windows[first:last]
            rows += [(0, 0)] * (last - first - len(rows))
            start, stop = np.array(rows).T[..., None]
            positions = start + steps
            mask = positions[:, :-1] < stop
            window = numbers[np.minimum(positions, len(numbers) - 1)]
            yield {
                "ids": np.where(mask, id_of[window[:, :-1]], 0),
                "labels": np.where(mask, label_of[window[:, 1:]], 0),
                "mask": mask,
            }

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
        carry, gain = model.reduce_logits(
            log_likelihood,
            (batch["labels"],),
            batch["ids"],
            batch["mask"],
            carry,
            key=key,
        )
        return negative_sum(gain, batch["mask"]), carry

    def predict(
        self, model: Any, batch: base.Batch, carry: State
    ) -> tuple[dict[str, Array], State]:
        """Return the predicted characters, probabilities, the loss, and the state."""
        carry, arrays = model.reduce_logits(
            _predict, (batch["labels"],), batch["ids"], batch["mask"], carry
        )
        gain = arrays.pop("gain")
        total, count = negative_sum(gain, batch["mask"])
        probability = jnp.exp(jnp.where(batch["mask"], gain, 0.0))
        arrays |= {"probability": probability, "loss": total, "count": count}
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
        windows = [{**batch, **arrays} for batch, arrays in pairs]
        names = ("mask", "labels", "predicted", "confidence", "probability")
        # [B, N]: the streams, each of which is a part of the text.
        streams = {
            name: np.concatenate([w[name] for w in windows], 1) for name in names
        }
        mask = streams.pop("mask")
        flat = {name: values[mask] for name, values in streams.items()}
        return sections.language_model_sections(self.pipeline, self.example(), flat)

    def example(self) -> str:
        """Return the first words of the test text, of a backward model the last."""
        pipeline, ids = self.pipeline, self._id_of["test"][self._numbers["test"][:200]]
        encoder, ids = pipeline.text, ids[::-1] if pipeline.backward else ids
        words = encoder.join(encoder.vocabulary.decode(ids)).split()
        if pipeline.backward:
            return " " + " ".join(words[-3:])
        return " ".join(words[:3]) + " "

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of the data, for the user."""
        sizes: dict[str, Any] = {
            split: f"{len(numbers):,} {self.config.units}"
            for split, numbers in self._numbers.items()
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


def _predict(logits: Array, labels: Array) -> dict[str, Array]:
    """Return the predicted characters, and log-probabilities of the next ones."""
    scores = jax.nn.log_softmax(logits)
    return {
        "predicted": argmax(scores),
        "confidence": jnp.exp(scores.max(axis=-1)),
        "gain": log_likelihood(logits, labels),
    }


def python_manual() -> Path:
    """Write the language reference of Python to a file, and return its path.

    Every Python installation has this text, as `pydoc_data.topics`.
    """
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))
    return sample_text.write_sample("python-manual.txt", text)
