"""Pairs of texts before training: the tokens of each side, and one target a pair."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo.tasks.data.blocks import blocks
from zoo.tasks.data.id_columns import IdColumn, cached_result, id_columns
from zoo.text import Subwords, Text, Vocabulary
from zoo.text.numbering import Numbering

if TYPE_CHECKING:
    from datasets import Dataset

MAX_SYMBOLS = 500  # more than any phoneme inventory

PairIds = tuple[dict[str, IdColumn], dict[str, IdColumn]]
"""The numbers of the units of the sources and of the targets, by split."""


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


def text_encoder(
    rows: "Dataset", side: str, tokens: str, size: int, *, lowercase: bool
) -> Text:
    """Return the encoder of one side of the pairs, still without a vocabulary.

    Args:
        rows: the training pairs, with one target each.
        side: ``"source"`` or ``"targets"``.
        tokens: the kind of tokens; ``"auto"`` detects it.
        size: largest number of subwords.
        lowercase: lower-case texts first.

    Raises:
        zoo.tasks.data.DataError: if the data cache cannot be written.
    """

    def subwords() -> dict[str, Any]:
        lists = (
            [text.lower() for text in texts] if lowercase else texts
            for texts in _text_blocks(rows, side)
        )
        return Subwords.train(lists, size).to_json()

    if tokens == "auto":
        texts = chain.from_iterable(_text_blocks(rows, side))
        tokens = cached_result(
            rows, side, lambda: detect_tokens(texts), "detect_tokens"
        )
    pieces = None
    if tokens == "bpe":
        rules = f"subwords {size} {lowercase}"
        pieces = Subwords.from_json(cached_result(rows, side, subwords, rules))
    return Text(Vocabulary([]), tokens, lowercase=lowercase, subwords=pieces)


def _text_blocks(rows: "Dataset", side: str) -> Iterator[list[str]]:
    """Yield the texts of one side, of targets the first of each pair, in lists."""
    for block in blocks(rows, side):
        values = block.to_pylist()
        yield values if side == "source" else [targets[0] for targets in values]


class FirstTargets:
    """Numbers the units of the first of the targets of each row."""

    def __init__(self, numbering: Numbering) -> None:
        """Number the units of texts.

        Args:
            numbering: of the texts.
        """
        self._numbering = numbering

    @property
    def units(self) -> list[str]:
        """The unit of each number, of the rows so far."""
        return self._numbering.units

    def __call__(self, rows: Sequence[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the units of rows, and the length of each row.

        Args:
            rows: R lists of targets.
        """
        return self._numbering([targets[0] for targets in rows])


def pair_ids(
    rows: "dict[str, Dataset]", source: Text, target: Text, *, cached: bool = True
) -> PairIds:
    """Return the numbers of the units of the sources and of the first targets.

    Args:
        rows: the pairs by split.
        source: splits the sources.
        target: splits the targets.
        cached: as for `id_columns`.

    Raises:
        zoo.tasks.data.DataError: if the data cache cannot be written.
    """
    sources = id_columns(
        rows, "source", source.numbering, source.rules(), cached=cached
    )
    numbering = lambda: FirstTargets(target.numbering())  # noqa: E731
    rules = f"first of {target.rules()}"
    return sources, id_columns(rows, "targets", numbering, rules, cached=cached)


def one_target_per_row(rows: "Dataset") -> "Dataset":
    """Return a row for each target: a source with several targets is repeated.

    Args:
        rows: ``{"source", "targets"}``.
    """
    import pyarrow
    from datasets import Dataset
    from datasets.table import InMemoryTable

    lengths = (block.value_lengths().to_numpy() for block in blocks(rows, "targets"))
    if all((of_block == 1).all() for of_block in lengths):
        return rows
    tables = []
    columns = blocks(rows, "source"), blocks(rows, "targets")
    for sources, targets in zip(*columns, strict=True):
        flat = targets.flatten()
        starts = np.arange(len(flat) + 1, dtype=np.int32)
        one_each = pyarrow.ListArray.from_arrays(starts, flat)
        repeated = sources.take(targets.value_parent_indices())
        tables.append(pyarrow.table({"source": repeated, "targets": one_each}))
    return Dataset(InMemoryTable(pyarrow.concat_tables(tables)))
