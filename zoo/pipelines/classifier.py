"""The pipeline of a text classifier."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from zoo import checks
from zoo.models import Classifier
from zoo.pipelines.base import check_size, strings
from zoo.pipelines.context import ContextPipeline, encoders_from_json
from zoo.text import SentenceChars, Text, Vocabulary

INPUTS = ("words", "mask", "context")  # of a call of the model


@dataclass(frozen=True)
class Classification:
    """The label of a text.

    Attributes:
        label: the most likely label.
        probability: of that label.
        probabilities: of every label.
    """

    label: str
    probability: float
    probabilities: dict[str, float]


class ClassifierPipeline(ContextPipeline):
    """A text classifier: text in, label out."""

    kind = "classifier"
    model_class = Classifier

    def __init__(
        self,
        options: dict[str, Any],
        text: Text,
        labels: Vocabulary,
        *,
        context: Sequence[SentenceChars] = (),
        seed: int | None = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Classifier`.
            text: encodes a text.
            labels: the labels.
            context: encoders for the character language models of the model.
            seed: as for `Pipeline`.

        Raises:
            TypeError: if an option is unknown or has another type.
            ValueError: if an option is out of its range, or does not match the
                vocabulary or the labels.
        """
        check_size(options, "vocab_size", len(text.vocabulary), "tokens")
        check_size(options, "num_labels", len(labels), "labels")
        super().__init__(options, context, seed=seed)
        self.text = text
        self.labels = labels
        self.reads_chunks = not options.get("length")  # of concatenated outputs

    def encode(self, text: str) -> dict[str, np.ndarray]:
        """Return the inputs of one text.

        Args:
            text: any text.
        """
        return {"words": self.text.encode(text)[: self.options.get("length")]}

    def inputs(
        self, texts: Sequence[str], batch_size: int = 32
    ) -> list[dict[str, np.ndarray]]:
        """Return the inputs of texts, with the vectors of their words in the context.

        Args:
            texts: any texts.
            batch_size: texts of a batch of the character language models.
        """
        rows = [self.encode(text) for text in texts]
        if not self.context:
            return rows
        return self.with_context(rows, list(map(self.text.split, texts)), batch_size)

    def predict(
        self, texts: Sequence[str], *, batch_size: int = 32
    ) -> list[Classification]:
        """Classify texts.

        Args:
            texts: raw texts.
            batch_size: texts per batch.

        Returns:
            One result per text, in the order of `texts`.

        Raises:
            TypeError: if `texts` is a single string, or not all texts are strings.
            ValueError: if `batch_size` is not positive.
        """
        rows = self.inputs(strings(texts, "texts"), batch_size)
        results: list[Any] = [None] * len(rows)
        for k, p in self._run(rows, batch_size):
            by_label = dict(zip(self.labels.tokens, map(float, p), strict=True))
            best = self.labels.tokens[int(p.argmax())]
            results[k] = Classification(best, by_label[best], by_label)
        return results

    def _example(self) -> dict[str, np.ndarray]:
        (row,) = self.inputs([""], 1)
        return row

    def _infer(self, model: Any, batch: dict[str, Any]) -> Any:
        return jax.nn.softmax(model(*map(batch.get, INPUTS)))

    def _read(self, model: Any, batch: dict[str, Any], state: Any) -> Any:
        return model.chunk(*map(batch.get, INPUTS), state)

    def _answer(self, model: Any, parts: Any, mask: Any) -> Any:
        return jax.nn.softmax(model.combine(parts, mask))

    def _length(self, longest: int) -> int:
        return self.options.get("length") or super()._length(longest)

    def _factor(self, length: int) -> int:
        return super()._factor(length) if self.reads_chunks else 1

    def to_json(self) -> dict[str, Any]:
        """Return the pipeline without its parameters as JSON values."""
        return {
            "options": self.options,
            "text": self.text.to_json(),
            "labels": self.labels.to_json(),
            **self.context_to_json(),
        }

    @classmethod
    def from_json(cls, saved: Any) -> "ClassifierPipeline":
        """Return the pipeline that `to_json` described, without its parameters.

        Args:
            saved: the result of `to_json`.
        """
        types = {"options": dict, "text": dict, "labels": dict}
        checks.fields("pipeline", saved, types, {"context": list})
        text = Text.from_json(saved["text"])
        labels = Vocabulary.from_json(saved["labels"], "labels")
        context = encoders_from_json(saved)
        return cls(saved["options"], text, labels, context=context, seed=None)
