"""Named-entity recognition: the names in a sentence and their types."""

from collections.abc import Sequence

from zoo.tasks import base, metrics, tagging
from zoo.tasks.configs.ner import Config


class NamedEntities(tagging.Tagging):
    """A tagger whose tags are legal BIO2 sequences; judged by F1 of the spans."""

    name = "ner"
    Config = Config
    kind = "entities"
    monitor = ("f1", "max")
    score_names = ("precision", "recall", "f1", "f1_strict", "accuracy")
    bio = True

    def all_labels(self, labels: set[str]) -> set[str]:
        """Return ``O``, and ``B-`` and ``I-`` of each type of train.

        Args:
            labels: those of train.
        """
        types = {label[2:] for label in labels - {"O"}}
        return {"O"} | {f"{prefix}-{name}" for name in types for prefix in "BI"}

    def score(
        self, true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
    ) -> base.Scores:
        """Score entities: precision, recall and F1 of the spans.

        Args:
            true: the tags of each sentence, BIO2.
            predicted: the predicted tags.
        """
        return metrics.spans(true, predicted, self.labels.tokens)
