"""One attempt to break something."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trial:
    """One attempt and its outcome.

    Attributes:
        name: what was tried; together with the seed, enough to repeat it.
        outcome: how it ended, such as ``"read"`` or ``"DataError"``; the report counts
            the trials of each.
        failure: what went wrong, None if nothing did.
    """

    name: str
    outcome: str
    failure: str | None = None


Trials = Callable[[int, Path], Iterator[Trial]]
"""Yields trials without end, given a seed and an empty folder to write in.

The seed and the number of a trial determine it, whatever machine runs it.
"""
