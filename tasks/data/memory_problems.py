"""Problems that only a memory solves, made with a seed: numpy only.

Each has a length T, the steps that something is to be remembered for, and a loss that
no model without a memory can fall below.
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
    """Sequences of one length, and what is to be answered.

    Attributes:
        inputs: symbols, ints ``[N, L]``, or numbers ``[N, L, D]``.
        targets: ints ``[N, L]`` or ``[N]``, or numbers ``[N]``.
        scored: bool ``[L]``: the steps whose answers make the loss; None where there is
            one answer.
        recalled: bool ``[L]``: the steps whose answers are counted as right or wrong.
    """

    inputs: np.ndarray
    targets: np.ndarray
    scored: np.ndarray | None = None
    recalled: np.ndarray | None = None


@dataclass(frozen=True)
class Problem:
    """What is asked.

    Attributes:
        make: ``(T, N, generator, split) -> Sequences``.
        memoryless: T -> the least loss without a memory.
        score: ``"nats"`` an answer, or ``"mse"``.
        outputs: classes, or 1 for a number.
        symbols: how many there are in the inputs; 0 if those are numbers.
        input_size: D.
        sizes: the sequences of each split.
    """

    make: Callable[[int, int, np.random.Generator, str], Sequences]
    memoryless: Callable[[int], float]
    score: Literal["nats", "mse"]
    outputs: int
    symbols: int
    input_size: int
    sizes: dict[str, int]


def copying(T: int, N: int, draw: np.random.Generator, split: str) -> Sequences:
    """Return copy memory: ten symbols, T blanks, a mark, and then the symbols again.

    Symbols are 1 to 8, the blank is 0 and the mark 9. The answer is a blank at all
    steps but the last ten. Hochreiter and Schmidhuber 1997; in this form Arjovsky et
    al. 2015, arXiv:1511.06464.

    Args:
        T: blanks between the symbols and the mark, and the mark itself.
        N: how many sequences.
        draw: the generator.
        split: not used.
    """
    length = T + 2 * RECALLED
    symbols = draw.integers(1, SYMBOLS + 1, (N, RECALLED))
    inputs = np.zeros((N, length), np.int64)
    inputs[:, :RECALLED] = symbols
    inputs[:, length - RECALLED - 1] = SYMBOLS + 1
    targets = np.zeros((N, length), np.int64)
    targets[:, -RECALLED:] = symbols
    recalled = np.arange(length) >= length - RECALLED
    return Sequences(inputs, targets, np.ones(length, bool), recalled)


def adding(T: int, N: int, draw: np.random.Generator, split: str) -> Sequences:
    """Return the adding problem: the sum of the two numbers that are marked.

    Numbers from U(0, 1), one marked in either half of T steps. Hochreiter and
    Schmidhuber 1997; in this form Le et al. 2015, arXiv:1504.00941.

    Args:
        T: steps.
        N: how many sequences.
        draw: the generator.
        split: not used.
    """
    numbers = draw.random((N, T))
    marks = np.zeros((N, T))
    rows, half = np.arange(N), T // 2
    marks[rows, draw.integers(0, half, N)] = 1
    marks[rows, draw.integers(half, T, N)] = 1
    return Sequences(np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=1))


def delay(T: int, N: int, draw: np.random.Generator, split: str) -> Sequences:
    """Return delayed recall: at each step the symbol of T steps ago, over 2T steps.

    Args:
        T: the delay in steps; the first T answers are not scored.
        N: how many sequences.
        draw: the generator.
        split: not used.
    """
    inputs = draw.integers(0, SYMBOLS, (N, 2 * T))
    targets = np.zeros_like(inputs)
    targets[:, T:] = inputs[:, :T]
    scored = np.arange(2 * T) >= T
    return Sequences(inputs, targets, scored, scored)


@cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 1,797 digits in an order of their own, and their labels."""
    from sklearn.datasets import load_digits

    found: Any = load_digits(return_X_y=True)
    pixels, labels = found
    order = np.random.default_rng(0).permutation(len(pixels))
    return pixels[order] / 16, labels[order].astype(np.int64)


def digits(T: int, N: int, draw: np.random.Generator, split: str) -> Sequences:
    """Return handwritten digits of 8 x 8, pixel by pixel.

    Args:
        T: not used: there are 64 pixels.
        N: how many of the split.
        draw: shuffles those of train.
        split: train is the first 1,200, dev the next 297, test the last 300.
    """
    begin = {"train": 0, "dev": 1200, "test": 1497}[split]
    end = {"train": 1200, "dev": 1497, "test": 1797}[split]
    rows = np.arange(begin, end)
    rows = (draw.permutation(rows) if split == "train" else rows)[:N]
    pixels, labels = images()
    return Sequences(pixels[rows][..., None], labels[rows])


MADE = {"train": 16_000, "dev": 1_000, "test": 2_000}
PROBLEMS = {
    "copy": Problem(
        copying,
        lambda T: RECALLED * math.log(SYMBOLS) / (T + 2 * RECALLED),
        "nats",
        SYMBOLS + 1,
        SYMBOLS + 2,
        SYMBOLS + 2,
        MADE,
    ),
    # The variance of the sum of two numbers from U(0, 1).
    "adding": Problem(adding, lambda T: 1 / 6, "mse", 1, 0, 2, MADE),
    "delay": Problem(
        delay, lambda T: math.log(SYMBOLS), "nats", SYMBOLS, SYMBOLS, SYMBOLS, MADE
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
