"""Synthetic long-memory problems, in NumPy.

Each problem has a length T, over which information must be remembered, and a known
lowest loss for a model without memory.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np

SYMBOLS = 8
RECALLED = 10


class Sequences(NamedTuple):
    """Sequences of equal length, and their targets.

    Attributes:
        inputs: symbols, ints ``[N, L]``; or features, floats ``[N, L, D]``.
        targets: classes, ints ``[N, L]`` or ``[N]``; or values, floats ``[N]``.
        scored: bool ``[L]``: the steps that count in the loss; None if there is one
            target for the sequence.
        recalled: bool ``[L]``: the steps that count in the accuracy.
    """

    inputs: np.ndarray
    targets: np.ndarray
    scored: np.ndarray | None = None
    recalled: np.ndarray | None = None


@dataclass(frozen=True)
class Problem:
    """A problem: how its sequences are made and scored.

    Attributes:
        make: ``(T, N, rng, split) -> Sequences``.
        memoryless: T -> the lowest loss of a model without memory.
        score: the loss: ``"nats"`` (cross-entropy per target), or ``"mse"``.
        outputs: number of classes; 1 for regression.
        symbols: number of input symbols; 0 if the inputs are features.
        input_size: D, the number of features; for symbols, their number.
        sizes: number of sequences in each split.
    """

    make: Callable[[int, int, np.random.Generator, str], Sequences]
    memoryless: Callable[[int], float]
    score: Literal["nats", "mse"]
    outputs: int
    symbols: int
    input_size: int
    sizes: dict[str, int]


def copying(T: int, N: int, rng: np.random.Generator, split: str) -> Sequences:
    """Return the copy memory problem: repeat ten symbols after a delay.

    An input is ten symbols (1 to 8), T - 1 blanks (0), a delimiter (9) and ten more
    blanks. The target is blank, except at the last ten steps, where it is the ten
    symbols.

    Source: Hochreiter and Schmidhuber 1997; in this form Arjovsky et al. 2015,
    arXiv:1511.06464.

    Args:
        T: steps between the last symbol and the first target, including the delimiter.
        N: number of sequences.
        rng: random generator.
        split: not used.
    """
    length = T + 2 * RECALLED
    symbols = rng.integers(1, SYMBOLS + 1, (N, RECALLED))
    inputs = np.zeros((N, length), np.int64)
    inputs[:, :RECALLED] = symbols
    inputs[:, length - RECALLED - 1] = SYMBOLS + 1
    targets = np.zeros((N, length), np.int64)
    targets[:, -RECALLED:] = symbols
    recalled = np.arange(length) >= length - RECALLED
    return Sequences(inputs, targets, np.ones(length, bool), recalled)


def adding(T: int, N: int, rng: np.random.Generator, split: str) -> Sequences:
    """Return the adding problem: the sum of two marked numbers.

    An input has two features: numbers drawn from U(0, 1), and a mark that is 1 at one
    step of the first half and at one of the second half, otherwise 0.

    Source: Hochreiter and Schmidhuber 1997; in this form Le et al. 2015,
    arXiv:1504.00941.

    Args:
        T: number of steps.
        N: number of sequences.
        rng: random generator.
        split: not used.
    """
    numbers = rng.random((N, T))
    marks = np.zeros((N, T))
    rows, half = np.arange(N), T // 2
    marks[rows, rng.integers(0, half, N)] = 1
    marks[rows, rng.integers(half, T, N)] = 1
    return Sequences(np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=1))


def delay(T: int, N: int, rng: np.random.Generator, split: str) -> Sequences:
    """Return delayed recall: the target is the input symbol T steps earlier.

    Args:
        T: the delay. A sequence has 2T steps, and the first T are not scored.
        N: number of sequences.
        rng: random generator.
        split: not used.
    """
    inputs = rng.integers(0, SYMBOLS, (N, 2 * T))
    targets = np.zeros_like(inputs)
    targets[:, T:] = inputs[:, :T]
    scored = np.arange(2 * T) >= T
    return Sequences(inputs, targets, scored, scored)


@cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of scikit-learn's 1,797 digits, shuffled, and the labels."""
    from sklearn.datasets import load_digits

    data: Any = load_digits(return_X_y=True)
    pixels, labels = data
    order = np.random.default_rng(0).permutation(len(pixels))
    return pixels[order] / 16, labels[order].astype(np.int64)


def digits(T: int, N: int, rng: np.random.Generator, split: str) -> Sequences:
    """Return 8 x 8 images of handwritten digits, pixel by pixel.

    Args:
        T: not used; the length is 64.
        N: number of images; fewer if the split has fewer.
        rng: random generator that shuffles the training images.
        split: ``"train"`` (1,200 images), ``"dev"`` (297) or ``"test"`` (300).
    """
    start = {"train": 0, "dev": 1200, "test": 1497}[split]
    stop = {"train": 1200, "dev": 1497, "test": 1797}[split]
    rows = np.arange(start, stop)
    rows = (rng.permutation(rows) if split == "train" else rows)[:N]
    pixels, labels = images()
    return Sequences(pixels[rows][..., None], labels[rows])


SIZES = {"train": 16_000, "dev": 1_000, "test": 2_000}
PROBLEMS = {
    "copy": Problem(
        copying,
        lambda T: RECALLED * math.log(SYMBOLS) / (T + 2 * RECALLED),
        "nats",
        SYMBOLS + 1,
        SYMBOLS + 2,
        SYMBOLS + 2,
        SIZES,
    ),
    # 1/6 is the variance of the sum of two numbers from U(0, 1).
    "adding": Problem(adding, lambda T: 1 / 6, "mse", 1, 0, 2, SIZES),
    "delay": Problem(
        delay, lambda T: math.log(SYMBOLS), "nats", SYMBOLS, SYMBOLS, SYMBOLS, SIZES
    ),
    "digits": Problem(
        digits,
        lambda T: math.log(10),
        "nats",
        10,
        0,
        1,
        {"train": 1200, "dev": 297, "test": 300},
    ),
}
