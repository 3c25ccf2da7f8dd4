"""The flags that part-of-speech tagging and named-entity recognition share."""

from dataclasses import dataclass
from typing import Literal

from zoo.tasks.configs import base
from zoo.tasks.data.source import TagColumns
from zoo.tasks.ranges import Count, NonNegative, Positive


@dataclass(frozen=True)
class Data(TagColumns, base.RowCorpus):
    """Sentences with a tag for each word."""

    tokens: Literal["words", "whitespace"] = "words"
    """Split a raw text by Unicode's rules, or at white space only."""
    lowercase: bool = True
    """Lower-case words for the word embedding; characters and shapes keep the case."""
    digits: bool = True
    """Replace every digit by 0 for the word embedding."""
    min_count: Positive = 1
    """Words that occur less often in train are unknown."""
    vocab_size: Positive = 50_000
    """Largest number of words; rarer ones are unknown."""
    strict_labels: bool = False
    """Refuse dev or test tags that train lacks; else each counts as an error."""


@dataclass(frozen=True)
class Model(base.Embeddings, base.Features, base.Directions, base.Model):
    """Embeddings of words, characters and shapes; recurrent layers; softmax or CRF."""

    hidden_size: Positive = 200
    """Hidden units of each layer and direction."""
    num_layers: Positive = 2
    """Number of recurrent layers."""
    chars: Literal["cnn", "lstm", "none"] = "cnn"
    """Character encoder of words."""
    char_dim: Positive = 30
    """Embedding size of a character."""
    char_size: Positive = 100
    """Output size of the character encoder."""
    shape_dim: Count = 10
    """Embedding size of a word's shape (Capitalised, number, ...); 0 = none."""
    crf: bool = False
    """Score whole tag sequences with a conditional random field."""


@dataclass(frozen=True)
class Training(base.RowTraining):
    """How the model is trained."""

    lazy_embedding: bool = False
    """Update only the embeddings of a batch's words: fast for large vocabularies."""
    word_dropout: NonNegative = 0.25
    """a: a word with n occurrences in train becomes unknown at the rate a / (a + n)."""


@dataclass(frozen=True)
class Config(Data, Model, Training, base.RowConfig):
    """Flags of sequence tagging."""
