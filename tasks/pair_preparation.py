"""Pairs of texts before training: the tokens of each side, and one target a pair."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from zoo.tasks.data import arrow_cache
from zoo.tasks.rows import column

if TYPE_CHECKING:
    from datasets import Dataset

MAX_SYMBOLS = 500  # more than any phoneme inventory


def detect_tokens(texts: Iterable[str]) -> Literal["chars", "symbols", "bpe"]:
    """Return the kind of token that suits texts.

    ``symbols`` for texts of few, short strings between spaces, as phonemes are;
    ``bpe`` (byte pair encoding) for sentences, of five words or more on average;
    ``chars`` for anything shorter.

    Args:
        texts: one side of the training pairs.
    """
    num_texts = num_words = num_letters = 0
    vocabulary: set[str] = set()
    for text in texts:
        words = text.split()
        num_texts, num_words = num_texts + 1, num_words + len(words)
        num_letters += sum(map(len, words))
        vocabulary.update(words)
    several = num_words >= 2 * num_texts
    if several and num_letters <= 3 * num_words and len(vocabulary) <= MAX_SYMBOLS:
        return "symbols"
    return "bpe" if num_words >= 5 * num_texts else "chars"


def one_target_per_row(rows: "Dataset") -> "Dataset":
    """Return a row for each target: a source with several targets is repeated.

    Args:
        rows: ``{"source", "targets"}``.
    """
    if all(len(targets) == 1 for targets in column(rows, "targets")):
        return rows

    def flatten(batch: dict[str, list]) -> dict[str, list]:
        pairs = zip(batch["source"], batch["targets"], strict=True)
        flat = [(source, [target]) for source, targets in pairs for target in targets]
        sources, targets = zip(*flat, strict=True)
        return {"source": list(sources), "targets": list(targets)}

    with arrow_cache.quiet():
        return rows.map(flatten, batched=True, features=rows.features)
