"""The checks of the flags of the seq2seq task, and its untrained pipeline."""

import math
from typing import TYPE_CHECKING

from zoo.pipelines import Seq2SeqPipeline
from zoo.tasks.configs.seq2seq import Config
from zoo.tasks.pair_preparation import detect_tokens
from zoo.tasks.rows import column
from zoo.text import Text

if TYPE_CHECKING:
    from datasets import Dataset

LENGTH_FACTOR = 1.5  # length limit of outputs, relative to the longest training target


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
        "dtype": config.dtype,
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
