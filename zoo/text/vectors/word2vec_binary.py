r"""The binary format of word2vec.

::

    V D\n
    word1 <D float32, little-endian>[\n]
    word2 ...

The original program writes a line feed after each vector; others write none.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from zoo.text.vectors.source import Source
from zoo.text.vectors.vector_file import Block, Decoder, VectorFile

_CHUNK = 1 << 24  # bytes that are read at a time
_LONGEST = 4096  # bytes of a word; more are a sign of another format


class Word2VecBinary(VectorFile):
    """A file of word2vec vectors with numbers in binary."""

    format = "word2vec binary"
    size: int

    def __init__(self, source: Source, dim: int, size: int) -> None:
        """Read nothing yet.

        Args:
            source: the file.
            dim: D.
            size: number of words.
        """
        super().__init__(source.path)
        self._source = source
        self.dim, self.size = dim, size

    def blocks(self) -> Iterator[Block]:
        """Yield all words in blocks, see `VectorFile.blocks`."""
        decode, width, count = Decoder(), 4 * self.dim, 0
        with self._source.opened() as file:
            offset = len(file.readline())  # of the first byte of `data`
            data = b""
            while count < self.size:
                chunk = file.read(_CHUNK)
                if not chunk:
                    raise self.error(
                        f"byte {offset + len(data):,}: the file ends in word "
                        f"{count + 1:,} of {self.size:,}: it is cut off"
                    )
                data += chunk
                words, starts, position = [], [], 0
                while count < self.size:
                    space = data.find(b" ", position, position + _LONGEST)
                    if space < 0:
                        if len(data) - position >= _LONGEST:
                            raise self.error(
                                f"byte {offset + position:,}: expected word "
                                f"{count + 1:,} and a space, got "
                                f"{data[position : position + 20]!r}"
                            )
                        break
                    start = space + 1
                    if start + width > len(data):
                        break
                    words.append(decode(data[position:space].lstrip(b"\n")))
                    starts.append(start)
                    count += 1
                    position = start + width
                if words:
                    yield Block(words, partial(self._rows, data, starts, offset))
                data, offset = data[position:], offset + position
            rest = (data + file.read(_CHUNK)).strip(b"\n")
            if rest:
                raise self.error(
                    f"byte {offset:,}: expected the end of the file after "
                    f"{self.size:,} words, as the header says, got {rest[:20]!r}"
                )
        self.notes += decode.notes()

    def _rows(
        self, data: bytes, starts: list[int], offset: int, indices: Sequence[int]
    ) -> np.ndarray:
        """Return the vectors of some words of a block, see `Block`."""
        parts = b"".join([data[starts[k] : starts[k] + 4 * self.dim] for k in indices])
        rows = np.frombuffer(parts, "<f4").reshape(-1, self.dim).astype(np.float32)
        return self.finite(rows, lambda k: f"byte {offset + starts[indices[k]]:,}")
