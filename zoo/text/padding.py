"""Rows of different lengths as one padded batch."""

from collections.abc import Sequence

import numpy as np


def pad(
    rows: Sequence[dict[str, np.ndarray]], length: int, batch_size: int
) -> dict[str, np.ndarray]:
    """Pad rows of different lengths into one batch.

    Args:
        rows: B' rows of arrays by name. An array ``[T', ...]`` is padded with zeros to
            ``[T, ...]``; a scalar is not padded. The first array of a row defines T'.
        length: T, at least the length of the longest row.
        batch_size: B, at least B'; rows from B' on are all padding.

    Returns:
        Arrays ``[B, T, ...]`` or ``[B]`` by name, and ``mask`` bool ``[B, T]``.
    """
    batch: dict[str, np.ndarray] = {}
    mask = np.zeros((batch_size, length), bool)
    for name, first in rows[0].items():
        inner = () if first.ndim == 0 else (length, *first.shape[1:])
        batch[name] = np.zeros((batch_size, *inner), first.dtype)
        for b, row in enumerate(rows):
            value = row[name]
            batch[name][(b, slice(len(value))) if value.ndim else b] = value
    for b, row in enumerate(rows):
        mask[b, : len(next(iter(row.values())))] = True
    return {**batch, "mask": mask}
