"""The flags of the memory problems."""

from dataclasses import dataclass
from typing import Annotated, Literal

from zoo.tasks.configs import base
from zoo.tasks.ranges import Finite, Positive, Range, Rate


@dataclass(frozen=True)
class Data(base.Data):
    """A problem, whose sequences are generated."""

    problem: Literal["copy", "adding", "digits", "delay"] = "adding"
    """copy memory, adding, digits pixel by pixel, or delayed recall."""
    length: Annotated[int, Range(2)] = 50
    """T: steps to remember; digits always have 64."""
    permuted: bool = False
    """Digits: the pixels in a fixed random order."""
    input_scale: Finite = 1.0
    """Factor of the inputs."""


@dataclass(frozen=True)
class Model(base.Directions, base.Model):
    """Recurrent layers with a linear read-out."""

    hidden_size: Positive = 128
    """Hidden units of each layer and direction."""
    bidirectional: bool = False
    """Read in both directions."""
    initializer: Literal["default", "torch", "identity", "chrono"] = "default"
    """Initialisation: the cell's default, torch's, U = identity, or chrono for T."""
    dropout: Rate = 0.0
    """Dropout rate between layers and before the output."""


@dataclass(frozen=True)
class Training(base.Training):
    """How the model is trained."""

    batch_size: Positive = 64
    """Sequences of a batch."""


@dataclass(frozen=True)
class Config(Data, Model, Training, base.Config):
    """Memory problems: recall what came many steps ago."""
