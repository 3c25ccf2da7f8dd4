"""One cell from and to the weights of Keras.

Keras stores ``kernel[D, G*H]``, ``recurrent_kernel[H, G*H]`` and a bias, with the gates
i f c o (LSTM) and z r h (GRU). A GRU with ``reset_after=True`` has two rows of biases.
CuDNNLSTM and CuDNNGRU of Keras 2 have the same order of gates, but the bias is one
vector with both biases of each gate, and each block of a gate is laid out as in cuDNN.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo import checks
from zoo.cells import Cell, ElmanCell, GRUCell, LSTMCell, ResetBeforeGRUCell
from zoo.interop.arrays import array, first_bias, join_biases, new_cell, second_bias
from zoo.interop.library import check_unused, name_of

NAMES: dict[type[Cell], str] = {
    ElmanCell: "SimpleRNN",
    LSTMCell: "LSTM",
    GRUCell: "GRU",
    ResetBeforeGRUCell: "GRU",
}
KINDS = {name: name.removeprefix("Simple").lower() for name in NAMES.values()}


def cell_from_weights(
    weights: Sequence[Any],
    kind: str | None,
    *,
    reset_after: bool | None,
    nonlinearity: str | None,
    dtype: Any = None,
) -> Cell:
    """Return the cell with the weights of a Keras layer or cell.

    Args:
        weights: kernel, recurrent_kernel and optionally a bias; those of a CuDNNLSTM or
            CuDNNGRU are known by the length of the bias.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        reset_after: the form of a GRU; may be None if it has a bias.
        nonlinearity: of a SimpleRNN; None for ``"tanh"``.
        dtype: of the products.

    Raises:
        ValueError: if an option is missing or does not apply, or a shape is unexpected.
    """
    kind = checks.one_of("kind", kind, KINDS.values())
    if kind != "gru":
        reason = f"an option of a GRU, and kind is {kind!r}"
        check_unused(reason, reset_after=reset_after)
    if kind != "rnn":
        reason = f"an option of a SimpleRNN, and kind is {kind!r}"
        check_unused(reason, nonlinearity=nonlinearity)
    arrays = [array(value) for value in weights]
    if len(arrays) not in (2, 3):
        raise ValueError(
            "source must have kernel, recurrent_kernel and optionally a bias, got "
            f"{len(arrays)} arrays; for a Bidirectional or a stack, pass the layer"
        )
    W, U = arrays[:2]
    b = arrays[2] if len(arrays) == 3 else None
    if b is not None and kind != "rnn" and b.shape == (2 * U.shape[-1],):
        W, U, b = _from_cudnn(W, U, b, kind)
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
            checks.shape("bias", b, (2, U.shape[1]), "[2, 3*H]")
            b, b_hn = join_biases(GRUCell, *b)
    gru = GRUCell if reset_after else ResetBeforeGRUCell
    cell_class: type[Cell] = {"rnn": ElmanCell, "lstm": LSTMCell, "gru": gru}[kind]
    options = {} if nonlinearity is None else {"nonlinearity": nonlinearity}
    arrays = {"W": W, "U": U, "b": b, "b_hn": b_hn}
    return new_cell(cell_class, arrays, dtype=dtype, **options)


def _from_cudnn(
    W: np.ndarray, U: np.ndarray, b: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Convert the weights of a CuDNNLSTM or CuDNNGRU to those of an LSTM or GRU.

    cuDNN multiplies from the left: the block of a gate in its kernel is stored as
    ``[H, D]`` under the shape ``[D, H]``, and that in its recurrent kernel transposed.

    Args:
        W: ``[D, G*H]``.
        U: ``[H, G*H]``.
        b: ``[2*G*H]``, the biases of the product with x, then those with h.
        kind: ``"lstm"``, which adds both biases, or ``"gru"``.

    Raises:
        ValueError: if a shape is unexpected.
    """
    gates = len(LSTMCell.gates if kind == "lstm" else GRUCell.gates)
    H = U.shape[1] // gates
    checks.shape("recurrent_kernel", U, (H, gates * H), "[H, G*H] of CuDNN")
    checks.shape("kernel", W, (W.shape[0], gates * H), "[D, G*H] of CuDNN")
    D = W.shape[0]
    W = np.hstack([block.reshape(H, D).T for block in np.split(W, gates, axis=1)])
    U = np.hstack([block.T for block in np.split(U, gates, axis=1)])
    pair = b.reshape(2, -1)
    return W, U, pair.sum(axis=0) if kind == "lstm" else pair


def weights_of_cell(cell: Cell) -> list[np.ndarray]:
    """Return kernel, recurrent_kernel and, if the cell has one, the bias.

    Args:
        cell: an `ElmanCell`, `LSTMCell`, `GRUCell` or `ResetBeforeGRUCell`.

    Raises:
        ValueError: if Keras has no equivalent cell.
    """
    name = name_of(cell, NAMES, "Keras")
    weights = [array(cell.W).copy(), array(cell.U).copy()]
    if cell.b is not None:
        b = first_bias(cell)
        is_pair = isinstance(cell, GRUCell)
        weights.append(np.stack([b, second_bias(cell)]) if is_pair else b)
    return [_swap(value) for value in weights] if name == "GRU" else weights


def _swap(value: np.ndarray) -> np.ndarray:
    """Convert the gate order z r h to r z n, and back."""
    first, second, third = np.split(value, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)
