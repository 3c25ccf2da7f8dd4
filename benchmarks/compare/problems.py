"""The problems: fixed parts of real data, as arrays that fit into memory."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

from zoo.tasks import data
from zoo.text import Vocabulary
from zoo.types import ArrayLike

DATA = Path(os.environ.get("ZOO_DATA") or "../shared/data")
PADDING = 0


class Examples(NamedTuple):
    """Sequences of one length.

    Attributes:
        inputs: ids ``[N, T, F]`` for F embedding tables, or numbers ``[N, T, 1]``.
        mask: bool ``[N, T]``.
        targets: ids ``[N, T]``, or ``[N]`` for a prediction from the last output.
    """

    inputs: ArrayLike
    mask: ArrayLike
    targets: ArrayLike


class Problem(NamedTuple):
    """A data set, the shape of its model and the length of the training.

    Attributes:
        train: training examples.
        dev: examples that choose the learning rate.
        test: test examples.
        vocabulary_sizes: of each embedding table; none if the inputs are numbers.
        classes: K.
        bidirectional: whether the layer reads in both directions.
        score: how examples are scored.
        max_parameters: of the layer and the output, without the input embedding.
        steps: batches in training.
        batch_size: B.
    """

    train: Examples
    dev: Examples
    test: Examples
    vocabulary_sizes: tuple[int, ...]
    classes: int
    bidirectional: bool
    score: Literal["accuracy", "nats"]
    max_parameters: int
    steps: int
    batch_size: int = 32


def tagging() -> Problem:
    """Return part-of-speech tagging of words, given with their last three letters.

    The sentences are the first 3,000 of English EWT.
    """
    source = data.Source(data=str(DATA / "pos" / "en_ewt"))
    splits = data.load(source, "tagged")
    train: list[Any] = list(splits.train.select(range(3_000)))
    words = Vocabulary.build(word for row in train for word in _lower(row["tokens"]))
    suffixes = Vocabulary.build(s for row in train for s in _suffixes(row["tokens"]))
    tags = sorted({tag for row in train for tag in row["tags"]})
    tag_ids = {tag: k for k, tag in enumerate(tags)}

    def encode(rows: Iterable[Any]) -> Examples:
        length = 32  # a longer sentence continues in the next row
        pieces: list[tuple[np.ndarray, np.ndarray]] = []
        for row in rows:
            columns = [words.encode(_lower(row["tokens"]))]
            columns += [suffixes.encode(_suffixes(row["tokens"]))]
            ids = np.stack(columns, axis=-1)
            labels = np.array([tag_ids.get(tag, -1) for tag in row["tags"]])
            for start in range(0, len(labels), length):
                window = slice(start, start + length)
                pieces.append((ids[window], labels[window]))
        inputs = np.full((len(pieces), length, 2), PADDING, np.int32)
        mask = np.zeros((len(pieces), length), bool)
        targets = np.zeros((len(pieces), length), np.int32)
        for k, (ids, labels) in enumerate(pieces):
            inputs[k, : len(ids)], mask[k, : len(ids)] = ids, True
            targets[k, : len(ids)] = labels
        return Examples(inputs, mask, targets)

    return Problem(
        train=encode(train),
        dev=encode(splits.dev),
        test=encode(splits.test),
        vocabulary_sizes=(len(words), len(suffixes)),
        classes=len(tags),
        bidirectional=True,
        score="accuracy",
        max_parameters=30_000,
        steps=300,
    )


def _lower(tokens: Sequence[str]) -> list[str]:
    return [token.lower() for token in tokens]


def _suffixes(tokens: Sequence[str]) -> list[str]:
    return [token.lower()[-3:] for token in tokens]


def characters() -> Problem:
    """Return next-character prediction on Tiny Shakespeare, 300,000 characters."""
    text = (DATA / "charlm" / "tiny_shakespeare" / "input.txt").read_text()
    alphabet = sorted(set(text))
    ids = np.array([alphabet.index(character) for character in text], np.int32)
    length = 64
    dev_start, test_start = len(ids) * 8 // 10, len(ids) * 9 // 10

    def windows(ids: np.ndarray) -> Examples:
        count = (len(ids) - 1) // length
        inputs = ids[: count * length].reshape(count, length, 1)
        targets = ids[1 : count * length + 1].reshape(count, length)
        return Examples(inputs, np.ones(targets.shape, bool), targets)

    return Problem(
        train=windows(ids[:300_000]),
        dev=windows(ids[dev_start:test_start]),
        test=windows(ids[test_start:]),
        vocabulary_sizes=(len(alphabet),),
        classes=len(alphabet),
        bidirectional=False,
        score="nats",
        max_parameters=30_000,
        steps=300,
    )


def digits() -> Problem:
    """Return the classification of 8 x 8 digits, read pixel by pixel."""
    images, labels = map(np.asarray, load_digits(return_X_y=True))
    order = np.random.default_rng(0).permutation(len(images))
    inputs = (images[order, :, None] / 16).astype(np.float32)
    labels = labels[order].astype(np.int32)
    mask = np.ones(inputs.shape[:2], bool)
    dev_start, test_start = 997, 1297

    def part(rows: slice) -> Examples:
        return Examples(inputs[rows], mask[rows], labels[rows])

    return Problem(
        train=part(slice(dev_start)),
        dev=part(slice(dev_start, test_start)),
        test=part(slice(test_start, None)),
        vocabulary_sizes=(),
        classes=10,
        bidirectional=False,
        score="accuracy",
        max_parameters=20_000,
        steps=450,
    )


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "pos": tagging,
    "charlm": characters,
    "digits": digits,
}
