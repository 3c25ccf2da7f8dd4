"""The NumPy versions of all cells by name, and a loop over rows and tokens."""

import types
from typing import Any

import numpy as np

from tests.helpers.numpy_cells import (
    additive,
    clock,
    elman,
    gru,
    highway,
    linear,
    lstm,
    matrix,
    oscillator,
    quasi,
    stable,
    typed,
    unitary,
)

_FAMILIES = (elman, lstm, gru, additive, stable, oscillator, linear)
_FAMILIES += (typed, quasi, clock, highway, unitary, matrix)

CELLS = {
    name: function
    for family in _FAMILIES
    for name, function in vars(family).items()
    if isinstance(function, types.FunctionType)
    and function.__module__ == family.__name__
    and not name.startswith("_")
}


def output(result: dict[str, np.ndarray]) -> np.ndarray:
    """Return the output of a step: y if the cell has one, otherwise the state h."""
    return result["y"] if "y" in result else result["h"]


def run(
    name: str,
    params: dict[str, Any],
    x: np.ndarray,
    *,
    mask: np.ndarray,
    reset: np.ndarray,
    reverse: bool,
    state: dict[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
    """Run a cell over each row separately, token by token.

    A real token with a reset starts a new sequence in its row, and each sequence starts
    from the zero state; in reverse, each starts at its last token. The argument `state`
    is for the first sequence in processing order, unless that starts with a reset.

    Returns:
        The final states, the outputs, and the states after all steps, as the library's
        layers return them.
    """
    cell = CELLS[name]
    B, T, _ = x.shape
    first = {part: a[:1] for part, a in state.items()}
    result = cell(params, first, x[:1, 0])
    y = np.zeros((B, T, output(result).shape[1]))
    states = {part: np.zeros((B, T, *a.shape[1:])) for part, a in state.items()}
    final = {part: a.copy() for part, a in state.items()}
    for row in range(B):
        now = {part: a[row : row + 1] for part, a in state.items()}
        zero = {part: np.zeros_like(a) for part, a in now.items()}
        restart = False
        for t in reversed(range(T)) if reverse else range(T):
            if mask[row, t]:
                if restart or (reset[row, t] and not reverse):
                    now = zero
                restart = reset[row, t] and reverse
                now = cell(params, now, x[row : row + 1, t])
                y[row, t] = output(now)[0]
            for part in states:
                states[part][row, t] = now[part][0]
        for part in final:
            final[part][row] = now[part][0]
    return final, y, states
