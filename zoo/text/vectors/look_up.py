"""The vectors of the words of a vocabulary, whatever case and digits a file writes.

The words of a vocabulary are normalised; those of a file are not, or differently. The
vector of a word is the first of:

1. *exact*: that of the word itself;
2. *case*: that of the first word of the file that differs in case only. Files have the
   most frequent words first: ``paris`` gets the vector of ``Paris``, not of ``PARIS``;
3. *digits*: that of the first word that differs in case and digits only. A ``0`` of a
   vocabulary with ``0`` for every digit may be any digit in the file. Any digit may be
   ``0`` in the file, or ``#`` in a word with two or more: Google's word2vec vectors
   have ``####`` for 1984;
4. *n-grams*: the mean of those of its character n-grams, of fastText's ``.bin`` files.

A vector of zeros has no information: such words of a file are skipped.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from zoo.text.vectors.vector_file import Block, VectorFile

EXACT, CASE, DIGITS, NGRAMS = KINDS = ("exact", "case", "digits", "n-grams")
_RESERVED = {"<unk>", "<pad>", "<s>", "</s>", "<UNK>", "<PAD>"}  # no words of a text
_DIGIT = re.compile(r"\d")


class LookUp(NamedTuple):
    """The words that have a vector.

    Attributes:
        table: the vectors, float32 ``[N, D]``.
        row_of: the row of each word.
        kind_of: how each word was looked up, one of `KINDS`.
        more: words of the file that the vocabulary lacks, in the order of the file;
            they have vectors too.
        notes: what was unusual in the file.
        is_limited: whether the limit of `more` was reached, so that the file may have
            others.
    """

    table: np.ndarray
    row_of: dict[str, int]
    kind_of: dict[str, str]
    more: list[str]
    notes: list[str]
    is_limited: bool

    def counts(self, words: Iterable[str]) -> Counter[str]:
        """Return how many of some words were looked up in which way.

        Args:
            words: any words; those without a vector are not counted.
        """
        return Counter(self.kind_of[word] for word in words if word in self.kind_of)


def look_up(
    file: VectorFile,
    words: Iterable[str],
    *,
    num_more: int = 0,
    normalize: Callable[[str], str | None] = lambda word: word,
    digits: bool = False,
) -> LookUp:
    """Look up words, and choose more words of the file, in one pass over it.

    Args:
        file: from `open_vectors`.
        words: normalised words.
        num_more: largest number of words to add: the first of the file that are not
            among `words`.
        normalize: returns a word of the file as the vocabulary would have it; None if
            the vocabulary cannot contain it. Only for the words to add.
        digits: whether `words` have ``0`` for every digit.

    Raises:
        VectorError: if the file cannot be read; the message has the line or the byte.
    """
    search = _Search(words, digits)
    more: list[str] = []
    parts: list[np.ndarray] = []
    num_rows = num_zero = 0
    for block in file.blocks():
        num_more -= len(new := _more(block, search, normalize, num_more))
        more += new
        candidates = search.candidates(block)
        indices = sorted({index for index, _, _ in candidates})
        rows = block.rows(indices)
        is_zero = (rows == 0).all(axis=1)
        num_zero += int(is_zero.sum())
        rank = {index: k for k, index in enumerate(indices)}
        for index, word, kind in candidates:
            if not is_zero[rank[index]]:
                search.offer(word, kind, num_rows + rank[index])
        parts.append(rows)
        num_rows += len(rows)
    missing = [word for word in search.words if word not in search.best]
    composed, has_parts = file.compose(missing)
    for k in np.flatnonzero(has_parts & composed.any(axis=1)).tolist():
        search.offer(missing[k], NGRAMS, num_rows + k)
    table = np.concatenate([*parts, composed])
    used = sorted(search.best.items(), key=lambda item: item[1][1])
    rows = np.array([row for _, (_, row) in used], np.int64)
    notes = list(file.notes)
    if num_zero:
        notes.append(f"words with a vector of zeros were skipped: {num_zero:,}")
    return LookUp(
        table[rows],
        {word: k for k, (word, _) in enumerate(used)},
        {word: KINDS[kind] for word, (kind, _) in used},
        [word for word in more if word in search.best],
        notes,
        num_more <= 0,
    )


def _more(
    block: Block,
    search: "_Search",
    normalize: Callable[[str], str | None],
    limit: int,
) -> list[str]:
    """Add the first words of a block that are not searched yet; return them."""
    new: list[str] = []
    for written in block.words if limit > 0 else ():
        word = None if written in _RESERVED else normalize(written)
        if word and word not in search.words:
            search.add(word)
            new.append(word)
            if len(new) == limit:
                break
    return new


class _Search:
    """The words that are looked up, and the best row of each so far.

    Attributes:
        words: the words, in order.
        best: the number of the kind and the row of each word that has one.
    """

    def __init__(self, words: Iterable[str], digits: bool) -> None:
        """Add words; `digits` is that of `look_up`."""
        self.words: dict[str, None] = {}
        self.best: dict[str, tuple[int, int]] = {}
        self._digits = digits
        self._by_lower: dict[str, list[str]] = defaultdict(list)
        self._by_shape: dict[str, list[str]] = defaultdict(list)
        for word in words:
            self.add(word)

    def add(self, word: str) -> None:
        """Search a word too."""
        if word in self.words:
            return
        self.words[word] = None
        lower = word.lower()
        self._by_lower[lower].append(word)
        if _DIGIT.search(lower):
            self._by_shape[_DIGIT.sub("0", lower)].append(word)

    def candidates(self, block: Block) -> list[tuple[int, str, str]]:
        """Return index, word and kind of what may be better than the best so far."""
        result = []
        for index, written in enumerate(block.words):
            lower = written.lower()
            for word in self._by_lower.get(lower, ()):
                kind = EXACT if word == written else CASE
                if self._is_better(word, kind):
                    result.append((index, word, kind))
            if "#" in lower or _DIGIT.search(lower):
                shape = self._shape(lower)
                for word in self._by_shape.get(shape, ()) if shape else ():
                    if self._is_better(word, DIGITS):
                        result.append((index, word, DIGITS))
        return result

    def _shape(self, lower: str) -> str | None:
        """Return a lower-cased word of the file with ``0`` for the digits it may be."""
        if lower.count("#") > 1:
            lower = lower.replace("#", "0")
        shape = _DIGIT.sub("0", lower)
        return shape if self._digits or shape == lower else None

    def _is_better(self, word: str, kind: str) -> bool:
        best = self.best.get(word)
        return best is None or KINDS.index(kind) < best[0]

    def offer(self, word: str, kind: str, row: int) -> None:
        """Use a row for a word, unless it has a better one."""
        if self._is_better(word, kind):
            self.best[word] = (KINDS.index(kind), row)
