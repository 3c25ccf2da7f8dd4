"""Weights from and to PyTorch.

PyTorch stores a matrix as ``[G*H, D]``, the transpose of ours, and two bias vectors per
gate, whose sum is ours. Only the gate n of a GRU needs both, ``b`` and ``b_hn``.
"""

import importlib
import logging
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell, ElmanCell, GRUCell, LSTMCell, ProjectedLSTMCell
from zoo.interop.arrays import array, directions, fill
from zoo.interop.state_dict import MODULES, check_module, detect_kind, parse
from zoo.layers import GRU, LSTM, RNN, Layer

KINDS = {"rnn": (ElmanCell, RNN), "lstm": (LSTMCell, LSTM), "gru": (GRUCell, GRU)}
_log = logging.getLogger(__name__)


def from_torch(
    source: Any,
    kind: str | None = None,
    *,
    nonlinearity: str = "tanh",
    dropout: float = 0.0,
    prefix: str = "",
    dtype: Any = None,
    param_dtype: Any = jnp.float32,
) -> Layer | Cell:
    """Convert a PyTorch module into an equivalent layer or cell.

    ::

        layer = zoo.interop.from_torch(torch.nn.LSTM(50, 100))
        state, y = layer(x)     # x [B, T, 50], whatever batch_first was

    Args:
        source: a ``torch.nn`` RNN, LSTM, GRU, RNNCell, LSTMCell or GRUCell; or its
            state dict, of tensors or arrays, which defines all sizes (torch is not
            needed).
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``, for a state dict; by default detected
            from the shapes.
        nonlinearity: of an RNN, for a state dict, whose arrays do not show it.
        dropout: between layers, for a state dict.
        prefix: of the names in the state dict of a larger model, such as
            ``"encoder."``.
        dtype: of the products; by default `param_dtype`.
        param_dtype: of the parameters.

    Returns:
        A `zoo.RNN`, `zoo.LSTM` or `zoo.GRU`, or its cell.

    Raises:
        ValueError: if an entry is missing, unknown, or has an unexpected shape.
        TypeError: if `source` is neither such a module nor a mapping, for example a
            subclass or a scripted module.
    """
    if not isinstance(source, Mapping):
        check_module(source)
        kind = MODULES[type(source).__name__]
        nonlinearity = getattr(source, "nonlinearity", nonlinearity)
        dropout = getattr(source, "dropout", dropout)
        source, prefix = source.state_dict(), ""
        detected = False
    else:
        detected = kind is None
    entries = parse(source, prefix)
    first = next(iter(entries.values()))
    kind = detect_kind(first, kind)
    if detected:
        guess = f" with nonlinearity={nonlinearity!r}" if kind == "rnn" else ""
        _log.info("the shapes of the state dict are those of kind %r%s", kind, guess)
    cell_class, layer_class = KINDS[kind]
    rows, input_size = first["weight_ih"].shape
    hidden_size = rows // len(cell_class.gates)
    options: dict[str, Any] = {
        "bias": "bias_ih" in first,
        "dtype": dtype,
        "param_dtype": param_dtype,
        "rngs": nnx.Rngs(0),
    }
    if kind == "rnn":
        options["nonlinearity"] = nonlinearity
    if "weight_hr" in first:
        options["proj_size"] = first["weight_hr"].shape[0]
    if "" in entries:
        cell = cell_class(input_size, hidden_size, **options)
        return _set(cell, "", first)
    num_layers = sum(not suffix.endswith("_reverse") for suffix in entries)
    layer = layer_class(
        input_size,
        hidden_size,
        num_layers,
        dropout=dropout if num_layers > 1 else 0.0,
        bidirectional=any(suffix.endswith("_reverse") for suffix in entries),
        **options,
    )
    targets = _cells(layer)
    _check_names("layers", entries, targets)
    for suffix, cell in targets.items():
        _set(cell, suffix, entries[suffix])
    return layer


def to_torch(source: Layer | Cell) -> dict[str, Any]:
    """Return the state dict for the equivalent PyTorch module.

    ::

        module = torch.nn.LSTM(50, 100, batch_first=True)
        module.load_state_dict(zoo.interop.to_torch(layer))

    Args:
        source: as for `to_torch_arrays`.

    Returns:
        Tensors by name.

    Raises:
        ValueError: if PyTorch has no equivalent layer or cell.
        ImportError: if torch is not installed; `to_torch_arrays` does not need it.
    """
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "to_torch needs torch for its tensors; to_torch_arrays returns the same as "
            "numpy arrays"
        ) from error

    def tensor(a: np.ndarray) -> Any:
        if a.dtype == jnp.bfloat16:  # torch does not take NumPy's extension types
            return torch.from_numpy(a.astype(np.float32)).to(torch.bfloat16)
        return torch.from_numpy(a)

    return {name: tensor(a) for name, a in to_torch_arrays(source).items()}


