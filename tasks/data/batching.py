"""Rows of different length into batches of few shapes: numpy only."""

from collections.abc import Iterator

import numpy as np


def boundaries(
    lengths: np.ndarray, *, padding: float = 0.08, max_shapes: int = 16
) -> list[int]:
    """Choose the lengths to which rows are filled up: as few as serve.

    Dynamic programming finds, for each number of buckets, the boundaries with the least
    padding; the smallest number whose share of padding is below `padding` wins.

    Args:
        lengths: of all rows.
        padding: the share of positions that may be padding.
        max_shapes: the most buckets.

    Returns:
        The lengths of the buckets, ascending; the last is the longest row's.
    """
    sizes, counts = np.unique(np.maximum(lengths, 1), return_counts=True)
    if len(sizes) > 256:
        # Nearly as good, and quick: every boundary at one of 256 quantiles.
        at = np.unique(np.quantile(lengths, np.linspace(0, 1, 257), method="higher"))
        counts = np.diff(np.searchsorted(np.sort(lengths), at, side="right"), prepend=0)
        sizes = at
    below = np.concatenate([[0], np.cumsum(counts)])
    # cost[i, j]: positions of a bucket with the sizes from i on up to j, included.
    n = len(sizes)
    cost = (below[None, 1:] - below[:-1, None]) * sizes[None, :].astype(np.float64)
    cost[np.tril_indices(n, -1)] = np.inf
    real = float(np.maximum(lengths, 1).sum())
    best, cuts = cost[0], []
    for shapes in range(1, max_shapes + 1):
        if 1 - real / best[-1] <= padding or shapes == min(max_shapes, n):
            break
        total = best[:-1, None] + cost[1:, :]
        cuts.append(total.argmin(axis=0) + 1)
        best = np.concatenate([[np.inf], total.min(axis=0)[1:]])
    found, end = [], n - 1
    for cut in reversed(cuts):
        found.append(int(sizes[end]))
        end = int(cut[end]) - 1
    return [int(sizes[end]), *reversed(found)]


class Buckets:
    """Batches of rows of about the same length.

    A row goes into the shortest bucket that holds it. Of each bucket whole batches are
    taken; the rows left over move up to the next, so that all batches but one are full
    and every epoch has the same number of them.
    """

    def __init__(
        self, lengths: np.ndarray, batch_size: int, sizes: list[int] | None = None
    ) -> None:
        """Sort rows into buckets.

        Args:
            lengths: of all rows.
            batch_size: rows of a batch.
            sizes: the lengths of the buckets, by default those of `boundaries`; a row
                longer than all of them gets a bucket of its own length, rounded up to a
                multiple of the longest.
        """
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        if sizes is None:
            # Each shape is compiled: it should serve several batches.
            most = min(16, max(1, len(self) // 4))
            sizes = boundaries(self.lengths, max_shapes=most)
        self.sizes = list(sizes)
        longest = self.sizes[-1]
        while len(self.lengths) and self.lengths.max() > self.sizes[-1]:
            self.sizes.append(self.sizes[-1] + longest)

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def epoch(self, seed: int | None) -> list[tuple[int, np.ndarray]]:
        """Lay out the batches of one epoch.

        Args:
            seed: shuffles rows and batches; None keeps the order of the rows within a
                bucket, shortest bucket first.

        Returns:
            For each batch its T and the numbers of its rows.
        """
        rng = None if seed is None else np.random.default_rng(seed)
        bucket = np.searchsorted(self.sizes, self.lengths)
        plan: list[tuple[int, np.ndarray]] = []
        left = np.zeros(0, np.int64)
        for k, size in enumerate(self.sizes):
            rows = np.flatnonzero(bucket == k)
            if rng is not None:
                rows = rng.permutation(rows)
            rows = np.concatenate([left, rows])
            whole = len(rows) - len(rows) % self.batch_size
            plan += [
                (size, rows[i : i + self.batch_size])
                for i in range(0, whole, self.batch_size)
            ]
            left = rows[whole:]
        if len(left):
            fits = self.sizes[
                int(np.searchsorted(self.sizes, self.lengths[left].max()))
            ]
            plan.append((fits, left))
        if rng is not None:
            plan = [plan[k] for k in rng.permutation(len(plan))]
        return plan

    def padding(self) -> float:
        """Return the share of positions that hold no token."""
        positions = sum(size * self.batch_size for size, _ in self.epoch(None))
        return 1 - float(self.lengths.sum()) / positions if positions else 0.0


class Streams:
    """One long text, read as several in parallel, window after window.

    The text is cut into `batch_size` pieces of equal length. Row b of each batch goes
    on where row b of the batch before ended, so that a state carried from batch to
    batch reads each piece as a whole.
    """

    def __init__(self, length: int, batch_size: int, window: int) -> None:
        """Plan the windows.

        Args:
            length: of the text.
            batch_size: pieces read in parallel.
            window: T of a batch.
        """
        # The last token of all is a label only.
        self.piece = -(-max(length - 1, 0) // batch_size)
        self.length = length
        self.batch_size = batch_size
        self.window = window

    def __len__(self) -> int:
        return -(-self.piece // self.window)

    def epoch(self) -> Iterator[list[tuple[int, int]]]:
        """Yield for each batch the positions ``(start, stop)`` of its rows' inputs."""
        for k in range(len(self)):
            first = k * self.window
            last = min(first + self.window, self.piece)
            offsets = [b * self.piece for b in range(self.batch_size)]
            end = self.length - 1
            yield [(min(o + first, end), min(o + last, end)) for o in offsets]
