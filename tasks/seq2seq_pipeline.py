"""The flags of the seq2seq task, and its untrained pipeline."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from zoo.pipelines import Seq2SeqPipeline
from zoo.tasks import base
from zoo.tasks.pair_preparation import detect_tokens
from zoo.tasks.ranges import Fraction, NonNegative, Positive, Rate
from zoo.tasks.rows import column
from zoo.text import Text

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
    config: Config, train: "Dataset"
) -> tuple[Seq2SeqPipeline, float, list[str]]:
    """Build an untrained model with the vocabularies of the training data.

    Args:
        config: the flags.
        train: the training pairs, with one target each.

    Returns:
        The pipeline; the number of source tokens per target token, where a target
        counts its end token; and notes on the detected tokens, for the user.
    """
    notes = []
    texts = {
        "source": list(column(train, "source")),
        "target": [targets[0] for targets in column(train, "targets")],
    }
    encoders: dict[str, Text] = {}
    lengths: dict[str, list[int]] = {}
    for side, side_texts in texts.items():
        units = getattr(config, f"{side}_tokens")
        if units == "auto":
            units = detect_tokens(side_texts)
            notes.append(f"{side}: {units} (--{side}-tokens)")
        encoder = Text.build(
            side_texts,
            units,
            lowercase=config.lowercase,
            min_count=config.min_count,
            max_size=None if units == "chars" else config.vocab_size,
            marks=side == "target",
        )
        encoders[side] = encoder
        lengths[side] = [len(encoder.split(text)) for text in side_texts]
    num_target_tokens = sum(lengths["target"]) + len(train)  # with end tokens
    ratio = sum(lengths["source"]) / num_target_tokens
    longest = max(lengths["target"])
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
    return pipeline, ratio, notes
