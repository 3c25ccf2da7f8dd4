"""Text classification: one label for a whole text."""

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from zoo import regularizers
from zoo.models.decoding import argmax
from zoo.pipelines import ClassifierPipeline
from zoo.tasks import base, baselines, lazy_embedding, metrics, transfer
from zoo.tasks.configs.classification import Config
from zoo.tasks.context import ContextColumns, ContextModels, context_of
from zoo.tasks.data import reviews
from zoo.tasks.data.blocks import column
from zoo.tasks.data.id_columns import IdColumn, id_columns
from zoo.tasks.labels import (
    Counts,
    absent_labels,
    label_ids,
    label_vocabulary,
    with_unseen_labels,
)
from zoo.tasks.losses import cross_entropy
from zoo.tasks.rows import Encoded, RowSplits, RowTask, limit_notes, tokenizer_of
from zoo.tasks.run import sections
from zoo.tasks.run.html import Section
from zoo.tasks.word_vectors import WordVectors
from zoo.text import Text, Vocabulary
from zoo.text.numbering import UnitNumbering
from zoo.types import Array, Key, State

if TYPE_CHECKING:
    from datasets import Dataset

Columns = tuple[dict[str, IdColumn], dict[str, IdColumn]]
"""The numbers of the labels and of the words of the texts, by split."""


