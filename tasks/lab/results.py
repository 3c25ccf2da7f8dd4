"""What the lab measures of each cell, and how the measurements are judged."""

import math
from typing import Any, NamedTuple

import numpy as np

from zoo.diagnostics import Saturation

# Fractions of the lowest loss without memory: a cell with a lower loss than the first
# remembers, a cell with a higher loss than the second does not.
SOLVED, UNSOLVED = 0.1, 0.9


class CellResult(NamedTuple):
    """The measurements of a trained cell.

    Attributes:
        name: of the cell.
        parameters: number of parameters of the model.
        history: lines of the training log, one per epoch.
        test: test scores.
        minutes: training time.
        by_length: test scores by the length of the sequences.
        before: gradient norm by the lag before training, relative to lag 0, ``[T]``.
        after: the same after training.
        gates: values ``[B, T, H]`` by the name of the gate.
        saturation: of each gate.
    """

    name: str
    parameters: int
    history: list[dict[str, Any]]
    test: dict[str, Any]
    minutes: float
    by_length: dict[int, dict[str, Any]]
    before: np.ndarray
    after: np.ndarray
    gates: dict[str, np.ndarray]
    saturation: dict[str, Saturation]


class InitialGradients(NamedTuple):
    """Gradients of untrained cells with one initialisation and input scale.

    Attributes:
        init: the initialisation.
        input_scale: factor of the inputs.
        gradients: norm by the lag, relative to lag 0, ``[T]``, by the cell.
        trained: whether the cells of the comparison were trained from here.
    """

    init: str
    input_scale: float
    gradients: dict[str, np.ndarray]
    trained: bool


def verdict(loss: float, memoryless: float) -> str:
    """Return whether a loss shows a memory.

    Args:
        loss: on test.
        memoryless: the lowest loss without memory.
    """
    if loss < SOLVED * memoryless:
        return "remembers"
    if loss > UNSOLVED * memoryless:
        return "does not remember"
    return "remembers partly"


def half_life(forget: np.ndarray) -> float:
    """Return in how many steps a forget gate halves the state of its unit.

    Args:
        forget: values of the gate, in (0, 1).
    """
    rate = -float(np.log(np.clip(forget, 1e-12, 1.0)).mean())
    return math.inf if rate == 0.0 else math.log(2.0) / rate
