"""The binary format of fastText: words, and vectors of their character n-grams.

::

    magic, version                          int32 each
    dim ws epoch minCount neg wordNgrams    12 int32, then t in float64
      loss model bucket minn maxn lrUpdateRate
    size nwords nlabels                     int32 each
    ntokens pruneidx_size                   int64 each
    entry bytes, 0, count, type             size times: bytes, int64, int8
    is_quantised                            bool
    rows columns                            int64 each
    a row of float32 for each word, then one for each of the buckets

The vector of a word is the mean of its own row and of the rows of its n-grams; a word
that the dictionary lacks has those of its n-grams alone. N-grams are of the characters
of ``<word>``, of minn to maxn characters, and hashed into the buckets.
Source: Bojanowski et al. 2016, arXiv:1607.04606; https://fasttext.cc.
"""

import mmap
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from zoo.text.vectors.source import Source
from zoo.text.vectors.vector_file import BLOCK_WORDS, Block, Decoder, VectorFile

MAGIC = struct.pack("<i", 793712314)
VERSION = 12
_ARGUMENTS = struct.Struct("<2i12id")
_DICTIONARY = struct.Struct("<3i2q")
_ENTRY = struct.Struct("<qb")
_END = "</s>"  # the end of a line, which has no n-grams
_GROUP = 4096  # words whose n-grams are added up at a time


class FastTextBinary(VectorFile):
    """A ``.bin`` file of fastText, supervised or not; its matrix is memory-mapped."""

    format = "fastText binary"
    size: int

    def __init__(self, source: Source) -> None:
        """Read the dictionary.

        Args:
            source: the file.

        Raises:
            VectorError: if it is damaged, quantised, or of another version.
        """
        super().__init__(source.path)
        with source.mappable() as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._read(data)
        except struct.error:
            raise self._cut(len(data)) from None

    def _cut(self, size: int) -> Exception:
        return self.error(f"byte {size:,}: the file ends early: it is cut off")

    def _read(self, data: mmap.mmap) -> None:
        """Read all but the matrix, which is mapped."""
        _, version, self.dim, *arguments, _ = _ARGUMENTS.unpack_from(data)
        self._num_buckets, self._shortest, self._longest, _ = arguments[-4:]
        if version != VERSION:
            raise self.error(
                f"byte 4: is of version {version} of the format of fastText; expected "
                f"{VERSION}, which fastText has written since 2017"
            )
        position = _ARGUMENTS.size
        size, self.size, _, _, num_pruned = _DICTIONARY.unpack_from(data, position)
        position += _DICTIONARY.size
        if not (0 < self.dim and 0 <= self.size <= size and self._num_buckets >= 0):
            raise self.error(f"byte 8: the sizes {self.dim}, {size} are damaged")
        position = self._read_words(data, size, position)
        if num_pruned > 0:
            raise self.error(
                "is a pruned model of fastText: use the unquantised `.bin` model"
            )
        is_quantised, num_rows, dim = struct.unpack_from("<?2q", data, position)
        if is_quantised:
            raise self.error(
                "is a quantised model of fastText (.ftz): use the unquantised `.bin` "
                "model"
            )
        position += struct.calcsize("<?2q")
        expected = (self.size + self._num_buckets, self.dim)
        if (num_rows, dim) != expected:
            raise self.error(
                f"byte {position - 16:,}: expected a matrix {expected}, got "
                f"{(num_rows, dim)}"
            )
        if position + 4 * num_rows * dim > len(data):
            raise self._cut(len(data))
        self._matrix = np.ndarray((num_rows, dim), "<f4", data, position)

    def _read_words(self, data: mmap.mmap, size: int, position: int) -> int:
        """Read the dictionary, and return the position after it."""
        decode, words = Decoder(), []
        for _ in range(size):
            end = data.find(b"\0", position)
            if end < 0:
                raise self._cut(len(data))
            _, kind = _ENTRY.unpack_from(data, end + 1)
            if kind not in (0, 1):
                raise self.error(
                    f"byte {end + 9:,}: expected an entry type of 0 or 1, got {kind}"
                )
            words.append(data[position:end])
            position = end + 1 + _ENTRY.size
        # Labels come after the words and have no vectors.
        self._raw_words = words[: self.size]
        self._words = list(map(decode, self._raw_words))
        self.notes += decode.notes()
        return position

    def blocks(self) -> Iterator[Block]:
        """Yield all words in blocks, see `VectorFile.blocks`."""
        for start in range(0, self.size, BLOCK_WORDS):
            words = self._words[start : start + BLOCK_WORDS]

            def rows(indices: Sequence[int], start: int = start) -> np.ndarray:
                ids = [start + k for k in indices]
                parts = [[n, *self._ngrams(self._raw_words[n])] for n in ids]
                place = lambda k: f"the vector of {self._words[ids[k]]!r}"  # noqa: E731
                return self.finite(self._means(parts), place)

            yield Block(words, rows)

    def compose(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the means of the n-grams of words, see `VectorFile.compose`."""
        parts = [self._ngrams(word.encode("utf-8", "replace")) for word in words]
        rows = self.finite(self._means(parts), lambda k: f"the n-grams of {words[k]!r}")
        return rows, np.array([bool(ids) for ids in parts], bool)

    def _means(self, parts: list[list[int]]) -> np.ndarray:
        """Return the mean of some rows of the matrix for each word, zeros of none."""
        result = np.zeros((len(parts), self.dim), np.float32)
        for start in range(0, len(parts), _GROUP):
            group = parts[start : start + _GROUP]
            lengths = np.array([len(ids) for ids in group])
            some = np.flatnonzero(lengths)
            if len(some):
                rows = self._matrix[np.concatenate([group[k] for k in some])]
                ends = np.cumsum(lengths[some])
                sums = np.add.reduceat(rows, ends - lengths[some], axis=0)
                result[start + some] = sums / lengths[some, None].astype(np.float32)
        return result

    def _ngrams(self, word: bytes) -> list[int]:
        """Return the rows of the n-grams of a word."""
        if self._longest <= 0 or not self._num_buckets or word == _END.encode():
            return []
        text = b"<" + word + b">"
        # Where each character starts; bytes 10xxxxxx continue one.
        starts = [k for k, byte in enumerate(text) if byte & 0xC0 != 0x80]
        ends = [*starts[1:], len(text)]
        rows = []
        for first, start in enumerate(starts):
            value, position = 2166136261, start  # FNV-1a, of signed bytes
            for length in range(1, min(self._longest, len(starts) - first) + 1):
                end = ends[first + length - 1]
                for byte in text[position:end]:
                    signed = byte | 0xFFFFFF00 if byte & 0x80 else byte
                    value = ((value ^ signed) * 16777619) & 0xFFFFFFFF
                position = end
                is_mark = length == 1 and (first == 0 or end == len(text))
                if length >= self._shortest and not is_mark:
                    rows.append(self.size + value % self._num_buckets)
        return rows
