"""The flags of sequence to sequence."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from zoo.tasks.configs import base
from zoo.tasks.data.source import PairColumns
from zoo.tasks.ranges import Fraction, NonNegative, Positive, Rate

Tokens = Literal["auto", "chars", "symbols", "bpe"]


@dataclass(frozen=True)
class Data(PairColumns, base.RowCorpus):
    """Sources with a target or more each."""

    source_tokens: Tokens = "auto"
    """Source tokens: chars, symbols (separated by spaces) or bpe; auto detects them."""
    target_tokens: Tokens = "auto"
    """Target tokens, as for the source."""
    vocab_size: Positive = 8000
    """Largest number of bpe pieces or symbols, per side."""
    min_count: Positive = 1
    """Tokens that occur less often than this in train are unknown."""
    lowercase: bool = False
    """Convert sources and targets to lower case."""


@dataclass(frozen=True)
class Model(base.Embeddings, base.Directions, base.Model):
    """Encoder, attention and decoder."""

    default_embedding_dim: ClassVar[int] = 128

    hidden_size: Positive = 256
    """Hidden units of each layer; in the encoder, of each direction."""
    dropout: Rate = 0.3
    """Dropout rate of the embeddings, between layers and before the output."""
    attention: Literal["additive", "dot", "general", "none"] = "general"
    """Attention scores; none: the decoder sees the final encoder state only."""
    input_feeding: bool = False
    """Feed the previous attention vector to the decoder."""
    tied: bool = False
    """Share the target embedding with the output layer (needs equal sizes)."""


@dataclass(frozen=True)
class Training(base.RowTraining):
    """How the model is trained, and how it is scored."""

    default_epochs: ClassVar[int] = 15

    batch_size: Positive = 64
    """Pairs per batch."""
    label_smoothing: Rate = 0.1
    """Label smoothing: probability that the loss spreads evenly over all tokens."""
    sampling: Fraction = 0.0
    """Scheduled sampling: final rate of predicted decoder inputs; it grows from 0."""
    beam: Positive = 4
    """Width of the beam search in evaluation; 1 = greedy."""
    length_penalty: NonNegative = 1.0
    """Exponent of the length normalisation; larger favours longer outputs."""
    monitor: str = "auto"
    """Dev score, or loss, of the best epoch; auto: bleu for bpe, exact otherwise."""


@dataclass(frozen=True)
class Config(Data, Model, Training, base.RowConfig):
    """Sequence to sequence: pronounce, inflect, normalise, translate."""
