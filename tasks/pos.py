"""Part-of-speech tagging: a tag for each word."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from zoo.tasks import base, metrics, tagging
from zoo.tasks.configs.pos import Config


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