class Classification(RowTask):
    """Embedding, recurrent layers, pooling, softmax.

    Attributes:
        labels: the labels of the model, then those that only dev or test has.
        splits: the texts, batched by length.
    """

    name = "classification"
    Config = Config
    monitor = ("accuracy", "max")

    def __init__(
        self,
        config: Config,
        trained: ClassifierPipeline | None = None,
        split: str | None = None,
    ) -> None:
        """Read the data, and build the vocabularies and the model.

        Args:
            config: the flags.
            trained: a trained pipeline to score, instead of a new one.
            split: the only split to read, to score it.

        Raises:
            zoo.tasks.data.DataError: if the data cannot be read, or with
                ``--strict-labels`` dev or test has a label that train lacks.
            ValueError: if ``--pooling concat`` has no ``--max-length``.
        """
        super().__init__(config)
        if config.lazy_embedding:
            lazy_embedding.check(config)
        self.choose_monitor("accuracy", "f1_macro")
        rows = self.read_rows("labelled", split, sample=reviews.folder)
        text = trained.text if trained else self._text_encoder()
        labels, texts = columns = _columns(rows, text)
        counts = {name: column.counts() for name, column in labels.items()}
        self.pipeline = trained or transfer.start(
            self, self._build_pipeline(text, texts, counts)
        )
        # Labels that only dev or test has come after those of the model.
        self.labels, notes = with_unseen_labels(
            self.pipeline.labels, counts, strict=config.strict_labels
        )
        self.notes += notes
        self.notes += absent_labels(counts, self.pipeline.labels.tokens)
        self._context = ContextColumns(
            self.pipeline,
            tuned=config.tune_features and trained is None,
            streamed=config.streaming,
        )
        self.encode(rows, columns)
        self.notes += self.splits.notes
        self.digests |= self.splits.digests()

    def encode(
        self,
        rows: dict[str, "Dataset"],
        columns: Columns | None = None,
        sizes: list[int] | None = None,
    ) -> None:
        """Encode rows, see `RowTask`."""
        text = self.pipeline.text
        labels, texts = columns or _columns(rows, text, cached=False)
        self._texts = Encoded(
            texts, lambda units: {"words": text.vocabulary.encode(units)}
        )
        self._labels = {
            name: label_ids(self.labels, column.units)[column.of_all()]
            for name, column in labels.items()
        }
        self.splits = RowSplits(
            rows,
            {name: column.lengths for name, column in texts.items()},
            self.config,
            fixed_length=self.pipeline.options["length"],
            sizes=sizes,
        )
        self._context = self._context.encode(
            texts, self.splits.buckets, cached=columns is not None
        )

    def _text_encoder(self) -> Text:
        """Return the encoder of a new model, still without a vocabulary."""
        config = self.config
        if config.pooling == "concat" and config.max_length is None:
            raise ValueError("--pooling concat needs --max-length, the length it fixes")
        tokenizer = tokenizer_of(config.units, config.tokens)
        return Text(
            Vocabulary([]),
            config.units,
            lowercase=config.lowercase,
            tokenizer=tokenizer,
        )

    def _build_pipeline(
        self, text: Text, texts: dict[str, IdColumn], labels_of: Counts
    ) -> ClassifierPipeline:
        """Return an untrained model with the vocabularies of the training data."""
        config = self.config
        labels = label_vocabulary(labels_of["train"])
        counts = texts["train"].counts()
        max_size = config.vocab_size if config.units == "words" else None
        vectors = WordVectors.of_text(config, text, counts)
        models = ContextModels(config)
        if config.features and config.units != "words":
            raise ValueError(
                f"--features needs --units words, got --units {config.units}"
            )
        limits = {"min_count": config.min_count, "max_size": max_size}
        more = vectors.more(**limits)
        text.vocabulary = Vocabulary.from_counts(counts, more=more, **limits)
        self.notes += limit_notes(counts, "words", more=more, **limits)
        options = {
            "vocab_size": len(text.vocabulary),
            "num_labels": len(labels),
            **vectors.sizes(),
            "cell": config.cell,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            **config.layer_options(),
            "bidirectional": config.bidirectional,
            "pooling": config.pooling,
            "length": config.max_length if config.pooling == "concat" else None,
            "dropout": config.dropout,
            **models.options(),
        }
        pipeline = ClassifierPipeline(
            options, text, labels, context=models.encoders(), seed=config.seed
        )
        vectors.install(self, pipeline, text.vocabulary)
        models.install(self, pipeline, counts)
        return pipeline

    def batch(
        self, split: str, length: int, batch_size: int, numbers: np.ndarray
    ) -> base.Batch:
        """Return some rows as padded arrays, see `RowTask`."""
        batch = self._texts.batch(split, numbers, length, batch_size)
        label = np.zeros(batch_size, np.int32)
        label[: len(numbers)] = self._labels[split][numbers]
        context = self._context.batch(split, numbers, length, batch_size)
        return {**batch, **context, "label": label}

    def embedding_ids(self, batch: base.Batch) -> Array | None:
        """Return the words of a batch, padding and the unknown word, if lazy."""
        if not self.config.lazy_embedding:
            return None
        unknown = self.pipeline.text.vocabulary.unknown
        assert unknown is not None
        words = jnp.asarray(batch["words"]).ravel()
        return jnp.concatenate([words, jnp.array([0, unknown], words.dtype)])

    def loss(
        self,
        model: Any,
        batch: base.Batch,
        carry: State,
        *,
        key: Key | None = None,
        progress: Array | float = 0.0,
    ) -> tuple[tuple[Array, Array], State]:
        """Return the sum of the cross-entropies, the number of texts, and ()."""
        word_key, model_key = regularizers.split(key, 2)
        unknown = self.pipeline.text.vocabulary.unknown
        assert unknown is not None
        words = regularizers.word_dropout(
            word_key, jnp.asarray(batch["words"]), self.config.word_dropout, unknown
        )
        context = context_of(model, batch)
        logits = model(words, batch["mask"], context, key=model_key)
        return cross_entropy(logits, batch["label"], _has_tokens(batch)), carry

    def predict(
        self, model: Any, batch: base.Batch, carry: State
    ) -> tuple[dict[str, Array], State]:
        """Return the best label of each text, all probabilities, and the loss.

        The loss is over the texts whose label the model has.
        """
        logits = model(batch["words"], batch["mask"], context_of(model, batch))
        # A label that the model lacks has no finite loss.
        known = jnp.asarray(batch["label"]) < logits.shape[-1]
        total, count = cross_entropy(
            logits, jnp.where(known, batch["label"], 0), _has_tokens(batch) & known
        )
        arrays = {
            "predicted": argmax(logits),
            "probabilities": jax.nn.softmax(logits),
            "loss": total,
            "count": count,
        }
        return arrays, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score labels: accuracy, and a table of the classes."""
        true, predicted = [], []
        for batch, arrays in pairs:
            real = batch["mask"].any(axis=1)
            true += batch["label"][real].tolist()
            predicted += arrays["predicted"][real].tolist()
        return metrics.classes(true, predicted, self.labels.tokens)

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return the most confident errors, and each token's contribution to them.

        Args:
            pairs: of the test split.
        """
        texts = self.splits.rows["test"].select_columns(["text"])
        return sections.classification_sections(
            self.pipeline,
            lambda row: texts[row]["text"],
            self.splits.predictions("test", pairs),
            self.labels.tokens,
        )

    def baselines(self) -> dict[str, base.Scores]:
        """Return the test scores of the most frequent label, and of a linear model.

        The linear model is a logistic regression of the TF-IDF of words and pairs of
        words, or of up to four characters.
        """
        train, test = self.splits.rows["train"], self.splits.rows["test"]
        train_labels = list(column(train, "label"))
        ((most, _),) = Counter(train_labels).most_common(1)
        linear = baselines.linear_classifier(
            column(train, "text"),
            train_labels,
            column(test, "text"),
            self.pipeline.text.split,
            4 if self.pipeline.text.units == "chars" else 2,
        )
        guesses = {"majority": [most] * len(test)}
        if linear is not None:
            guesses["TF-IDF + logistic regression"] = linear
        true = self.labels.encode(column(test, "label"))
        return {
            name: metrics.classes(true, self.labels.encode(row), self.labels.tokens)
            for name, row in guesses.items()
        }

    def example(self) -> str:
        """Return the shortest of the first texts of the test split."""
        first = itertools.islice(column(self.splits.rows["test"], "text"), 20)
        return min(first, key=len)

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of the data, for the user."""
        return {**self.splits.sizes(), "labels": len(self.pipeline.labels)}


def _columns(rows: dict[str, "Dataset"], text: Text, *, cached: bool = True) -> Columns:
    """Return the numbers of the labels, and of the words of the texts."""
    one = lambda: UnitNumbering(_one)  # noqa: E731
    labels = id_columns(rows, "label", one, "value", cached=cached)
    return labels, id_columns(rows, "text", text.numbering, text.rules(), cached=cached)


def _one(label: str) -> tuple[str]:
    return (label,)


def _has_tokens(batch: base.Batch) -> Array:
    """Return which rows are texts, and not padding of the batch: bool ``[B]``."""
    return jnp.asarray(batch["mask"]).any(axis=1)
