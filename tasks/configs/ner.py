"""The flags of named-entity recognition."""

from dataclasses import dataclass
from typing import ClassVar

from zoo.tasks.configs import tagging
from zoo.tasks.data.source import TextColumn
from zoo.tasks.ranges import Rate


@dataclass(frozen=True)
class Data(TextColumn, tagging.Data):
    """Sentences with a tag for each word, or texts with character offsets."""


@dataclass(frozen=True)
class Model(tagging.Model):
    """The tagger."""

    dropout: Rate = 0.5
    """Dropout rate of the input, between layers and before the output."""
    crf: bool = True
    """Score whole tag sequences with a conditional random field."""


@dataclass(frozen=True)
class Training(tagging.Training):
    """How the model is trained."""

    default_epochs: ClassVar[int] = 15


@dataclass(frozen=True)
class Config(Data, Model, Training, tagging.Config):
    """Named-entity recognition: the names in a sentence and their types."""
