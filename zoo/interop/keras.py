"""Weights from and to Keras.

Keras stores ``kernel[D, G*H]``, ``recurrent_kernel[H, G*H]`` and a bias, with the gates
i f c o (LSTM) and z r h (GRU). A GRU with ``reset_after=True`` has two rows of biases.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell, ElmanCell, GRUCell, LSTMCell, ResetBeforeGRUCell
from zoo.interop.arrays import array, fill, only_cell
from zoo.layers import Layer, Recurrent

_NAMES = {
    "SimpleRNN": "rnn",
    "SimpleRNNCell": "rnn",
    "LSTM": "lstm",
    "LSTMCell": "lstm",
    "GRU": "gru",
    "GRUCell": "gru",
}
_GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def from_keras(
    source: Any,
    kind: str | None = None,
    *,
    reset_after: bool | None = None,
    nonlinearity: str = "tanh",
) -> Recurrent:
    """Convert a Keras layer into an equivalent layer.

    Args:
        source: a built ``keras.layers`` SimpleRNN, LSTM or GRU, or one of their cells;
            or the result of its ``get_weights()``.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``, for weights.
        reset_after: the form of a GRU, for weights without a bias.
        nonlinearity: of a SimpleRNN, for weights.

    Returns:
        A `Recurrent` of an `ElmanCell`, an `LSTMCell`, a `GRUCell` or a
        `ResetBeforeGRUCell`. A layer with ``go_backwards`` becomes one in reverse,
        whose outputs stay in reading order.

    Raises:
        ValueError: if a shape is unexpected, or an activation has no equivalent.
        TypeError: if `source` is neither.
    """
    reverse = False
    if not isinstance(source, Sequence):
        name = type(source).__name__
        if name not in _NAMES:
            raise TypeError(
                f"source must be one of Keras's {', '.join(_NAMES)}, or a list of "
                f"arrays, got {type(source)}"
            )
        kind = _NAMES[name]
        nonlinearity = _check_activations(source, kind)
        reset_after = getattr(source, "reset_after", None)
        reverse = getattr(source, "go_backwards", False)
        source = source.get_weights()
    kind = checks.one_of("kind", kind, _GATES)
    weights = [array(value) for value in source]
    if len(weights) not in (2, 3):
        raise ValueError(
            "source must have kernel, recurrent_kernel and optionally a bias, got "
            f"{len(weights)} arrays"
        )
    W, U = weights[:2]
    b = weights[2] if len(weights) == 3 else None
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
    cell_class: type[Cell] = {"rnn": ElmanCell, "lstm": LSTMCell}.get(
        kind, GRUCell if reset_after else ResetBeforeGRUCell
    )
    if kind == "rnn":
        options["nonlinearity"] = nonlinearity
    cell = cell_class(W.shape[0], U.shape[0], param_dtype=W.dtype, **options)
    return Recurrent(fill(cell, W=W, U=U, b=b, b_hn=b_hn), reverse=reverse)


def to_keras(source: Cell | Layer) -> list[np.ndarray]:
    """Return the weights for ``set_weights`` of the equivalent Keras layer.

    Args:
        source: an `ElmanCell`, an `LSTMCell`, a `GRUCell` (Keras's default,
            ``reset_after=True``) or a `ResetBeforeGRUCell`, or a layer of one of them.

    Returns:
        kernel, recurrent_kernel and, if the cell has one, the bias.

    Raises:
        ValueError: if Keras has no equivalent cell.
    """
    cell = only_cell(source)
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


def _check_activations(layer: Any, kind: str) -> str:
    """Return the nonlinearity; raise an error for one that our cells lack."""
    names = {
        name: getattr(getattr(layer, name), "__name__", None)
        for name in ("activation", "recurrent_activation")
        if hasattr(layer, name)
    }
    allowed = ("tanh", "relu") if kind == "rnn" else ("tanh",)
    if names.get("activation") not in allowed:
        raise ValueError(f"activation must be one of {allowed}, got {names}")
    if names.get("recurrent_activation", "sigmoid") != "sigmoid":
        raise ValueError(f"recurrent_activation must be sigmoid, got {names}")
    return names["activation"] or "tanh"
