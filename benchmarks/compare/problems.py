"""The problems: fixed parts of real data, as arrays that fit into memory."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

from tasks import data
from tasks.rows import SAMPLE
from zoo.text import Vocabulary

DATA = Path(os.environ.get("ZOO_DATA") or "../shared/data")
PADDING = 0


class Examples(NamedTuple):
    """Sequences of one length.

    Attributes:
        inputs: ids ``[N, T, F]`` of F tables, or numbers ``[N, T, 1]``.
        mask: bool ``[N, T]``.
        targets: ids ``[N, T]``, or ``[N]`` where the last state answers.
    """

    inputs: np.ndarray
    mask: np.ndarray
    targets: np.ndarray


class Problem(NamedTuple):
    """What is learnt.

    Attributes:
        train: what is trained on.
        test: what is scored.
        tables: how many ids each table of the inputs has; none for numbers.
        classes: K.
        bidirectional: whether the layer reads both ways.
        score: ``"accuracy"`` or ``"nats"``.
        parameters: of the layer and of what reads it, without what makes its vectors.
        steps: batches that are trained on.
        batch_size: B.
    """

    train: Examples
    test: Examples
    tables: tuple[int, ...]
    classes: int
    bidirectional: bool
    score: str
    parameters: int
    steps: int
    batch_size: int = 32


def tagging(source: data.Source, sentences: int | None, steps: int) -> Problem:
    """Return part-of-speech tagging by words and their last three letters.

    Args:
        source: of the sentences.
        sentences: how many of train are used; None for all.
        steps: batches that are trained on.
    """
    splits = data.load(source, "tagged", sample=SAMPLE)
    train = splits.train.select(range(sentences)) if sentences else splits.train
    words = Vocabulary.build(word for row in train for word in _lower(row["tokens"]))
    endings = Vocabulary.build(e for row in train for e in _endings(row["tokens"]))
    tags = sorted({tag for row in train for tag in row["tags"]})
    number = {tag: k for k, tag in enumerate(tags)}

    def encoded(rows) -> Examples:
        length = 32  # longer sentences go on in another row
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        for row in rows:
            ids = [words.encode(_lower(row["tokens"]))]
            ids += [endings.encode(_endings(row["tokens"]))]
            labels = np.array([number.get(tag, -1) for tag in row["tags"]])
            both = np.stack(ids, axis=-1)
            for at in range(0, len(labels), length):
                parts.append((both[at : at + length], labels[at : at + length]))
        inputs = np.full((len(parts), length, 2), PADDING, np.int32)
        mask = np.zeros((len(parts), length), bool)
        targets = np.zeros((len(parts), length), np.int32)
        for k, (ids, labels) in enumerate(parts):
            inputs[k, : len(ids)], mask[k, : len(ids)] = ids, True
            targets[k, : len(ids)] = labels
        return Examples(inputs, mask, targets)

    return Problem(
        encoded(train),
        encoded(splits.test),
        (len(words), len(endings)),
        len(tags),
        True,
        "accuracy",
        30_000,
        steps,
    )


def _lower(tokens: Sequence[str]) -> list[str]:
    return [token.lower() for token in tokens]


def _endings(tokens: Sequence[str]) -> list[str]:
    return [token.lower()[-3:] for token in tokens]


def characters() -> Problem:
    """Return what character comes next: the first 300,000 of Tiny Shakespeare."""
    text = (DATA / "charlm" / "tiny_shakespeare" / "input.txt").read_text()
    known = sorted(set(text))
    ids = np.array([known.index(character) for character in text], np.int32)
    length, last = 64, len(ids) * 9 // 10

    def windows(ids: np.ndarray) -> Examples:
        count = (len(ids) - 1) // length
        inputs = ids[: count * length].reshape(count, length, 1)
        targets = ids[1 : count * length + 1].reshape(count, length)
        return Examples(inputs, np.ones(targets.shape, bool), targets)

    return Problem(
        windows(ids[:300_000]),
        windows(ids[last:]),
        (len(known),),
        len(known),
        False,
        "nats",
        30_000,
        200,
    )


def digits() -> Problem:
    """Return 8 x 8 digits, read pixel by pixel."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    inputs = (images[order, :, None] / 16).astype(np.float32)
    labels = labels[order].astype(np.int32)
    mask = np.ones(inputs.shape[:2], bool)
    cut = 1297

    def part(rows: slice) -> Examples:
        return Examples(inputs[rows], mask[rows], labels[rows])

    return Problem(
        part(slice(cut)), part(slice(cut, None)), (), 10, False, "accuracy", 20_000, 300
    )


PROBLEMS = {
    "pos sample": lambda: tagging(data.Source(), None, 200),
    "pos en_ewt": lambda: tagging(
        data.Source(data=str(DATA / "pos" / "en_ewt")), 3_000, 200
    ),
    "charlm": characters,
    "digits": digits,
}
