"""One cell from and to the weights of Keras.

Keras stores ``kernel[D, G*H]``, ``recurrent_kernel[H, G*H]`` and a bias, with the gates
i f c o (LSTM) and z r h (GRU). A GRU with ``reset_after=True`` has two rows of biases.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell, ElmanCell, GRUCell, LSTMCell, ResetBeforeGRUCell
from zoo.interop.arrays import array, fill

_KINDS = ("rnn", "lstm", "gru")


def cell_from_weights(
    weights: Sequence[Any],
    kind: str | None,
    *,
    reset_after: bool | None,
    nonlinearity: str,
    dtype: Any = None,
) -> Cell:
    """Return the cell with the weights of a Keras layer or cell.

    Args:
        weights: kernel, recurrent_kernel and optionally a bias.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        reset_after: the form of a GRU; may be None if it has a bias.
        nonlinearity: of a SimpleRNN.
        dtype: of the products.

    Raises:
        ValueError: if an option is missing, or a shape is unexpected.
    """
    kind = checks.one_of("kind", kind, _KINDS)
    arrays = [array(value) for value in weights]
    if len(arrays) not in (2, 3):
        raise ValueError(
            "source must have kernel, recurrent_kernel and optionally a bias, got "
            f"{len(arrays)} arrays; for a Bidirectional or a stack, pass the layer"
        )
    W, U = arrays[:2]
    b = arrays[2] if len(arrays) == 3 else None
    b_hn = None
    if kind == "gru":
        if b is not None:
            if reset_after is not None and reset_after != (b.ndim == 2):
                raise ValueError(
                    f"reset_after={reset_after}, but the bias is {b.shape}"
                )
            reset_after = b.ndim == 2
        if reset_after is None:
            raise ValueError("reset_after is required for a GRU without bias")
        W, U = _swap(W), _swap(U)
        b = None if b is None else _swap(b)
        if reset_after and b is not None:
            H = U.shape[0]
            (b, second), b_hn = b, b[1, 2 * H :]
            b = b + np.concatenate([second[: 2 * H], np.zeros_like(b_hn)])
    options: dict[str, Any] = {"bias": b is not None, "rngs": nnx.Rngs(0)}
    gru = GRUCell if reset_after else ResetBeforeGRUCell
    cell_class: type[Cell] = {"rnn": ElmanCell, "lstm": LSTMCell, "gru": gru}[kind]
    if kind == "rnn":
        options["nonlinearity"] = nonlinearity
    cell = cell_class(
        W.shape[0], U.shape[0], dtype=dtype, param_dtype=W.dtype, **options
    )
    return fill(cell, W=W, U=U, b=b, b_hn=b_hn)


def weights_of_cell(cell: Cell) -> list[np.ndarray]:
    """Return kernel, recurrent_kernel and, if the cell has one, the bias.

    Args:
        cell: an `ElmanCell`, `LSTMCell`, `GRUCell` or `ResetBeforeGRUCell`.

    Raises:
        ValueError: if Keras has no equivalent cell.
    """
    if type(cell) not in (ElmanCell, LSTMCell, GRUCell, ResetBeforeGRUCell):
        raise ValueError(f"Keras has no {type(cell).__name__}")
    weights = [array(cell.W).copy(), array(cell.U).copy()]
    if cell.b is not None:
        weights.append(array(cell.b).copy())
    if isinstance(cell, GRUCell | ResetBeforeGRUCell):
        weights = [_swap(value) for value in weights]
    if isinstance(cell, GRUCell) and cell.b is not None:
        second = np.zeros_like(weights[2])
        second[2 * cell.hidden_size :] = array(cell.b_hn)
        weights[2] = np.stack([weights[2], second])
    return weights


def _swap(value: np.ndarray) -> np.ndarray:
    """Convert the gate order z r h to r z n, and back."""
    first, second, third = np.split(value, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)
