"""The pipeline of a sequence tagger."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo import checks
from zoo.models import Tagger
from zoo.pipelines.base import check_size, several, strings
from zoo.pipelines.context import ContextPipeline, encoders_from_json
from zoo.text import CURRENT_TOKENIZERS, SentenceChars, Vocabulary, Words
from zoo.text.tokenizer import FIRST_TOKENIZER, tokenizer_of

INPUTS = ("words", "mask", "chars", "shapes", "context")  # of a call of the model


@dataclass(frozen=True)
class Entity:
    """A named entity in a sentence.

    Attributes:
        label: its type.
        start: index of its first token.
        stop: index after its last token.
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
        tokens: the words.
        tags: a tag for each word.
        probabilities: of each tag.
        entities: the named entities, if the tags are BIO2; else empty.
    """

    tokens: list[str]
    tags: list[str]
    probabilities: list[float]
    entities: list[Entity]


class TaggerPipeline(ContextPipeline):
    """A sequence tagger: sentences in, a tag for each word out."""

    kind = "tagger"
    model_class = Tagger
    reads_chunks = True

    def __init__(
        self,
        options: dict[str, Any],
        words: Words,
        labels: Vocabulary,
        *,
        tokenizer: str = CURRENT_TOKENIZERS["words"],
        context: Sequence[SentenceChars] = (),
        seed: int | None = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Tagger`.
            words: encodes a sentence.
            labels: the tags.
            tokenizer: splits raw texts, as for `zoo.text.tokenize`.
            context: encoders for the character language models of the model.
            seed: as for `Pipeline`.

        Raises:
            TypeError: if an option is unknown or has another type.
            ValueError: if an option is out of its range, or does not match the
                vocabularies or the labels, or `tokenizer` is unknown.
        """
        check_size(options, "vocab_size", len(words.words), "words")
        check_size(options, "num_labels", len(labels), "labels")
        if options.get("chars") != "none":
            check_size(options, "num_chars", len(words.chars), "characters")
        if options.get("bio_labels") not in (None, labels.tokens):
            raise ValueError(
                f"bio_labels must be the labels {labels.tokens} or None, got "
                f"{options['bio_labels']!r}"
            )
        super().__init__(options, context, seed=seed)
        self.words = words
        self.labels = labels
        self.tokenizer = tokenizer
        self._tokenize = tokenizer_of(tokenizer)

    def encode(self, tokens: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the inputs of one sentence.

        Args:
            tokens: the words.
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
            sentences: raw texts, split by the tokenizer; or lists of words.
            batch_size: sentences per batch.

        Returns:
            One result per sentence, in the order of `sentences`.

        Raises:
            TypeError: if `sentences` is a single string, or one of them is neither a
                string nor a list of strings.
            ValueError: if `batch_size` is not positive.
        """
        split = [
            self._tokenize(s) if isinstance(s, str) else strings(s, f"sentences[{k}]")
            for k, s in enumerate(several(sentences, "sentences"))
        ]
        results: list[Any] = [None] * len(split)
        rows = self.with_context([self.encode(s) for s in split], split, batch_size)
        for k, (labels, p) in self._run(rows, batch_size):
            tokens = split[k]
            tags = self.labels.decode(labels[: len(tokens)])
            probabilities = [float(value) for value in p[: len(tokens)]]
            spans = entities(tags) if self.options.get("bio_labels") else []
            results[k] = Tagging(
                tokens,
                tags,
                probabilities,
                [Entity(n, i, j, " ".join(tokens[i:j])) for n, i, j in spans],
            )
        return results

    def _example(self) -> dict[str, np.ndarray]:
        (row,) = self.with_context([self.encode([])], [[]], 1)
        return row

    def _infer(self, model: Any, batch: dict[str, Any]) -> Any:
        mask = jnp.asarray(batch["mask"])
        return model.decode(model(*map(batch.get, INPUTS)), mask)

    def _read(self, model: Any, batch: dict[str, Any], state: Any) -> Any:
        return model.chunk(*map(batch.get, INPUTS), state)

    def _answer(self, model: Any, parts: Any, mask: Any) -> Any:
        B, C, T, K = parts.shape
        return model.decode(parts.reshape(B, C * T, K), mask.reshape(B, C * T))

    def to_json(self) -> dict[str, Any]:
        """Return the pipeline without its parameters as JSON values."""
        return {
            "options": self.options,
            "words": self.words.to_json(),
            "labels": self.labels.to_json(),
            "tokenizer": self.tokenizer,
            **self.context_to_json(),
        }

    @classmethod
    def from_json(cls, saved: Any) -> "TaggerPipeline":
        """Return the pipeline that `to_json` described, without its parameters.

        Args:
            saved: the result of `to_json`.
        """
        types = {"options": dict, "words": dict, "labels": dict}
        checks.fields("pipeline", saved, types, {"tokenizer": str, "context": list})
        words = Words.from_json(saved["words"])
        labels = Vocabulary.from_json(saved["labels"], "labels")
        tokenizer = saved.get("tokenizer", FIRST_TOKENIZER)
        return cls(
            saved["options"],
            words,
            labels,
            tokenizer=tokenizer,
            context=encoders_from_json(saved),
            seed=None,
        )


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the spans of BIO2 tags: type, first token, token after the last.

    Args:
        tags: of one sentence. An ``I-X`` that follows neither ``B-X`` nor ``I-X``
            starts a span, as in conlleval.
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
