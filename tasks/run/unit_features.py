"""Which hidden units correlate with readable features of a text: numpy only.

Units that count the position in a line or are active in quotations: Karpathy et al.
2015, arXiv:1506.02078.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

OPENING, CLOSING = "([{", ")]}"


class BestUnit(NamedTuple):
    """The unit that correlates most with a feature.

    Attributes:
        feature: name of the feature.
        unit: index of the unit.
        correlation: Pearson's r of the two.
    """

    feature: str
    unit: int
    correlation: float


def text_features(characters: Sequence[str]) -> dict[str, np.ndarray]:
    """Return features of each position that its character alone does not determine.

    Args:
        characters: T characters.

    Returns:
        By name, ``[T]``: the position in the line and in the word, in characters;
        whether the position is inside quotation marks, which close at the end of a
        paragraph at the latest; the depth of open brackets.
    """
    values = np.zeros((4, len(characters)), np.float32)
    line = word = depth = 0
    quoted, previous = False, ""
    for t, character in enumerate(characters):
        line = 0 if character == "\n" else line + 1
        word = 0 if character.isspace() else word + 1
        quoted ^= character == '"'
        if character == "\n" == previous:
            quoted, depth = False, 0
        depth = max(depth + (character in OPENING) - (character in CLOSING), 0)
        values[:, t] = line, word, quoted, depth
        previous = character
    names = (
        *("position in the line", "position in the word"),
        *("inside quotation marks", "depth of brackets"),
    )
    return dict(zip(names, values, strict=True))


def best_units(y: np.ndarray, features: Mapping[str, np.ndarray]) -> list[BestUnit]:
    """Return the unit with the largest absolute correlation for each feature.

    Args:
        y: outputs of H units, ``[T, H]``.
        features: ``[T]`` by name; constant features are skipped.

    Returns:
        One per feature, in descending order of the absolute correlation.
    """
    varying = {name: v for name, v in features.items() if np.ptp(v) > 0}
    if not varying:
        return []
    units = _standardise(y)
    r = np.stack([_standardise(v[:, None])[:, 0] @ units for v in varying.values()])
    r = r / len(y)  # [F, H]
    best = np.abs(r).argmax(axis=1)
    result = [
        BestUnit(name, int(unit), float(row[unit]))
        for name, unit, row in zip(varying, best, r, strict=True)
    ]
    return sorted(result, key=lambda unit: -abs(unit.correlation))


def most_variable_unit(y: np.ndarray) -> int:
    """Return the unit whose output has the largest standard deviation.

    Args:
        y: outputs of H units, ``[T, H]``.
    """
    return int(y.std(axis=0).argmax())


def _standardise(y: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and variance 1; constant columns become zero."""
    centred = y - y.mean(axis=0)
    return centred / np.maximum(centred.std(axis=0), 1e-12)
