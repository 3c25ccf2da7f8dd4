"""The archives of navec: product-quantised vectors of Russian words.

They are read by the package `navec`, of the extra ``vectors``.
Source: https://github.com/natasha/navec
"""

import tarfile
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from zoo.text.vectors.source import Source
from zoo.text.vectors.vector_file import BLOCK_WORDS, Block, VectorFile


class NavecArchive(VectorFile):
    """A ``.tar`` file of navec, whose words are in alphabetical order.

    `blocks` yields the most frequent words first.
    """

    format = "navec"
    size: int

    def __init__(self, source: Source) -> None:
        """Read the archive; vectors are unpacked when they are asked for.

        Args:
            source: the file.

        Raises:
            ImportError: if `navec` is not installed.
            VectorError: if the archive is damaged, or not one of navec.
        """
        super().__init__(source.path)
        try:
            from navec import Navec  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ImportError(
                f"{source.path}: an archive of navec needs the package navec: "
                'pip install "rnn-zoo[vectors]"'
            ) from error
        with source.mappable() as file:
            try:
                # Infinite numbers are an error where they are used.
                with np.errstate(all="ignore"):
                    archive = Navec.load(file.name)
                self._words = archive.vocab.words
                self._indexes, self._codes = archive.pq.indexes, archive.pq.codes
                num_parts, _, part = self._codes.shape
                sizes = {len(self._words), len(archive.vocab.counts)}
                sizes.add(len(self._indexes))
                if len(sizes) > 1 or self._indexes.shape[1] != num_parts:
                    raise ValueError(f"its parts have different sizes: {sorted(sizes)}")
            except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
                raise self.error(f"is a damaged navec archive: {error}") from error
            except Exception as error:  # navec checks little: any of them
                reason = f"{type(error).__name__}: {error}"
                raise self.error(f"is not a navec archive: {reason}") from error
        counts = np.asarray(archive.vocab.counts, np.int64)
        self._order = np.argsort(-counts, kind="stable")
        self.dim, self.size = num_parts * part, len(self._words)

    def blocks(self) -> Iterator[Block]:
        """Yield all words in blocks, see `VectorFile.blocks`."""
        for start in range(0, self.size, BLOCK_WORDS):
            ids = self._order[start : start + BLOCK_WORDS]
            words = [self._words[k] for k in ids.tolist()]

            def rows(indices: Sequence[int], ids: np.ndarray = ids) -> np.ndarray:
                codes = self._indexes[ids[np.asarray(indices, np.int64)]]
                parts = self._codes[np.arange(len(self._codes)), codes]
                vectors = parts.reshape(-1, self.dim).astype(np.float32)
                place = lambda k: f"the vector of {words[indices[k]]!r}"  # noqa: E731, B023
                return self.finite(vectors, place)

            yield Block(words, rows)
