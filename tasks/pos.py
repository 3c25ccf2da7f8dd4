"""Part-of-speech tagging: a tag for each word."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tasks import base, metrics, tagging


@dataclass(frozen=True)
class Config(tagging.Config):
    """Part-of-speech tagging: a tag for each word."""

    default_epochs: ClassVar[int] = 12

    dropout: float = 0.4
    """Rate of dropout on the input, between layers and before the output."""


class PartOfSpeech(tagging.Tagging):
    """A tagger with a softmax for each word, or a CRF."""

    name = "pos"
    Config = Config
    kind = "tagged"
    monitor = ("accuracy", "max")

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score tags: accuracy, and a table of the classes."""
        rows = list(tagging.by_row(pairs))
        true = np.concatenate([row[0] for row in rows])
        predicted = np.concatenate([row[1] for row in rows])
        return metrics.classes(true, predicted, self.labels.tokens)

    def baselines(self) -> dict[str, base.Scores]:
        """Return the scores of the most frequent tag, of all and of each word."""
        names = ("majority", "most frequent tag of the word")
        true, *guesses = [
            np.concatenate([self.labels.encode(tags) for tags in rows])
            for rows in self.frequent()
        ]
        return {
            name: metrics.classes(true, guess, self.labels.tokens)
            for name, guess in zip(names, guesses, strict=True)
        }
