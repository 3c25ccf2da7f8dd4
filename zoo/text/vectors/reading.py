"""Reads chosen words of a file of word vectors."""

import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from zoo.text.vectors.opening import open_vectors
from zoo.text.vectors.vector_file import BLOCK_WORDS


class Vectors(NamedTuple):
    """Words and their vectors.

    Attributes:
        words: distinct words, in the order of the file.
        table: their vectors, float32 ``[V, D]``.
        notes: what was unusual in the file.
    """

    words: list[str]
    table: np.ndarray
    notes: list[str]


def read(
    path: str | os.PathLike,
    words: Iterable[str] | None = None,
    *,
    limit: int | None = None,
) -> Vectors:
    """Read word vectors into memory: those of some words, the first ones, or all.

    ::

        words, table, _ = zoo.text.vectors.read("glove.6B.100d.txt", limit=10_000)
        model.embedding.table[...] = table      # of an Embedding(10_000, 100)

    Args:
        path: as for `open_vectors`.
        words: the words to read, as they are written in the file; None reads all. Of a
            word that occurs twice, the first vector counts.
        limit: largest number of words to read. Files have the most frequent first.

    Raises:
        ImportError: if it is an archive of navec, which is not installed.
        VectorError: if the file cannot be read; the message has the line or the byte.
    """
    file = open_vectors(path)
    wanted = None if words is None else set(words)
    seen: dict[str, None] = {}
    parts = [np.zeros((0, file.dim), np.float32)]
    for block in file.blocks():
        indices = []
        for k, word in enumerate(block.words):
            if (wanted is None or word in wanted) and word not in seen:
                if limit is not None and len(seen) == limit:
                    break
                seen[word] = None
                indices.append(k)
        parts += (
            block.rows(indices[k : k + BLOCK_WORDS])
            for k in range(0, len(indices), BLOCK_WORDS)
        )
        if limit is not None and len(seen) == limit:
            break
    return Vectors(list(seen), np.concatenate(parts), file.notes)
