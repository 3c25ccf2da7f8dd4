"""Which unit of a layer follows what a reader sees in a text: numpy only.

The idea of cells that count the place in a line or light up in quotations is of
Karpathy et al. 2015, arXiv:1506.02078.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

OPEN, CLOSE = "([{", ")]}"


class Following(NamedTuple):
    """The unit that follows a feature best.

    Attributes:
        feature: its name.
        unit: number of the unit.
        r: their correlation, of Pearson.
    """

    feature: str
    unit: int
    r: float


def features(letters: Sequence[str]) -> dict[str, np.ndarray]:
    """Return what a reader sees at each letter and no single letter tells.

    Args:
        letters: T characters.

    Returns:
        By name, ``[T]``: the place in the line and in the word, counted in letters;
        whether one is in quotation marks, which end with the paragraph at the latest;
        how deep in brackets.
    """
    found = np.zeros((4, len(letters)), np.float32)
    line = word = depth = 0
    quoted, before = False, ""
    for t, letter in enumerate(letters):
        line = 0 if letter == "\n" else line + 1
        word = 0 if letter.isspace() else word + 1
        quoted ^= letter == '"'
        if letter == "\n" == before:
            quoted, depth = False, 0
        depth = max(depth + (letter in OPEN) - (letter in CLOSE), 0)
        found[:, t] = line, word, quoted, depth
        before = letter
    names = (
        *("place in the line", "place in the word"),
        *("quotation marks around it", "brackets around it"),
    )
    return dict(zip(names, found, strict=True))


def follow(y: np.ndarray, seen: dict[str, np.ndarray]) -> list[Following]:
    """Return for each feature the unit that follows it best, the best one first.

    Args:
        y: outputs of H units, ``[T, H]``.
        seen: features ``[T]`` by name; one that never changes is left out.
    """
    moving = {name: values for name, values in seen.items() if np.ptp(values) > 0}
    if not moving:
        return []
    of_units = _standard(y)
    r = np.stack([_standard(v[:, None])[:, 0] @ of_units for v in moving.values()])
    r = r / len(y)  # [F, H]
    best = np.abs(r).argmax(axis=1)
    found = [
        Following(name, int(unit), float(row[unit]))
        for name, unit, row in zip(moving, best, r, strict=True)
    ]
    return sorted(found, key=lambda one: -abs(one.r))


def liveliest(y: np.ndarray) -> int:
    """Return the unit whose output varies the most.

    Args:
        y: outputs of H units, ``[T, H]``.
    """
    return int(y.std(axis=0).argmax())


def _standard(y: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and variance 1; one that never changes is zero."""
    centred = y - y.mean(axis=0)
    return centred / np.maximum(centred.std(axis=0), 1e-12)
