"""A trained classifier: text in, label out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from zoo.models import Classifier
from zoo.pipelines.base import Pipeline, several
from zoo.text import Text, Vocabulary


@dataclass(frozen=True)
class Classification:
    """The label of a text.

    Attributes:
        label: the most probable one.
        probability: of it.
        probabilities: of all labels.
    """

    label: str
    probability: float
    probabilities: dict[str, float]


class ClassifierPipeline(Pipeline):
    """Text in, label out."""

    kind = "classifier"
    model_class = Classifier

    def __init__(
        self,
        options: dict[str, Any],
        text: Text,
        labels: Vocabulary,
        *,
        seed: int = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of `zoo.models.Classifier`.
            text: encodes a text.
            labels: the labels.
            seed: of the model's initialisation.
        """
        super().__init__(options, seed=seed)
        self.text = text
        self.labels = labels

    def encode(self, text: str) -> dict[str, np.ndarray]:
        """Return the inputs of one text.

        Args:
            text: any text.
        """
        return {"words": self.text.encode(text)[: self.options.get("length")]}

    def predict(
        self, texts: Sequence[str], *, batch_size: int = 32
    ) -> list[Classification]:
        """Label texts.

        Args:
            texts: raw texts.
            batch_size: texts labelled at once.

        Returns:
            What was found for each text, in their order.

        Raises:
            TypeError: if `texts` is one text and not a list of them.
        """
        rows = [self.encode(text) for text in several(texts, "texts")]
        found: list[Any] = [None] * len(rows)
        for k, p in self._run(rows, batch_size):
            by_label = dict(zip(self.labels.tokens, map(float, p), strict=True))
            best = self.labels.tokens[int(p.argmax())]
            found[k] = Classification(best, by_label[best], by_label)
        return found

    def _infer(self, model, batch):
        return jax.nn.softmax(model(batch["words"], batch["mask"]))

    def _length(self, longest):
        return self.options.get("length") or super()._length(longest)

    def to_json(self) -> dict[str, Any]:
        """Return all but the parameters as plain lists and values."""
        return {
            "options": self.options,
            "text": self.text.to_json(),
            "labels": self.labels.to_json(),
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "ClassifierPipeline":
        """Return the pipeline that `to_json` told of, with a new model's parameters.

        Args:
            saved: what `to_json` gave.
        """
        text, labels = Text.from_json(saved["text"]), Vocabulary(**saved["labels"])
        return cls(saved["options"], text, labels)
