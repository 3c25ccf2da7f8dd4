"""The checks of the flags of the seq2seq task, and its untrained pipeline."""

import math
from typing import TYPE_CHECKING

from zoo.pipelines import Seq2SeqPipeline
from zoo.tasks.configs.seq2seq import Config
from zoo.tasks.pair_preparation import PairIds, pair_ids, text_encoder
from zoo.tasks.rows import limit_notes
from zoo.tasks.word_vectors import WordVectors
from zoo.text import Text, Vocabulary

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
    config: Config, rows: "dict[str, Dataset]"
) -> tuple[Seq2SeqPipeline, PairIds, float, list[str], WordVectors]:
    """Build an untrained model with the vocabularies of the training data.

    Args:
        config: the flags.
        rows: the pairs by split; those of train with one target each.

    Returns:
        The pipeline; the numbers of the units of both sides; the number of source
        tokens per target token, where a target counts its end token; notes on the
        tokens, for the user; and the vectors of the source, to install.
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
    source_counts = ids[0]["train"].counts()
    vectors = WordVectors.of_text(config, encoders["source"], source_counts, "source")
    for side, columns in zip(encoders, ids, strict=True):
        encoder, counts = encoders[side], columns["train"].counts()
        max_size = None if encoder.units == "chars" else config.vocab_size
        limits = {"min_count": config.min_count, "max_size": max_size}
        more = vectors.more(**limits) if side == "source" else []
        encoder.vocabulary = Vocabulary.from_counts(
            counts, marks=side == "target", more=more, **limits
        )
        what = f"{side} {encoder.units}"
        notes += limit_notes(counts, what, more=more, **limits)
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
        **vectors.sizes(),
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
    return pipeline, ids, ratio, notes, vectors
