"""What part-of-speech tagging and named-entity recognition share."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from tasks import base
from tasks.labelled import LabelledTask
from tasks.rows import first, iterate
from tasks.run import sections
from tasks.run.html import Section
from zoo import regularizers
from zoo.pipelines import TaggerPipeline
from zoo.text import UNK, Words


@dataclass(frozen=True)
class Config(base.Config):
    """Flags of both."""

    hidden_size: int = 200
    """Units of each layer and direction."""
    num_layers: int = 2
    """Recurrent layers."""
    chars: Literal["cnn", "lstm", "none"] = "cnn"
    """How the characters of a word are read."""
    char_dim: int = 30
    """Size of a character's vector."""
    char_size: int = 100
    """Size of the vector of a word from its characters."""
    shape_dim: int = 10
    """Size of the vector of a word's shape (Capitalised, number, ...); 0 = none."""
    embedding_dim: int = 100
    """Size of a word's vector."""
    crf: bool = False
    """Score whole sequences of tags by a conditional random field."""
    lowercase: bool = True
    """Look words up in lower case; characters and shapes see them as they are."""
    digits: bool = True
    """Look words up with every digit as 0."""
    min_count: int = 1
    """How often a word must occur in train to have a vector of its own."""
    word_dropout: float = 0.25
    """A word seen n times becomes unknown at the rate a / (a + n)."""


class Tagging(LabelledTask):
    """Words, characters and shapes, recurrent layers, softmax or CRF."""

    bio = False

    def make_pipeline(self) -> TaggerPipeline:
        """Return the untrained model with the vocabularies of the training data."""
        config = self.config
        self.labels = self.read_labels()
        words = Words.build(
            first(self.splits["train"], "tokens"),
            lowercase=config.lowercase,
            digits=config.digits,
            min_count=config.min_count,
        )
        vocabulary = words.words
        counts = np.maximum(np.array(vocabulary.counts, np.float32), 1)
        self.rates = config.word_dropout / (config.word_dropout + counts)
        self.rates[: vocabulary.tokens.index(UNK) + 1] = 0
        options = {
            "vocab_size": len(vocabulary),
            "num_labels": len(self.labels),
            "num_chars": len(words.chars),
            "chars": config.chars,
            "embedding_dim": config.embedding_dim,
            "char_dim": config.char_dim,
            "char_size": config.char_size,
            "shape_dim": config.shape_dim,
            "cell": config.cell,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            "dtype": config.dtype,
            "bidirectional": config.bidirectional,
            "dropout": config.dropout,
            "use_crf": config.crf,
            "bio_labels": self.labels.tokens if self.bio else None,
        }
        return TaggerPipeline(options, words, self.labels, seed=config.seed)

    def row_labels(self, row: dict[str, Any]) -> list[str]:
        """Return the tags of a sentence."""
        return row["tags"]

    def length(self, row: dict[str, Any]) -> int:
        """Return the number of words of a sentence."""
        return len(row["tokens"])

    def encode(self, row: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the arrays of a sentence."""
        tags = self.labels.encode(row["tags"])
        return {**self.pipeline.encode(row["tokens"]), "labels": tags}

    def loss(self, model, batch, carry, *, key=None, progress=0.0):
        """Return the sum of the negative log-likelihoods, the number of words, ()."""
        of_words, of_model = regularizers.split(key, 2)
        words = jnp.asarray(batch["words"])
        unknown = self.pipeline.words.words.unknown
        assert unknown is not None
        words = regularizers.word_dropout(
            of_words, words, jnp.asarray(self.rates)[words], unknown
        )
        mask = jnp.asarray(batch["mask"])
        logits = model(words, mask, batch["chars"], batch["shapes"], key=of_model)
        likelihood = model.log_likelihood(logits, batch["labels"], mask)
        return (-likelihood.sum(), mask.sum()), carry

    def predict(self, model, batch, carry):
        """Return the best tags, the probability of each, and the loss of the true."""
        mask = jnp.asarray(batch["mask"])
        logits = model(batch["words"], mask, batch["chars"], batch["shapes"])
        labels, sure = model.decode(logits, mask)
        total = -model.log_likelihood(logits, batch["labels"], mask).sum()
        found = {"predicted": labels, "probability": sure}
        return {**found, "loss": total, "count": mask.sum()}, carry

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return the errors of which the model was surest.

        Args:
            pairs: of the test split.
        """
        tokens = self.splits["test"].select_columns(["tokens"])
        return sections.tagging(
            lambda row: tokens[row]["tokens"],
            self.labels.tokens,
            self.found("test", pairs),
        )

    def frequent(self) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
        """Tag the test split by counting.

        Returns:
            The true tags; the most frequent tag of all for each word; and the most
            frequent tag of the word in train (of all words, if it is new).
        """
        of_word: dict[str, Counter[str]] = defaultdict(Counter)
        overall: Counter[str] = Counter()
        for row in iterate(self.splits["train"]):
            for token, tag in zip(row["tokens"], row["tags"], strict=True):
                of_word[token][tag] += 1
                overall[tag] += 1
        ((most, _),) = overall.most_common(1)
        best = {word: tags.most_common(1)[0][0] for word, tags in of_word.items()}
        sentences = list(first(self.splits["test"], "tokens"))
        true = list(first(self.splits["test"], "tags"))
        majority = [[most] * len(s) for s in sentences]
        return true, majority, [[best.get(t, most) for t in s] for s in sentences]


def by_row(pairs: base.Pairs):
    """Yield the true and the predicted numbers of each real row.

    Args:
        pairs: of batches and what `Tagging.predict` found.
    """
    for batch, found in pairs:
        for true, predicted, real in zip(
            batch["labels"], found["predicted"], batch["mask"], strict=True
        ):
            if real.any():
                yield true[real], predicted[real]
