"""Part-of-speech tagging: a tag for each word."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np

from zoo.tasks import base, metrics, tagging
from zoo.tasks.ranges import Rate


@dataclass(frozen=True)
class Config(tagging.Config):
    """Part-of-speech tagging: a tag for each word."""

    default_epochs: ClassVar[int] = 12

    dropout: Rate = 0.4
    """Dropout rate of the input, between layers and before the output."""


class PartOfSpeech(tagging.Tagging):
    """A tagger with a softmax for each word, or a CRF; judged by accuracy."""

    name = "pos"
    Config = Config
    kind = "tagged"
    monitor = ("accuracy", "max")
    score_names = ("accuracy", "f1_macro")

    def score(
        self, true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
    ) -> base.Scores:
        """Score tags: accuracy, and a table of the tags.

        Args:
            true: the tags of each sentence.
            predicted: the predicted tags.
        """
        true_ids, predicted_ids = (
            np.array(self.labels.encode(chain.from_iterable(tags)))
            for tags in (true, predicted)
        )
        return metrics.classes(true_ids, predicted_ids, self.labels.tokens)
