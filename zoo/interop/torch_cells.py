"""One cell from and to the arrays of PyTorch.

PyTorch stores a matrix as ``[G*H, D]``, the transpose of ours, and two bias vectors per
gate, whose sum is ours. Only the gate n of a GRU needs both, ``b`` and ``b_hn``.
"""

from collections.abc import Iterable

import numpy as np

from zoo import checks
from zoo.cells import Cell, ElmanCell, GRUCell, LSTMCell, ProjectedLSTMCell
from zoo.interop.arrays import array, fill, first_bias, join_biases, second_bias
from zoo.interop.library import name_of

NAMES: dict[type[Cell], str] = {
    ElmanCell: "RNN",
    LSTMCell: "LSTM",
    ProjectedLSTMCell: "LSTM",
    GRUCell: "GRU",
}


def check_names(what: str, names: Iterable[str], expected: Iterable[str]) -> None:
    """Raise an error unless the names are the expected ones.

    Args:
        what: has the names, for the message.
        names: in any order.
        expected: in any order.

    Raises:
        ValueError: if they differ.
    """
    if set(names) != set(expected):
        raise ValueError(f"{what} must be {sorted(expected)}, got {sorted(names)}")


def set_cell(cell: Cell, suffix: str, arrays: dict[str, np.ndarray]) -> Cell:
    """Set the parameters of a cell, after checking names and shapes.

    Args:
        cell: of ours.
        suffix: of torch's names, for messages.
        arrays: of torch, by name without the suffix.

    Raises:
        ValueError: if a name or a shape is unexpected.
    """
    expected = arrays_of_cell(cell, "")
    check_names(f"the entries of {suffix or 'the cell'}", arrays, expected)
    for name, value in arrays.items():
        checks.shape(name + suffix, value, expected[name].shape, "in torch")
    W, U = arrays["weight_ih"].T, arrays["weight_hh"].T
    P = arrays["weight_hr"].T if "weight_hr" in arrays else None
    b = b_hn = None
    if "bias_ih" in arrays:
        b, b_hn = join_biases(type(cell), arrays["bias_ih"], arrays["bias_hh"])
    return fill(cell, W=W, U=U, P=P, b=b, b_hn=b_hn)


def arrays_of_cell(cell: Cell, suffix: str) -> dict[str, np.ndarray]:
    """Return the arrays of torch by name.

    Args:
        cell: an Elman, LSTM, projected LSTM or GRU cell.
        suffix: of the names.

    Raises:
        ValueError: if torch has no equivalent cell.
    """
    name_of(cell, NAMES, "torch")
    arrays = {
        "weight_ih": array(cell.W).T.copy(),
        "weight_hh": array(cell.U).T.copy(),
    }
    if cell.b is not None:
        arrays["bias_ih"] = first_bias(cell)
        arrays["bias_hh"] = second_bias(cell)
    if isinstance(cell, ProjectedLSTMCell):
        arrays["weight_hr"] = array(cell.P).T.copy()
    return {name + suffix: value for name, value in arrays.items()}
