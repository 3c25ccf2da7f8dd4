"""What all formats of word vectors have in common: words in blocks, rows on demand."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from zoo import checks

BLOCK_WORDS = 1 << 16  # of a block, of formats whose words are read first


class VectorError(ValueError):
    """A file of word vectors cannot be read; the message says where and why."""

    def __init__(self, path: Path, problem: str) -> None:
        """Build the message.

        Args:
            path: of the file.
            problem: what is wrong, with the line or the byte.
        """
        super().__init__(checks.one_line(f"{path}: {problem}"))


class Block(NamedTuple):
    """Some consecutive words of a file.

    Attributes:
        words: the words, in the order of the file.
        rows: returns the vectors float32 ``[n, D]`` of the words with n indices, which
            count from 0 in each block. Only these become numbers.
    """

    words: list[str]
    rows: Callable[[Sequence[int]], np.ndarray]


class VectorFile(ABC):
    """A file of word vectors, of which only blocks are in memory.

    Attributes:
        path: of the file.
        format: name of the format.
        dim: D, the size of a vector.
        size: number of words; None if the header does not give it.
        notes: what was unusual in the blocks that have been read, for the user.
    """

    format: ClassVar[str]
    dim: int
    size: int | None = None

    def __init__(self, path: Path) -> None:
        """Hold the path.

        Args:
            path: of the file.
        """
        self.path = path
        self.notes: list[str] = []

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """Yield all words in blocks, the most frequent first in the usual files.

        Raises:
            VectorError: if the file is damaged; the message has the line or the byte.
        """

    def compose(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors of words that the file lacks, from their parts.

        Args:
            words: n words.

        Returns:
            float32 ``[n, D]``, and bool ``[n]``, False where there is no vector. Only
            the binary format of fastText has parts of words.
        """
        return np.zeros((len(words), self.dim), np.float32), np.zeros(len(words), bool)

    def error(self, problem: str) -> VectorError:
        """Return the error of this file.

        Args:
            problem: what is wrong, with the line or the byte.
        """
        return VectorError(self.path, problem)

    def finite(self, rows: np.ndarray, place: Callable[[int], str]) -> np.ndarray:
        """Return rows whose numbers are all finite.

        Args:
            rows: float32 ``[n, D]``.
            place: where the row with an index is in the file, for the message.

        Raises:
            VectorError: if a number is NaN or infinite.
        """
        broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(broken):
            raise self.error(f"{place(int(broken[0]))}: a number is NaN or infinite")
        return rows


class Decoder:
    """Decodes words from UTF-8 and counts those that are no UTF-8."""

    def __init__(self) -> None:
        """Start to count."""
        self._count, self._first = 0, ""

    def __call__(self, word: bytes) -> str:
        """Return a word; bytes that are no UTF-8 become U+FFFD.

        Args:
            word: as it is written in the file.
        """
        try:
            return word.decode("utf-8")
        except UnicodeDecodeError:
            text = word.decode("utf-8", "replace")
            self._first = self._first or text
            self._count += 1
            return text

    def notes(self) -> list[str]:
        """Return a note for the user if there were such bytes."""
        if not self._count:
            return []
        words = "1 word is" if self._count == 1 else f"{self._count:,} words are"
        return [
            f"{words} not in UTF-8, first {self._first!r}; wrong bytes were replaced"
        ]
