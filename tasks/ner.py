"""Named-entity recognition: the names in a sentence and their types."""

from dataclasses import dataclass
from typing import ClassVar

from tasks import base, metrics, tagging


@dataclass(frozen=True)
class Config(tagging.Config):
    """Named-entity recognition: the names in a sentence and their types."""

    default_epochs: ClassVar[int] = 15

    dropout: float = 0.5
    """Rate of dropout on the input, between layers and before the output."""
    crf: bool = True
    """Score whole sequences of tags by a conditional random field."""


class NamedEntities(tagging.Tagging):
    """A tagger whose tags are BIO2, so that only legal sequences are given."""

    name = "ner"
    Config = Config
    kind = "entities"
    monitor = ("f1", "max")
    bio = True

    def complete(self, labels: set[str]) -> set[str]:
        """Return the labels of train, and for each type both of its tags."""
        types = {label[2:] for label in labels - {"O"}}
        return {"O"} | {f"{prefix}-{name}" for name in types for prefix in "BI"}

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score entities: precision, recall and F1 of the spans."""
        rows = list(tagging.by_row(pairs))
        names = [[self.labels.decode(tags) for tags in row] for row in rows]
        true, predicted = zip(*names, strict=True)
        return metrics.spans(true, predicted, self.labels.tokens)

    def baselines(self) -> dict[str, base.Scores]:
        """Return the scores of the most frequent tag, of all and of each word."""
        names = ("majority", "most frequent tag of the word")
        true, *guesses = self.frequent()
        return {
            name: metrics.spans(true, guess, self.labels.tokens)
            for name, guess in zip(names, guesses, strict=True)
        }
