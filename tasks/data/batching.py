"""Batching of variable-length sequences into few padded shapes, in NumPy."""

from collections.abc import Iterator

import numpy as np

# On a CPU, a tagger trains on so many positions while it compiles another shape.
SHAPE_COST = 30_000
MAX_SHAPES = 16


def boundaries(
    lengths: np.ndarray,
    *,
    epochs: int = 1,
    shape_cost: int = SHAPE_COST,
    max_shapes: int = MAX_SHAPES,
) -> list[int]:
    """Choose the padded lengths of the buckets.

    Each length is a shape of batches, for which a program is compiled; more of them
    have less padding. Dynamic programming finds, for each number of buckets, the
    boundaries with the least padding. The number with the lowest cost is chosen:
    `epochs` times the positions, padding included, and `shape_cost` for each bucket.

    Args:
        lengths: length of each row.
        epochs: how often the rows are read.
        shape_cost: cost of a bucket, in positions.
        max_shapes: largest number of buckets.

    Returns:
        The padded lengths in ascending order; the last is the length of the longest
        row.
    """
    sizes, counts = np.unique(np.maximum(lengths, 1), return_counts=True)
    if len(sizes) > 256:
        # The dynamic program is quadratic: restrict the boundaries to 256 quantiles.
        sizes = np.unique(np.quantile(lengths, np.linspace(0, 1, 257), method="higher"))
        cumulative = np.searchsorted(np.sort(lengths), sizes, side="right")
        counts = np.diff(cumulative, prepend=0)
    rows_below = np.concatenate([[0], np.cumsum(counts)])
    # cost[i, j]: positions of a bucket that holds the sizes from i to j inclusive.
    n = len(sizes)
    num_rows = rows_below[None, 1:] - rows_below[:-1, None]
    cost = num_rows * sizes[None, :].astype(np.float64)
    cost[np.tril_indices(n, -1)] = np.inf
    # best[j]: fewest positions of the sizes up to j; first_sizes[k][j]: the first size
    # in the last of k + 2 buckets.
    best, first_sizes = cost[0], []
    costs = [epochs * best[-1]]
    for num_buckets in range(2, min(max_shapes, n) + 1):
        total = best[:-1, None] + cost[1:, :]
        first_sizes.append(total.argmin(axis=0) + 1)
        best = np.concatenate([[np.inf], total.min(axis=0)[1:]])
        costs.append(epochs * best[-1] + (num_buckets - 1) * shape_cost)
    descending, end = [], n - 1
    for first_size in reversed(first_sizes[: int(np.argmin(costs))]):
        descending.append(int(sizes[end]))
        end = int(first_size[end]) - 1
    return [int(sizes[end]), *reversed(descending)]


class Buckets:
    """Batches of rows of similar length.

    A row goes into the shortest bucket that holds it. Each bucket yields full batches;
    its remaining rows move to the next longer bucket if that has as many rows per
    batch. So at most one batch for each number of rows is not full, and every epoch has
    the same number of batches.

    Attributes:
        lengths: length of each row.
        sizes: padded lengths of the buckets, in ascending order.
        batch_rows: B by padded length.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        batch_size: int,
        sizes: list[int] | None = None,
        max_tokens: int | None = None,
    ) -> None:
        """Choose the buckets.

        Args:
            lengths: length of each row.
            batch_size: largest number of rows of a batch.
            sizes: padded lengths of the buckets; the default is `boundaries(lengths)`.
                For rows that are longer than all of them, buckets are added whose
                lengths are multiples of the longest.
            max_tokens: largest number of positions of a batch, rows x padded length:
                the number of rows of longer buckets is halved until the batch fits, or
                has one row.
        """
        self.lengths = np.asarray(lengths)
        if sizes is None:
            sizes = boundaries(self.lengths)
        self.sizes = list(sizes)
        longest = self.sizes[-1]
        while len(self.lengths) and self.lengths.max() > self.sizes[-1]:
            self.sizes.append(self.sizes[-1] + longest)
        self._bucket = np.searchsorted(self.sizes, self.lengths)
        counts = np.bincount(self._bucket, minlength=len(self.sizes))
        self.batch_rows: dict[int, int] = {}
        for size, count in zip(self.sizes, counts.tolist(), strict=True):
            rows = batch_size
            if max_tokens is not None and rows * size > max_tokens:
                # Nor more rows than there are: a single long row is not padded to many.
                while rows > 1 and (rows * size > max_tokens or rows // 2 >= count):
                    rows //= 2
            self.batch_rows[size] = rows
        self._num_batches = len(self.epoch(None))

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._num_batches

    def epoch(self, seed: int | None) -> list[tuple[int, np.ndarray]]:
        """Return the batches of one epoch.

        Args:
            seed: seed that shuffles rows and batches; None keeps the order of the rows
                within a bucket, shortest bucket first.

        Returns:
            For each batch, its padded length T and the indices of its rows, of which
            there are at most ``batch_rows[T]``.
        """
        rng = None if seed is None else np.random.default_rng(seed)
        batches: list[tuple[int, np.ndarray]] = []
        remaining = np.zeros(0, np.int64)
        for k, size in enumerate(self.sizes):
            rows = np.flatnonzero(self._bucket == k)
            if rng is not None:
                rows = rng.permutation(rows)
            if not len(rows):
                continue
            count = self.batch_rows[size]
            if len(remaining) and count != self.batch_rows[self._size(remaining)]:
                batches.append((self._size(remaining), remaining))
                remaining = remaining[:0]
            rows = np.concatenate([remaining, rows])
            end = len(rows) - len(rows) % count
            batches += [(size, rows[i : i + count]) for i in range(0, end, count)]
            remaining = rows[end:]
        if len(remaining):
            batches.append((self._size(remaining), remaining))
        if rng is not None:
            batches = [batches[k] for k in rng.permutation(len(batches))]
        return batches

    def _size(self, rows: np.ndarray) -> int:
        """Return the padded length of the shortest bucket that holds some rows."""
        return self.sizes[int(self._bucket[rows].max())]

    def padding(self) -> float:
        """Return the fraction of positions that are padding."""
        positions = sum(size * self.batch_rows[size] for size, _ in self.epoch(None))
        return 1 - float(self.lengths.sum()) / positions if positions else 0.0


class Streams:
    """Windows of one long text, read as parallel streams.

    The text is cut into `batch_size` streams of equal length. Row b of each batch
    continues row b of the previous batch, so a model that carries its state from batch
    to batch reads each stream without a gap.
    """

    def __init__(self, length: int, batch_size: int, window: int) -> None:
        """Divide a text into streams and windows.

        Args:
            length: number of tokens in the text.
            batch_size: number of streams.
            window: T, the number of steps in a batch.
        """
        # The last token of the text is only a label, never an input.
        self.stream_length = -(-max(length - 1, 0) // batch_size)
        self.length = length
        self.batch_size = batch_size
        self.window = window

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-self.stream_length // self.window)

    def epoch(self) -> Iterator[list[tuple[int, int]]]:
        """Yield for each batch the positions ``(start, stop)`` of its rows' inputs."""
        offsets = [b * self.stream_length for b in range(self.batch_size)]
        end = self.length - 1
        for k in range(len(self)):
            start = k * self.window
            stop = min(start + self.window, self.stream_length)
            yield [(min(o + start, end), min(o + stop, end)) for o in offsets]
