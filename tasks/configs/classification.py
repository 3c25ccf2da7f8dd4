"""The flags of text classification."""

from dataclasses import dataclass
from typing import Literal

from zoo.tasks.configs import base
from zoo.tasks.data.source import LabelColumn, TextColumn
from zoo.tasks.ranges import Positive, Rate


@dataclass(frozen=True)
class Data(LabelColumn, TextColumn, base.RowCorpus):
    """Texts with a label each."""

    units: Literal["words", "chars"] = "words"
    """Tokens of a text."""
    tokens: Literal["words", "whitespace"] = "words"
    """Split words by Unicode's rules, or at white space only; for --units words."""
    lowercase: bool = True
    """Lower-case the texts."""
    min_count: Positive = 1
    """Tokens that occur less often in train are unknown."""
    vocab_size: Positive = 50_000
    """Largest number of words; rarer ones are unknown. For --units words."""
    strict_labels: bool = False
    """Refuse dev or test labels that train lacks; else each counts as an error."""


@dataclass(frozen=True)
class Model(base.Embeddings, base.Features, base.Directions, base.Model):
    """Embedding, recurrent layers, pooling."""

    pooling: Literal["last", "first_last", "mean", "max", "attention", "concat"] = "max"
    """Pooling of the outputs into one vector; concat needs --max-length."""


@dataclass(frozen=True)
class Training(base.RowTraining):
    """How the model is trained."""

    lazy_embedding: bool = False
    """Update only the embeddings of a batch's words: fast for large vocabularies."""
    word_dropout: Rate = 0.1
    """Rate at which a token becomes unknown in training."""


@dataclass(frozen=True)
class Config(Data, Model, Training, base.RowConfig):
    """Text classification: a label for each text."""
