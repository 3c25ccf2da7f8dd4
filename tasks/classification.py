"""Text classification: one label for a whole text."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from tasks import base, metrics
from tasks.labelled import LabelledTask
from tasks.rows import first
from tasks.run import sections
from tasks.run.html import Section
from zoo import regularizers
from zoo.models.decoding import likeliest
from zoo.pipelines import ClassifierPipeline
from zoo.text import Text


@dataclass(frozen=True)
class Config(base.Config):
    """Text classification: a label for each text."""

    pooling: Literal["last", "first_last", "mean", "max", "attention", "concat"] = "max"
    """From the states of all tokens to one vector; concat needs --max-length."""
    embedding_dim: int = 100
    """Size of a token's vector."""
    units: Literal["words", "chars"] = "words"
    """What a text is split into."""
    lowercase: bool = True
    """Read texts in lower case."""
    min_count: int = 1
    """How often a token must occur in train to have a vector of its own."""
    word_dropout: float = 0.1
    """Rate at which tokens become the unknown one in training."""


class Classification(LabelledTask):
    """Embedding, recurrent layers, pooling, softmax."""

    name = "classification"
    Config = Config
    kind = "labelled"
    monitor = ("accuracy", "max")

    def make_pipeline(self) -> ClassifierPipeline:
        """Return the untrained model with the vocabularies of the training data."""
        config = self.config
        self.labels = self.read_labels()
        if config.pooling == "concat" and config.max_length is None:
            raise ValueError("--pooling concat needs --max-length, the length it fixes")
        text = Text.build(
            first(self.splits["train"], "text"),
            config.units,
            lowercase=config.lowercase,
            min_count=config.min_count,
        )
        options = {
            "vocab_size": len(text.vocabulary),
            "num_labels": len(self.labels),
            "embedding_dim": config.embedding_dim,
            "cell": config.cell,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            "dtype": config.dtype,
            "bidirectional": config.bidirectional,
            "pooling": config.pooling,
            "length": config.max_length if config.pooling == "concat" else None,
            "dropout": config.dropout,
        }
        return ClassifierPipeline(options, text, self.labels, seed=config.seed)

    def fixed_length(self) -> int | None:
        """Return the T of all batches, where the pooling needs one."""
        return self.pipeline.options["length"]

    def row_labels(self, row: dict[str, Any]) -> list[str]:
        """Return the label of a row, in a list."""
        return [row["label"]]

    def length(self, row: dict[str, Any]) -> int:
        """Return the number of tokens of a text."""
        return len(self.pipeline.text.split(row["text"]))

    def encode(self, row: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the arrays of a row."""
        label = self.labels.encode([row["label"]])[0]
        return {**self.pipeline.encode(row["text"]), "label": np.asarray(label)}

    def loss(self, model, batch, carry, *, key=None, progress=0.0):
        """Return the sum of the cross-entropies, the number of rows, and no carry."""
        of_words, of_model = regularizers.split(key, 2)
        unknown = self.pipeline.text.vocabulary.unknown
        assert unknown is not None
        words = regularizers.word_dropout(
            of_words, jnp.asarray(batch["words"]), self.config.word_dropout, unknown
        )
        logits = model(words, batch["mask"], key=of_model)
        return _cross_entropy(logits, batch), carry

    def predict(self, model, batch, carry):
        """Return the best label of each row, the probability of all, and the loss."""
        logits = model(batch["words"], batch["mask"])
        total, count = _cross_entropy(logits, batch)
        found = {"predicted": likeliest(logits), "loss": total, "count": count}
        return {**found, "probabilities": jax.nn.softmax(logits)}, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score labels: accuracy, and a table of the classes."""
        true, predicted = [], []
        for batch, found in pairs:
            real = batch["mask"].any(axis=1)
            true += batch["label"][real].tolist()
            predicted += found["predicted"][real].tolist()
        return metrics.classes(true, predicted, self.labels.tokens)

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return the errors of which the model was surest, and what counted for it.

        Args:
            pairs: of the test split.
        """
        texts = self.splits["test"].select_columns(["text"])
        return sections.classification(
            self.pipeline, lambda row: texts[row]["text"], self.found("test", pairs)
        )

    def baselines(self) -> dict[str, base.Scores]:
        """Return the score of always giving the most frequent label."""
        ((most, _),) = Counter(first(self.splits["train"], "label")).most_common(1)
        true = self.labels.encode(first(self.splits["test"], "label"))
        guess = np.full(len(true), self.labels.encode([most])[0])
        return {"majority": metrics.classes(true, guess, self.labels.tokens)}


def _cross_entropy(logits, batch):
    real = jnp.asarray(batch["mask"]).any(axis=1)
    scores = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(scores, batch["label"][:, None], axis=1)[:, 0]
    return -jnp.where(real, picked, 0.0).sum(), real.sum()
