"""Rows of shards that are read in chunks, for data larger than memory."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.tasks.data import arrow_cache
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.reading import Kind

if TYPE_CHECKING:
    from datasets import Dataset


class Shard(NamedTuple):
    """A part of the training data, such as a file.

    Attributes:
        name: for error messages.
        rows: returns a new iterator over its rows, the same in every pass.
    """

    name: str
    rows: Callable[[], Iterator[dict[str, Any]]]


class Place(NamedTuple):
    """Where a chunk begins.

    Attributes:
        passes: passes over all shards before it.
        shard: shards before it in this pass, in the order of the pass.
        row: rows before it in its shard.
        chunk: chunks before it.
    """

    passes: int = 0
    shard: int = 0
    row: int = 0
    chunk: int = 0


class Chunk(NamedTuple):
    """Rows that are read, shuffled and batched together.

    Attributes:
        place: of its first row.
        rows: its rows, in memory.
        origins: the shard of each row, and the number of the row in it, from 1.
    """

    place: Place
    rows: "Dataset"
    origins: list[tuple[str, int]]

    def name(self, row: int) -> str:
        """Return what a row is called in an error message.

        Args:
            row: its number in the chunk, from 0.
        """
        shard, number = self.origins[row]
        return f"{shard}, row {number:,}"


class RowStream:
    """The rows of shards in chunks, in one pass over the shards after another.

    Each pass has another order of the shards; the rows of a shard keep their order.
    """

    def __init__(self, shards: Sequence[Shard], kind: Kind, seed: int) -> None:
        """Hold the shards; none is read yet.

        Args:
            shards: one or more.
            kind: the kind of the rows.
            seed: of the orders of the shards.
        """
        self.shards = shards
        self._kind: Kind = kind
        self._seed = seed

    def order(self, passes: int) -> np.ndarray:
        """Return the numbers of the shards in the order of a pass.

        Args:
            passes: the passes before it.
        """
        rng = np.random.default_rng([self._seed, passes])
        return rng.permutation(len(self.shards))

    def chunks(self, size: int, place: Place = Place()) -> Iterator[Chunk]:  # noqa: B008
        """Yield chunks without an end; the last one of a pass may be smaller.

        From the place of a chunk on, the chunks are the same again.

        Args:
            size: rows of a chunk.
            place: of the first chunk.

        Raises:
            DataError: if there is no row at the place, or the shards cannot be read.
        """
        number = place.chunk
        for passes in itertools.count(place.passes):
            start = place if passes == place.passes else Place(passes)
            rows = self._rows(start)
            first = number
            while part := list(itertools.islice(rows, size)):
                begin = part[0][0]._replace(chunk=number)
                origins = [(name, row.row + 1) for row, name, _ in part]
                values = [value for _, _, value in part]
                table = arrow_cache.in_memory(values, self._kind)
                yield Chunk(begin, table, origins)
                number += 1
            if number == first:
                shard = self.shards[self.order(passes)[start.shard]].name
                raise DataError(f"{shard} has no row {start.row + 1:,} to train on")

    def head(self, count: int) -> "Dataset":
        """Return the first rows of the first pass.

        Args:
            count: how many, if the pass has as many.

        Raises:
            DataError: if there are none, or the shards cannot be read.
        """
        return next(self.chunks(count)).rows

    def _rows(self, start: Place) -> Iterator[tuple[Place, str, dict[str, Any]]]:
        """Yield the rest of a pass: the place of each row, its shard and the row."""
        order, done = self.order(start.passes), start.row
        for number in range(start.shard, len(order)):
            shard = self.shards[order[number]]
            rows = itertools.islice(shard.rows(), done, None)
            for row, values in enumerate(rows, done):
                yield Place(start.passes, number, row), shard.name, values
            done = 0
