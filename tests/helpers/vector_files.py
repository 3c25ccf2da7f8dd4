"""Writes files of word vectors, independently of the code that reads them."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

Writer = Callable[[Path, Sequence[str], np.ndarray], None]


def glove(path: Path, words: Sequence[str], table: np.ndarray) -> None:
    """Write text without a header."""
    rows = [
        " ".join([word, *map(repr, row.tolist())]) for word, row in pairs(words, table)
    ]
    path.write_bytes("".join(f"{row}\n" for row in rows).encode())


def word2vec_text(path: Path, words: Sequence[str], table: np.ndarray) -> None:
    """Write text with a header; each line ends with a space, as in ``.vec`` files."""
    lines = [f"{len(words)} {table.shape[1]}"]
    lines += [f"{w} {' '.join(map(repr, r.tolist()))} " for w, r in pairs(words, table)]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def word2vec_binary(
    path: Path, words: Sequence[str], table: np.ndarray, end: bytes = b""
) -> None:
    """Write the binary format of word2vec, with `end` after each vector."""
    parts = [f"{len(words)} {table.shape[1]}\n".encode()]
    for word, row in pairs(words, table):
        parts += [word.encode(), b" ", row.astype("<f4").tobytes(), end]
    path.write_bytes(b"".join(parts))


def word2vec_binary_lines(path: Path, words: Sequence[str], table: np.ndarray) -> None:
    """Write the binary format of word2vec, with line feeds."""
    word2vec_binary(path, words, table, b"\n")


def fasttext_binary(
    path: Path,
    words: Sequence[str],
    matrix: np.ndarray,
    *,
    shortest: int = 0,
    longest: int = 0,
    version: int = 12,
    num_pruned: int = -1,
    is_quantised: bool = False,
    labels: Sequence[str] = (),
) -> None:
    """Write the ``.bin`` format of fastText.

    Args:
        path: of the file.
        words: V words.
        matrix: a row for each word, then one for each bucket.
        shortest: minn.
        longest: maxn; 0 without n-grams.
        version: of the format.
        num_pruned: number of n-grams that a pruned model has kept.
        is_quantised: whether the matrix is quantised.
        labels: of a supervised model.
    """
    num_rows, dim = matrix.shape
    bucket = num_rows - len(words)
    arguments = [dim, 5, 5, 1, 5, 1, 2, 2, bucket, shortest, longest, 100]
    entries = [*words, *labels]
    content = struct.pack("<2i12id", 793712314, version, *arguments, 1e-4)
    sizes = len(entries), len(words), len(labels), 1000, num_pruned
    content += struct.pack("<3i2q", *sizes)
    for k, entry in enumerate(entries):
        content += entry.encode() + b"\0" + struct.pack("<qb", 9, k >= len(words))
    content += struct.pack("<2i", 0, 0) * max(num_pruned, 0)
    content += struct.pack("<?2q", is_quantised, num_rows, dim)
    content += matrix.astype("<f4").tobytes()
    path.write_bytes(content + struct.pack("<?2q", False, 0, dim))


def pairs(words: Sequence[str], table: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return each word with its vector, whose numbers print exactly."""
    return list(zip(words, table.astype(np.float64), strict=True))


WRITERS: dict[str, tuple[Writer, str]] = {
    "glove": (glove, "text"),
    "word2vec text": (word2vec_text, "text"),
    "word2vec binary": (word2vec_binary, "word2vec binary"),
    "word2vec binary with line feeds": (word2vec_binary_lines, "word2vec binary"),
    "fastText": (fasttext_binary, "fastText binary"),
}
"""A function that writes each format, and the name that the reader has for it."""
