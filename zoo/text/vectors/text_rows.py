"""Vectors as text, a word per line: GloVe, word2vec text and fastText ``.vec``.

::

    400000 100                  number of words and size, which GloVe files lack
    the -0.0382 -0.2449 ...     a word, and D numbers

A word may contain spaces: the last D fields of a line are the numbers.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from zoo.text.vectors.source import Source
from zoo.text.vectors.vector_file import Block, Decoder, VectorError, VectorFile

_CHUNK = 1 << 24  # bytes that are read at a time
_LONGEST = 1 << 24  # bytes of a line; more are a sign of another format
_MARK = b"\xef\xbb\xbf"
_HEADER = re.compile(rb"\s*(\d{1,18})[ \t]+(\d{1,18})\s*")
_GUESS = 10  # lines from which the size of a vector without a header is derived
# Any white space in a line separates fields.
_SPACES = bytes.maketrans(b"\t\r\v\f", b"    ")


def header(line: bytes) -> tuple[int, int] | None:
    """Return the number of words and the size of a vector, None if it is no header.

    Args:
        line: the first one.
    """
    match = _HEADER.fullmatch(line.removeprefix(_MARK))
    return None if match is None else (int(match[1]), int(match[2]))


def count_numbers(line: bytes) -> int:
    """Return how many of the last fields of a line are numbers, without the word.

    Args:
        line: a word and numbers.
    """
    fields, count = line.split(), 0
    for field in reversed(fields if line[:1].isspace() else fields[1:]):
        if not _is_number(field):
            break
        count += 1
    return count


def guess_dim(lines: Sequence[bytes]) -> tuple[int, int]:
    """Return the size of a vector from the first lines of a file without a header.

    Words may end in numbers, so it is the smallest number of numbers in a line.

    Args:
        lines: some, not all of white space.

    Returns:
        The size, and the index of the line that has so few numbers.
    """
    some = [(k, line) for k, line in enumerate(lines[:_GUESS]) if line.strip()]
    return min((count_numbers(line), k) for k, line in some)


class TextRows(VectorFile):
    """A text file of word vectors."""

    format = "text"

    def __init__(
        self, source: Source, dim: int, size: int | None, lines: Sequence[bytes]
    ) -> None:
        """Read nothing yet.

        Args:
            source: the file.
            dim: D.
            size: number of words, of the header; None without one.
            lines: the first ones after the header, complete.
        """
        super().__init__(source.path)
        self._source = source
        self.dim, self.size = dim, size
        # "Area 51" and D numbers look like "Area" and D + 1 numbers. Where most lines
        # have more than D numbers, D is wrong.
        counts = [count_numbers(line) for line in lines[:_GUESS] if line.strip()]
        self._is_sure = 2 * counts.count(dim) > len(counts)

    def blocks(self) -> Iterator[Block]:
        """Yield all words in blocks, see `VectorFile.blocks`."""
        first = 1 if self.size is None else 2  # number of the first line of a block
        count, num_empty, decode = 0, 0, Decoder()
        for lines in self._lines():
            words, numbers, places = [], [], []
            for number, line in enumerate(lines, first):
                word, numbers_of_word = self._split(line, number)
                if word:
                    words.append(decode(word))
                    numbers.append(numbers_of_word)
                    places.append(number)
                count += bool(numbers_of_word)
                num_empty += not word
            first += len(lines)
            yield Block(words, partial(self._rows, numbers, places))
        if self.size is not None and count != self.size:
            raise self.error(
                f"line {first:,}: the header says {self.size:,} "
                f"word{'s' * (self.size != 1)}, the file has {count:,}"
                + (": it is cut off" if count < self.size else "")
            )
        if num_empty:
            self.notes.append(f"lines without a word were skipped: {num_empty:,}")
        self.notes += decode.notes()

    def _lines(self) -> Iterator[list[bytes]]:
        """Yield the lines after the header in lists, without their ends."""
        with self._source.opened() as file:
            if self.size is not None:
                file.readline()
            rest, mark = b"", _MARK if self.size is None else b""
            while chunk := file.read(_CHUNK):
                chunk = chunk.removeprefix(mark).translate(_SPACES)
                *lines, rest = (rest + chunk).split(b"\n")
                mark = b""
                if lines:
                    yield lines
                if len(rest) > _LONGEST:
                    raise self.error(
                        f"a line has more than {_LONGEST:,} bytes: this is not a text "
                        "file of word vectors"
                    )
        if rest:
            yield [rest]
            if self.size is None:
                self.notes.append(
                    "the last line has no line end: the file may be cut off"
                )

    def _split(self, line: bytes, number: int) -> tuple[bytes, bytes]:
        """Return the word and the numbers of a line; no word if it is empty."""
        line = line.rstrip()
        is_plain = line[:1] != b" " and b"  " not in line
        if is_plain and line.count(b" ") == self.dim:
            word, _, numbers = line.partition(b" ")
            return word, numbers
        # A word with spaces, repeated spaces, or too few or too many numbers.
        fields = line.rsplit(maxsplit=self.dim)
        if not fields or len(fields) == self.dim == count_numbers(line):
            return b"", b" ".join(fields)
        word, *rest = fields
        word = word.strip()
        num_more = 0  # numbers at the end of the word
        if b" " in word and _is_number(word.rsplit(b" ", 1)[1]):
            num_more = count_numbers(line.lstrip()) - self.dim
        # So many more are those of two lines without a line end between them.
        is_wrong = num_more and not self._is_sure or num_more >= self.dim
        if len(rest) < self.dim or is_wrong:
            start = word.split(b" ")[0][:40].decode("utf-8", "replace")
            raise self.error(
                f"line {number:,}: expected a word and {self.dim} numbers, got "
                f"{count_numbers(line)} numbers after {start!r}"
            )
        return word, b" ".join(rest)

    def _rows(
        self, numbers: list[bytes], places: list[int], indices: Sequence[int]
    ) -> np.ndarray:
        """Return the vectors of some lines of a block, see `Block`."""
        text = b" ".join([numbers[k] for k in indices])
        try:
            values = np.fromstring(text, np.float32, sep=" ") if text else np.zeros(0)
        except ValueError:
            values = np.zeros(0)
        if len(values) != len(indices) * self.dim:
            raise self._first_error(numbers, places, indices)
        rows = values.reshape(-1, self.dim).astype(np.float32, copy=False)
        return self.finite(rows, lambda k: f"line {places[indices[k]]:,}")

    def _first_error(
        self, numbers: list[bytes], places: list[int], indices: Sequence[int]
    ) -> VectorError:
        """Return the error of the first field that is no number."""
        fields = ((k, field) for k in indices for field in numbers[k].split())
        k, field = next((k, field) for k, field in fields if not _is_number(field))
        return self.error(
            f"line {places[k]:,}: expected {self.dim} numbers, got "
            f"{field[:40].decode('utf-8', 'replace')!r} among them"
        )


def _is_number(field: bytes) -> bool:
    """Return whether a field is a decimal number, NaN or infinity."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field  # Python allows it in 1_000
