"""Distinct units of many texts by number: the result of a pass over a corpus."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Protocol

import numpy as np

from zoo.text.subwords import Subwords


class Numbering(Protocol):
    """Numbers the distinct units of rows, from 0.

    Called with R rows, it returns the numbers of their units one after another, ints
    ``[N]``, and how many units each row has, int64 ``[R]``.
    """

    @property
    def units(self) -> list[str]:
        """The unit of each number, of the rows so far."""
        ...

    def __call__(self, rows: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the units of rows, and the length of each row.

        Args:
            rows: R rows.
        """
        ...


class UnitNumbering:
    """Numbers any units, in the order of their first occurrence."""

    def __init__(self, split: Callable[[Any], Sequence[str]]) -> None:
        """Start from no units.

        Args:
            split: returns the units of a row.
        """
        self._split = split
        self._number_of: defaultdict[str, int] = defaultdict()
        self._number_of.default_factory = self._number_of.__len__

    @property
    def units(self) -> list[str]:
        """The unit of each number, of the rows so far."""
        return list(self._number_of)

    def __call__(self, rows: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the units of rows, and the length of each row.

        Args:
            rows: R rows, as `split` takes them.
        """
        split_rows = list(map(self._split, rows))
        numbers = map(self._number_of.__getitem__, chain.from_iterable(split_rows))
        return np.fromiter(numbers, np.int64), _lengths(split_rows)


class CharacterNumbering:
    """Numbers characters, in the order of their first occurrence."""

    def __init__(self, *, lowercase: bool = False) -> None:
        """Start from no characters.

        Args:
            lowercase: lower-case texts first.
        """
        self._lowercase = lowercase
        self._number_of = np.full(sys.maxunicode + 1, -1, np.int32)
        self._codes = np.zeros(0, np.int64)

    @property
    def units(self) -> list[str]:
        """The character of each number, of the texts so far."""
        return list(map(chr, self._codes))

    def __call__(self, rows: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the characters of texts, and the length of each text.

        Args:
            rows: R texts.
        """
        if self._lowercase:
            rows = [text.lower() for text in rows]
        encoded = "".join(rows).encode("utf-32-le", "surrogatepass")
        codes = np.frombuffer(encoded, np.uint32)
        numbers = self._number_of[codes]
        unknown = codes[numbers < 0]
        if len(unknown):
            new, first = np.unique(unknown, return_index=True)
            new = new[np.argsort(first)]
            self._number_of[new] = len(self._codes) + np.arange(len(new))
            self._codes = np.concatenate([self._codes, new])
            numbers = self._number_of[codes]
        return numbers, _lengths(rows)


class PieceNumbering:
    """Numbers subwords; also those of which no text has one."""

    def __init__(self, subwords: Subwords, *, lowercase: bool = False) -> None:
        """Take the subwords of a model.

        Args:
            subwords: the subword model.
            lowercase: lower-case texts first.
        """
        self._subwords = subwords
        self._lowercase = lowercase
        self.units = subwords.pieces()

    def __call__(self, rows: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the subwords of texts, and the length of each text.

        Args:
            rows: R texts.
        """
        if self._lowercase:
            rows = [text.lower() for text in rows]
        numbers = self._subwords.numbers(rows)
        return np.fromiter(chain.from_iterable(numbers), np.int64), _lengths(numbers)


def _lengths(rows: Iterable[Sequence[Any]]) -> np.ndarray:
    return np.fromiter(map(len, rows), np.int64)
