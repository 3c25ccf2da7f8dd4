"""The flags of part-of-speech tagging."""

from dataclasses import dataclass
from typing import ClassVar

from zoo.tasks.configs import tagging
from zoo.tasks.ranges import Rate


@dataclass(frozen=True)
class Model(tagging.Model):
    """The tagger."""

    dropout: Rate = 0.4
    """Dropout rate of the input, between layers and before the output."""


@dataclass(frozen=True)
class Training(tagging.Training):
    """How the model is trained."""

    default_epochs: ClassVar[int] = 12


@dataclass(frozen=True)
class Config(Model, Training, tagging.Config):
    """Part-of-speech tagging: a tag for each word."""
