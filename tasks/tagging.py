"""Sequence tagging: the base of part-of-speech tagging and named-entity recognition."""

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpy as np

from zoo import regularizers
from zoo.pipelines import TaggerPipeline
from zoo.tasks import base, lazy_embedding, transfer
from zoo.tasks.context import ContextColumns, ContextModels, context_of
from zoo.tasks.data import Kind
from zoo.tasks.data.blocks import column
from zoo.tasks.data.id_columns import IdColumn, id_columns
from zoo.tasks.labels import (
    absent_labels,
    label_ids,
    label_vocabulary,
    with_unseen_labels,
)
from zoo.tasks.rows import Encoded, RowSplits, RowTask, limit_notes
from zoo.tasks.run import sections
from zoo.tasks.run.html import Section
from zoo.tasks.word_vectors import WordVectors
from zoo.text import CURRENT_TOKENIZERS, UNK, Vocabulary, Words
from zoo.text.numbering import UnitNumbering
from zoo.types import Array, Key, State

if TYPE_CHECKING:
    from datasets import Dataset

Columns = tuple[dict[str, IdColumn], dict[str, IdColumn]]
"""The numbers of the tokens and of the tags, by split."""


class Tagging(RowTask):
    """Embeddings of words, characters and shapes; recurrent layers; softmax or CRF.

    Attributes:
        labels: the tags of the model, then those that only dev or test has.
        splits: the sentences, batched by length.
        score_names: of `score`.
    """

    kind: ClassVar[Kind]
    bio: ClassVar[bool] = False
    score_names: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        config: Any,
        trained: TaggerPipeline | None = None,
        split: str | None = None,
    ) -> None:
        """Read the data, and build the vocabularies and the model.

        Args:
            config: the flags.
            trained: a trained pipeline to score, instead of a new one.
            split: the only split to read, to score it.

        Raises:
            zoo.tasks.data.DataError: if the data cannot be read, or with
                ``--strict-labels`` dev or test has a tag that train lacks.
        """
        super().__init__(config)
        if config.lazy_embedding:
            lazy_embedding.check(config)
        self.choose_monitor(*self.score_names)
        rows = self.read_rows(self.kind, split)
        tokens, tags = columns = _columns(rows)
        counts = {name: column.counts() for name, column in tags.items()}
        self.pipeline = trained or transfer.start(
            self, self._build_pipeline(tokens["train"].counts(), counts["train"])
        )
        # Tags that only dev or test has come after those of the model.
        self.labels, notes = with_unseen_labels(
            self.pipeline.labels, counts, strict=config.strict_labels
        )
        self.notes += notes
        present = {name: self.classes(labels) for name, labels in counts.items()}
        classes = sorted(self.classes(self.pipeline.labels.tokens))
        self.notes += absent_labels(present, classes)
        # Unknown words stay unknown: reserved tokens have rate 0.
        vocabulary = self.pipeline.words.words
        counts = np.maximum(np.array(vocabulary.counts, np.float32), 1)
        self.rates = config.word_dropout / (config.word_dropout + counts)
        self.rates[: vocabulary.tokens.index(UNK) + 1] = 0
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
        tokens, tags = columns or _columns(rows, cached=False)
        self._tokens = Encoded(tokens, self.pipeline.encode)
        self._tags = Encoded(
            tags, lambda names: {"labels": label_ids(self.labels, names)}
        )
        lengths = {name: column.lengths for name, column in tokens.items()}
        self.splits = RowSplits(rows, lengths, self.config, sizes=sizes)
        self._context = self._context.encode(
            tokens, self.splits.buckets, cached=columns is not None
        )

    def _build_pipeline(
        self, token_counts: Mapping[str, int], tag_counts: Mapping[str, int]
    ) -> TaggerPipeline:
        """Return an untrained model with the vocabularies of the training data."""
        config = self.config
        labels = label_vocabulary(tag_counts, self.all_labels)
        limits = {"min_count": config.min_count, "max_size": config.vocab_size}
        rules = {"lowercase": config.lowercase, "digits": config.digits}
        words = Words(Vocabulary([]), Vocabulary([]), **rules)
        counts = words.normalized(token_counts)
        vectors = WordVectors.of_words(config, words, counts)
        models = ContextModels(config)
        more = vectors.more(**limits)
        words = Words.from_counts(token_counts, more=more, **rules, **limits)
        self.notes += limit_notes(counts, "words", more=more, **limits)
        options = {
            "vocab_size": len(words.words),
            "num_labels": len(labels),
            "num_chars": len(words.chars),
            "chars": config.chars,
            **vectors.sizes(),
            "char_dim": config.char_dim,
            "char_size": config.char_size,
            "shape_dim": config.shape_dim,
            "cell": config.cell,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            **config.layer_options(),
            "bidirectional": config.bidirectional,
            "dropout": config.dropout,
            "use_crf": config.crf,
            "bio_labels": labels.tokens if self.bio else None,
            **models.options(),
        }
        tokenizer = CURRENT_TOKENIZERS[config.tokens]
        pipeline = TaggerPipeline(
            options,
            words,
            labels,
            tokenizer=tokenizer,
            context=models.encoders(),
            seed=config.seed,
        )
        vectors.install(self, pipeline, words.words)
        models.install(self, pipeline, token_counts)
        return pipeline

    def all_labels(self, labels: set[str]) -> set[str]:
        """Return the labels of train and those that they imply.

        Args:
            labels: those of train.
        """
        return labels

    def classes(self, tags: Iterable[str]) -> set[str]:
        """Return the classes that the table of scores has for tags.

        Args:
            tags: any tags.
        """
        return {tag[2:] for tag in tags} - {""} if self.bio else set(tags)

    @abstractmethod
    def score(
        self, true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
    ) -> base.Scores:
        """Score the tags of sentences.

        Args:
            true: the tags of each sentence.
            predicted: the predicted tags.
        """

    def batch(
        self, split: str, length: int, batch_size: int, numbers: np.ndarray
    ) -> base.Batch:
        """Return some rows as padded arrays, see `RowTask`."""
        tags = self._tags.batch(split, numbers, length, batch_size)
        tokens = self._tokens.batch(split, numbers, length, batch_size)
        context = self._context.batch(split, numbers, length, batch_size)
        return tags | tokens | context

    def embedding_ids(self, batch: base.Batch) -> Array | None:
        """Return the words of a batch, padding and the unknown word, if lazy."""
        if not self.config.lazy_embedding:
            return None
        unknown = self.pipeline.words.words.unknown
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
        """Return the sum of negative log-likelihoods, the number of words, and ()."""
        word_key, model_key = regularizers.split(key, 2)
        words = jnp.asarray(batch["words"])
        unknown = self.pipeline.words.words.unknown
        assert unknown is not None
        words = regularizers.word_dropout(
            word_key, words, jnp.asarray(self.rates)[words], unknown
        )
        mask = jnp.asarray(batch["mask"])
        logits = _logits(model, batch, words, key=model_key)
        likelihood = model.log_likelihood(logits, batch["labels"], mask)
        return (-likelihood.sum(), mask.sum()), carry

    def predict(
        self, model: Any, batch: base.Batch, carry: State
    ) -> tuple[dict[str, Array], State]:
        """Return the best tags, their probabilities, and the loss of the true tags.

        The loss is over the sentences whose tags the model has.
        """
        mask = jnp.asarray(batch["mask"])
        logits = _logits(model, batch, batch["words"])
        labels, probability = model.decode(logits, mask)
        # A tag that the model lacks has no finite loss.
        true = jnp.asarray(batch["labels"])
        known = true < logits.shape[-1]
        scored = mask & known.all(axis=1, keepdims=True)
        likelihood = model.log_likelihood(logits, jnp.where(known, true, 0), scored)
        arrays = {
            "predicted": labels,
            "probability": probability,
            "loss": -likelihood.sum(),
            "count": scored.sum(),
        }
        return arrays, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score the predicted tags of all sentences."""
        true, predicted = [], []
        for batch, arrays in pairs:
            columns = batch["labels"], arrays["predicted"], batch["mask"]
            for labels, guesses, mask in zip(*columns, strict=True):
                if mask.any():
                    true.append(self.labels.decode(labels[mask]))
                    predicted.append(self.labels.decode(guesses[mask]))
        return self.score(true, predicted)

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return the most confident errors.

        Args:
            pairs: of the test split.
        """
        tokens = self.splits.rows["test"].select_columns(["tokens"])
        return sections.tagging_sections(
            lambda row: tokens[row]["tokens"],
            self.labels.tokens,
            self.splits.predictions("test", pairs),
        )

    def baselines(self) -> dict[str, base.Scores]:
        """Return the test scores of always predicting the most frequent tag.

        That of the whole of train, and that of each word in train; a word that train
        lacks gets the former.
        """
        by_word: dict[str, Counter[str]] = defaultdict(Counter)
        overall: Counter[str] = Counter()
        train = self.splits.rows["train"]
        for tokens, tags in zip(
            column(train, "tokens"), column(train, "tags"), strict=True
        ):
            for token, tag in zip(tokens, tags, strict=True):
                by_word[token][tag] += 1
                overall[tag] += 1
        ((most, _),) = overall.most_common(1)
        best = {word: tags.most_common(1)[0][0] for word, tags in by_word.items()}
        test = self.splits.rows["test"]
        sentences, true = list(column(test, "tokens")), list(column(test, "tags"))
        guesses = {
            "majority": [[most] * len(words) for words in sentences],
            "most frequent tag of the word": [
                [best.get(word, most) for word in words] for words in sentences
            ],
        }
        return {name: self.score(true, tags) for name, tags in guesses.items()}

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of the data, for the user."""
        return {**self.splits.sizes(), "labels": len(self.pipeline.labels)}


def _logits(
    model: Any, batch: base.Batch, words: Any, *, key: Key | None = None
) -> Array:
    """Return the logits of a batch, with other words if some are dropped."""
    mask, context = jnp.asarray(batch["mask"]), context_of(model, batch)
    return model(words, mask, batch["chars"], batch["shapes"], context, key=key)


def _columns(rows: dict[str, "Dataset"], *, cached: bool = True) -> Columns:
    """Return the numbers of the tokens, and of the tags."""
    tokens, tags = (
        id_columns(rows, name, lambda: UnitNumbering(_all), "items", cached=cached)
        for name in ("tokens", "tags")
    )
    return tokens, tags


def _all(items: list[str]) -> list[str]:
    return items