def to_torch_arrays(source: Layer | Cell) -> dict[str, np.ndarray]:
    """Return the arrays of `to_torch` without torch.

    Args:
        source: an Elman, LSTM, projected LSTM or GRU cell, or a layer of one of them
            with equal sizes, in one direction or both.

    Returns:
        Arrays by name. The bias is in ``bias_ih``; ``bias_hh`` is zero except for the
        gate n of a GRU.

    Raises:
        ValueError: if PyTorch has no equivalent layer or cell.
    """
    if isinstance(source, Cell):
        return _get(source, "")
    cells = _cells(source)
    first = next(iter(cells.values()))
    width = len(directions(source)[0]) * first.output_size
    state: dict[str, np.ndarray] = {}
    for suffix, cell in cells.items():
        same = (type(cell), cell.hidden_size, cell.output_size, cell.b is None)
        if same != (type(first), first.hidden_size, first.output_size, first.b is None):
            raise ValueError(
                "torch has the same cell in every layer, got "
                f"{_describe(first)} and, in {suffix}, {_describe(cell)}"
            )
        if not suffix.startswith("_l0") and cell.input_size != width:
            raise ValueError(
                f"in torch, {suffix} must have the input_size {width} of the layer "
                f"below, got {cell.input_size}"
            )
        if getattr(cell, "nonlinearity", None) != getattr(first, "nonlinearity", None):
            raise ValueError("torch has the same nonlinearity in every layer")
        state.update(_get(cell, suffix))
    return state


def _describe(cell: Cell) -> str:
    bias = "no bias" if cell.b is None else "bias"
    return f"{type(cell).__name__} of {cell.hidden_size} with {bias}"


def _cells(layer: Layer) -> dict[str, Cell]:
    """Return the cells of a layer by torch's suffix: ``_l0``, ``_l0_reverse``, ..."""
    return {
        f"_l{level}" + ("_reverse" if reverse else ""): one.cell
        for level, pair in enumerate(directions(layer))
        for reverse, one in enumerate(pair)
    }


def _check_names(what: str, names: Any, expected: Any) -> None:
    if set(names) != set(expected):
        raise ValueError(f"{what} must be {sorted(expected)}, got {sorted(names)}")


def _set(cell: Cell, suffix: str, arrays: dict[str, np.ndarray]) -> Cell:
    """Set a cell from torch's arrays, after checking their names and shapes."""
    expected = _get(cell, "")
    _check_names(f"the entries of {suffix or 'the cell'}", arrays, expected)
    for name, value in arrays.items():
        checks.shape(name + suffix, value, expected[name].shape, "in torch")
    W, U = arrays["weight_ih"].T, arrays["weight_hh"].T
    P = arrays["weight_hr"].T if "weight_hr" in arrays else None
    b = b_hn = None
    if "bias_ih" in arrays:
        b, second = arrays["bias_ih"], arrays["bias_hh"]
        if isinstance(cell, GRUCell):
            H = cell.hidden_size
            b_hn = second[2 * H :]
            second = np.concatenate([second[: 2 * H], np.zeros_like(b_hn)])
        b = b + second
    return fill(cell, W=W, U=U, P=P, b=b, b_hn=b_hn)


def _get(cell: Cell, suffix: str) -> dict[str, np.ndarray]:
    """Return a cell as torch's arrays."""
    if type(cell) not in (ElmanCell, LSTMCell, ProjectedLSTMCell, GRUCell):
        raise ValueError(f"torch has no {type(cell).__name__}")
    arrays = {
        "weight_ih": array(cell.W).T.copy(),
        "weight_hh": array(cell.U).T.copy(),
    }
    if cell.b is not None:
        arrays["bias_ih"] = array(cell.b).copy()
        arrays["bias_hh"] = np.zeros_like(arrays["bias_ih"])
        if isinstance(cell, GRUCell):
            arrays["bias_hh"][2 * cell.hidden_size :] = array(cell.b_hn)
    if isinstance(cell, ProjectedLSTMCell):
        arrays["weight_hr"] = array(cell.P).T.copy()
    return {name + suffix: value for name, value in arrays.items()}
