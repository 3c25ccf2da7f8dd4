"""A trained tagger: sentences in, a tag for each word out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo.models import Tagger
from zoo.pipelines.base import Pipeline, several
from zoo.text import Vocabulary, Words, tokenize


@dataclass(frozen=True)
class Entity:
    """A name in a sentence.

    Attributes:
        label: its type.
        start: number of its first token.
        stop: number of the token after its last.
        text: its tokens, joined by spaces.
    """

    label: str
    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class Tagging:
    """The tags of a sentence.

    Attributes:
        tokens: its words.
        tags: the tag of each.
        probabilities: of each tag at its word.
        entities: the names in it, if the tags are BIO2; else empty.
    """

    tokens: list[str]
    tags: list[str]
    probabilities: list[float]
    entities: list[Entity]


class TaggerPipeline(Pipeline):
    """Sentences in, a tag for each word out."""

    kind = "tagger"
    model_class = Tagger

    def __init__(
        self,
        options: dict[str, Any],
        words: Words,
        labels: Vocabulary,
        *,
        seed: int = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Tagger`.
            words: encodes a sentence.
            labels: the tags.
            seed: of the model's initialisation.
        """
        super().__init__(options, seed=seed)
        self.words = words
        self.labels = labels

    def encode(self, tokens: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the inputs of one sentence.

        Args:
            tokens: its words.
        """
        return self.words.encode(tokens)

    def predict(
        self,
        sentences: Sequence[str] | Sequence[Sequence[str]],
        *,
        batch_size: int = 32,
    ) -> list[Tagging]:
        """Tag sentences.

        Args:
            sentences: raw texts, split by `zoo.text.tokenize`; or lists of words.
            batch_size: sentences tagged at once.

        Returns:
            What was found for each sentence, in their order.

        Raises:
            TypeError: if `sentences` is one text and not a list of them.
        """
        split = [
            tokenize(s) if isinstance(s, str) else list(s)
            for s in several(sentences, "sentences")
        ]
        found: list[Any] = [None] * len(split)
        for k, (labels, p) in self._run([self.encode(s) for s in split], batch_size):
            tokens = split[k]
            tags = self.labels.decode(labels[: len(tokens)])
            probabilities = [float(value) for value in p[: len(tokens)]]
            names = entities(tags) if self.options.get("bio_labels") else []
            found[k] = Tagging(
                tokens,
                tags,
                probabilities,
                [Entity(n, i, j, " ".join(tokens[i:j])) for n, i, j in names],
            )
        return found

    def _infer(self, model, batch):
        mask = jnp.asarray(batch["mask"])
        logits = model(batch["words"], mask, batch["chars"], batch["shapes"])
        return model.decode(logits, mask)

    def to_json(self) -> dict[str, Any]:
        """Return all but the parameters as plain lists and values."""
        return {
            "options": self.options,
            "words": self.words.to_json(),
            "labels": self.labels.to_json(),
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "TaggerPipeline":
        """Return the pipeline that `to_json` told of, with a new model's parameters.

        Args:
            saved: what `to_json` gave.
        """
        words, labels = Words.from_json(saved["words"]), Vocabulary(**saved["labels"])
        return cls(saved["options"], words, labels)


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the spans of BIO2 tags: type, first token, token after the last.

    Args:
        tags: of one sentence; an ``I-X`` that follows neither ``B-X`` nor ``I-X``
            begins a span, as conlleval has it.
    """
    spans: list[tuple[str, int, int]] = []
    before = "O"
    for k, tag in enumerate(tags):
        kind = tag[2:]
        if tag.startswith("I-") and before[2:] == kind and before != "O":
            spans[-1] = (kind, spans[-1][1], k + 1)
        elif tag != "O":
            spans.append((kind, k, k + 1))
        before = tag
    return spans
