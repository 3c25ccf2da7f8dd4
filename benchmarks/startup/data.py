"""Generated data of any size: texts of random words, as files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

NUM_WORDS = 30_000
BLOCK = 50_000  # rows that are made at once


def write_rows(path: Path, size: int) -> None:
    """Write texts of about 20 words with one of four labels each, as CSV.

    Args:
        path: of the file.
        size: number of texts.
    """
    with path.open("w") as file:
        file.write("text,label\n")
        for k, text in enumerate(texts(size, 20)):
            file.write(f"{text},{'abcd'[k % 4]}\n")


def write_pairs(path: Path, size: int) -> None:
    """Write pairs of texts of about 8 words, as TSV.

    Args:
        path: of the file.
        size: number of pairs.
    """
    with path.open("w") as file:
        file.write("source\ttarget\n")
        sources, targets = texts(size, 8), texts(size, 8, seed=1)
        for source, target in zip(sources, targets, strict=True):
            file.write(f"{source}\t{target}\n")


def write_text(path: Path, size: int) -> None:
    """Write lines of about 20 words.

    Args:
        path: of the file.
        size: least size of the file, in bytes.
    """
    with path.open("w") as file:
        for line in texts(size, 20):
            file.write(f"{line}\n")
            if file.tell() >= size:
                return


def texts(count: int, length: int, seed: int = 0) -> Iterator[str]:
    """Yield texts whose words have Zipf's distribution.

    Args:
        count: number of texts.
        length: mean number of words, from half to one and a half of it.
        seed: of the words.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = np.array(
        ["".join(rng.choice(letters, rng.integers(1, 10))) for _ in range(NUM_WORDS)]
    )
    p = 1 / np.arange(1, NUM_WORDS + 1)
    cumulative = np.cumsum(p / p.sum())
    for start in range(0, count, BLOCK):
        lengths = rng.integers(length // 2, length + length // 2 + 1, BLOCK)
        ends = np.cumsum(lengths)
        ranks = np.searchsorted(cumulative, rng.random(ends[-1]))
        row = words[np.minimum(ranks, NUM_WORDS - 1)].tolist()
        for k in range(min(BLOCK, count - start)):
            yield " ".join(row[ends[k] - lengths[k] : ends[k]])
