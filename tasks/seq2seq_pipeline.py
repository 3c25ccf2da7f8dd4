"""The flags of the seq2seq task, and its untrained pipeline."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from zoo.pipelines import Seq2SeqPipeline
from zoo.tasks import base
from zoo.tasks.pair_preparation import PairIds, pair_ids, text_encoder
from zoo.tasks.ranges import Fraction, NonNegative, Positive, Rate
from zoo.tasks.rows import limit_notes
from zoo.text import Text, Vocabulary

if TYPE_CHECKING:
    from datasets import Dataset

Tokens = Literal["auto", "chars", "symbols", "bpe"]
LENGTH_FACTOR = 1.5  # length limit of outputs, relative to the longest training target


@dataclass(frozen=True)
class Config(base.Config):
    """Sequence to sequence: pronounce, inflect, normalise, translate."""

    default_epochs: ClassVar[int] = 15

    hidden_size: Positive = 256
    """Hidden units of each layer; in the encoder, of each direction."""
    dropout: Rate = 0.3
    """Dropout rate of the embeddings, between layers and before the output."""
    batch_size: Positive = 64
    """Pairs per batch."""
    embedding_dim: Positive = 128
    """Embedding size of a token, for source and target."""
    attention: Literal["additive", "dot", "general", "none"] = "general"
    """Attention scores; none: the decoder sees the final encoder state only."""
    input_feeding: bool = False
    """Feed the previous attention vector to the decoder."""
    tied: bool = False
    """Share the target embedding with the output layer (needs equal sizes)."""
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


def check_flags(config: Config) -> None:
    """Check the flags.

    Args:
        config: the flags.

    Raises:
        ValueError: if two flags exclude each other.
    """
    if config.attention == "dot" and config.bidirectional:
        raise ValueError(
            "--attention dot needs states of equal size: add "
            "--no-bidirectional, or use --attention general"
        )


def build_pipeline(
    config: Config, rows: "dict[str, Dataset]"
) -> tuple[Seq2SeqPipeline, PairIds, float, list[str]]:
    """Build an untrained model with the vocabularies of the training data.

    Args:
        config: the flags.
        rows: the pairs by split; those of train with one target each.

    Returns:
        The pipeline; the numbers of the units of both sides; the number of source
        tokens per target token, where a target counts its end token; and notes on the
        tokens, for the user.
    """
    notes = []
    train = rows["train"]
    encoders: dict[str, Text] = {}
    for side, name in (("source", "source"), ("target", "targets")):
        tokens = getattr(config, f"{side}_tokens")
        encoder = text_encoder(
            train, name, tokens, config.vocab_size, lowercase=config.lowercase
        )
        if tokens == "auto":
            notes.append(f"{side}: {encoder.units} (--{side}-tokens)")
        encoders[side] = encoder
    ids = pair_ids(rows, encoders["source"], encoders["target"])
    for side, columns in zip(encoders, ids, strict=True):
        encoder, counts = encoders[side], columns["train"].counts()
        max_size = None if encoder.units == "chars" else config.vocab_size
        encoder.vocabulary = Vocabulary.from_counts(
            counts,
            min_count=config.min_count,
            max_size=max_size,
            marks=side == "target",
        )
        what = f"{side} {encoder.units}"
        notes += limit_notes(counts, what, config.min_count, max_size)
    lengths = {
        side: columns["train"].lengths
        for side, columns in zip(encoders, ids, strict=True)
    }
    num_target_tokens = int(lengths["target"].sum()) + len(train)  # with end tokens
    ratio = int(lengths["source"].sum()) / num_target_tokens
    longest = int(lengths["target"].max())
    if config.max_length is not None:
        longest = min(longest, config.max_length)
    options = {
        "source_vocab_size": len(encoders["source"].vocabulary),
        "target_vocab_size": len(encoders["target"].vocabulary),
        "embedding_dim": config.embedding_dim,
        "cell": config.cell,
        "hidden_size": config.hidden_size,
        "num_layers": config.num_layers,
        **config.layer_options(),
        "bidirectional": config.bidirectional,
        "attention": None if config.attention == "none" else config.attention,
        "input_feeding": config.input_feeding,
        "tied": config.tied,
        "dropout": config.dropout,
    }
    limit = math.ceil(LENGTH_FACTOR * longest) + 1
    pipeline = Seq2SeqPipeline(
        options, encoders["source"], encoders["target"], limit, seed=config.seed
    )
    return pipeline, ids, ratio, notes
