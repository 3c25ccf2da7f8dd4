"""The flags of the character-level language model."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from zoo.tasks.configs import base
from zoo.tasks.data.source import TextColumn
from zoo.tasks.ranges import NonNegative, Positive, Rate


@dataclass(frozen=True)
class Data(TextColumn, base.Corpus):
    """A text."""

    units: Literal["chars", "symbols", "words"] = "chars"
    """Tokens of the text; symbols are separated by single spaces."""
    tokens: Literal["words", "whitespace"] = "words"
    """Split words by Unicode's rules, or at white space only; for --units words."""
    min_count: Positive = 1
    """Tokens that occur less often in train are unknown."""
    vocab_size: Positive = 50_000
    """Largest number of words or symbols; rarer ones are unknown."""
    one_stream: bool = False
    """Score test as one stream, from its first character to its last: slower."""
    max_length: Positive | None = 100
    """Window of truncated backpropagation, in steps."""


@dataclass(frozen=True)
class Model(base.Embeddings, base.Model):
    """Embedding and recurrent layers, which read in one direction."""

    default_embedding_dim: ClassVar[int] = 64

    hidden_size: Positive = 256
    """Hidden units of each layer."""
    num_layers: Positive = 2
    """Number of recurrent layers."""
    dropout: Rate = 0.25
    """Dropout rate between layers and before the output."""
    backward: bool = False
    """Read the text from its end to its beginning."""
    tied: bool = False
    """Share the embedding with the output layer (needs equal sizes)."""


@dataclass(frozen=True)
class Training(base.Training):
    """How the model is trained."""

    default_epochs: ClassVar[int] = 11
    sample_epochs: ClassVar[int | None] = 3

    learning_rate: NonNegative = 4e-3
    """Peak learning rate."""
    optimizer: str = "adamw"
    """Optax optimiser, by its name."""
    weight_decay: NonNegative = 0.05
    """Weight decay of adamw; it is multiplied by the learning rate."""


@dataclass(frozen=True)
class Config(Data, Model, Training, base.CorpusConfig):
    """Character-level generation: learn a text, and generate more of it."""
