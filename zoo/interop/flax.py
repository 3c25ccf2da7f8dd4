"""Weights from and to Flax, linen and nnx.

linen stores a matrix per gate, ``ii if ig io`` for the input and ``hi hf hg ho`` for
the state, with one bias per gate, for the LSTM next to the state's matrix. nnx's
OptimizedLSTMCell concatenates them into ``dense_i`` and ``dense_h``.
"""

import logging
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell, ElmanCell, GRUCell, LSTMCell, ResetAfterMGUCell
from zoo.interop.arrays import array, fill, only_cell
from zoo.layers import Layer, Recurrent

_log = logging.getLogger(__name__)

# kind: our cell, and Flax's names of the input and state matrices in our gate order
_KINDS: dict[str, tuple[type[Cell], tuple[str, ...], tuple[str, ...]]] = {
    "lstm": (LSTMCell, ("ii", "if", "ig", "io"), ("hi", "hf", "hg", "ho")),
    "gru": (GRUCell, ("ir", "iz", "in"), ("hr", "hz", "hn")),
    "mgu": (ResetAfterMGUCell, ("if", "in"), ("hf", "hn")),
    "rnn": (ElmanCell, ("i",), ("h",)),
}
_WITH_B_HN = ("gru", "mgu")  # kinds with a bias of the state's product, ``b_hn``
_NNX = {
    nnx.LSTMCell: "lstm",
    nnx.OptimizedLSTMCell: "lstm",
    nnx.GRUCell: "gru",
    nnx.SimpleCell: "rnn",
}


def from_flax(source: Any, kind: str | None = None) -> Cell | Recurrent:
    """Convert a Flax cell into an equivalent cell.

    Args:
        source: an ``nnx`` LSTMCell, OptimizedLSTMCell, GRUCell or SimpleCell, or an
            ``nnx.RNN`` of one; or the parameters of the linen cell of that name, or of
            a linen MGUCell, with or without the outer ``"params"``. Activations must be
            the defaults.
        kind: ``"lstm"``, ``"gru"``, ``"mgu"`` or ``"rnn"``; by default detected from
            the names.

    Returns:
        An `LSTMCell`, a `GRUCell`, a `ResetAfterMGUCell` or an `ElmanCell`; for an
        ``nnx.RNN`` with ``reverse=True`` a `Recurrent` of it in reverse, whose outputs
        stay in reading order, as with Flax's ``keep_order=True``.

    Raises:
        ValueError: if a name or a shape is unexpected, or an option of the cell has no
            equivalent.
        TypeError: if `source` is neither.
    """
    if isinstance(source, nnx.RNN):
        cell = only_cell(from_flax(source.cell, kind))
        if not source.reverse:
            return cell
        if not source.keep_order:
            _log.warning(
                "nnx.RNN(reverse=True, keep_order=False) returns its outputs from the "
                "last step to the first; the converted layer returns them in reading "
                "order"
            )
        return Recurrent(cell, reverse=True)
    if type(source) in _NNX:
        kind = _NNX[type(source)]
        _check_options(source)
        source = _names_of_nnx(source, kind)
    if not isinstance(source, Mapping):
        names = ", ".join(f"nnx.{cell.__name__}" for cell in _NNX)
        raise TypeError(
            f"source must be one of {names}, or the parameters of a linen cell, got "
            f"{type(source)}"
        )
    source = source.get("params", source)
    kind = _detect_kind(source, kind)
    cell_class, inputs, hiddens = _KINDS[kind]
    missing = [name for name in inputs + hiddens if name not in source]
    if missing:
        raise ValueError(
            f"parameters of kind {kind!r} must be {inputs + hiddens}, missing {missing}"
        )
    W, U = (
        np.concatenate([array(source[name]["kernel"]) for name in names], axis=1)
        for names in (inputs, hiddens)
    )
    biases = [
        [array(source[n]["bias"]) if "bias" in source[n] else None for n in names]
        for names in (inputs, hiddens)
    ]
    size = U.shape[0]
    b_hn = None
    if kind in _WITH_B_HN:
        b_hn = biases[1][-1] if biases[1][-1] is not None else np.zeros(size, U.dtype)
        biases[1][-1] = None
    b = np.concatenate(
        [
            sum((v for v in pair if v is not None), np.zeros(size, U.dtype))
            for pair in zip(*biases, strict=True)
        ]
    )
    cell = cell_class(W.shape[0], size, param_dtype=W.dtype, rngs=nnx.Rngs(0))
    return fill(cell, W=W, U=U, b=b, b_hn=b_hn)


def to_flax(source: Cell | Layer, form: str = "linen") -> Any:
    """Convert a cell into an equivalent Flax cell.

    Args:
        source: an `LSTMCell`, a `GRUCell`, a `ResetAfterMGUCell` or an `ElmanCell`, or
            a layer of one of them.
        form: ``"linen"`` for the parameters of the linen cell, ``"nnx"`` for an ``nnx``
            cell, ``"nnx_optimized"`` for an ``nnx.OptimizedLSTMCell``.

    Returns:
        ``{"params": ...}`` (also valid for linen's OptimizedLSTMCell), or a module.

    Raises:
        ValueError: if Flax has no equivalent cell.
    """
    checks.one_of("form", form, ("linen", "nnx", "nnx_optimized"))
    cell = only_cell(source)
    known: dict[Any, str] = {value[0]: kind for kind, value in _KINDS.items()}
    if type(cell) not in known:
        raise ValueError(f"Flax has no {type(cell).__name__}")
    kind = known[type(cell)]
    _, inputs, hiddens = _KINDS[kind]
    G = len(inputs)
    W, U = (np.split(array(w), G, axis=1) for w in (cell.W, cell.U))
    bias = (
        np.zeros(G * cell.hidden_size, W[0].dtype) if cell.b is None else array(cell.b)
    )
    b = np.split(bias, G)
    params: dict[str, dict[str, np.ndarray]] = {}
    for k in range(G):
        params[inputs[k]] = {"kernel": W[k].copy()}
        params[hiddens[k]] = {"kernel": U[k].copy()}
        params[(hiddens if kind == "lstm" else inputs)[k]]["bias"] = b[k].copy()
    if isinstance(cell, GRUCell | ResetAfterMGUCell):
        zero = np.zeros_like(b[0])
        params["hn"]["bias"] = zero if cell.b_hn is None else array(cell.b_hn).copy()
    if form == "linen":
        return {"params": params}
    return _build_nnx(cell, kind, params, form == "nnx_optimized")


def _detect_kind(source: Mapping[str, Any], kind: str | None) -> str:
    """Return the kind of cell that has these names of parameters."""
    detected = next(
        (k for k, (_, i, h) in _KINDS.items() if {*i, *h} == set(source)), None
    )
    if detected is None:
        raise ValueError(
            "the names of the parameters must be those of an LSTMCell, a GRUCell, an "
            f"MGUCell or a SimpleCell of Flax, got {sorted(source)}"
        )
    if kind is not None and checks.one_of("kind", kind, _KINDS) != detected:
        raise ValueError(
            f"kind is {kind!r}, but the parameters are of kind {detected!r}"
        )
    return detected


def _check_options(cell: Any) -> None:
    """Raise an error for options that our cells lack."""
    if getattr(cell, "residual", False):
        raise ValueError("nnx.SimpleCell with residual=True has no equivalent")
    defaults = {"gate_fn": nnx.sigmoid, "activation_fn": nnx.tanh}
    for name, default in defaults.items():
        function = getattr(cell, name, default)
        if function is not default and function not in (jax.numpy.tanh, jax.nn.tanh):
            raise ValueError(f"{name} must be Flax's default, got {function}")


def _names_of_nnx(cell: Any, kind: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of an nnx cell under linen's names."""
    _, inputs, hiddens = _KINDS[kind]

    def parameters(linear: Any) -> dict[str, Any]:
        arrays = {"kernel": array(linear.kernel)}
        if linear.bias is not None:
            arrays["bias"] = array(linear.bias)
        return arrays

    sides = ((inputs, _side(cell, kind, "i")), (hiddens, _side(cell, kind, "h")))
    named: dict[str, dict[str, Any]] = {name: {} for name in inputs + hiddens}
    for names, linears in sides:
        if len(linears) == len(names):
            for name, linear in zip(names, linears, strict=True):
                named[name] = parameters(linear)
        else:  # one layer for all gates
            for what, value in parameters(linears[0]).items():
                blocks = np.split(value, len(names), axis=-1)
                for name, block in zip(names, blocks, strict=True):
                    named[name][what] = block
    return named


def _side(cell: Any, kind: str, side: str) -> list[Any]:
    """Return the linear layers of an nnx cell for its input or its state."""
    if hasattr(cell, f"dense_{side}"):
        return [getattr(cell, f"dense_{side}")]
    _, inputs, hiddens = _KINDS[kind]
    names = inputs if side == "i" else hiddens
    # nnx names the layer of the forget gate "if_", because "if" is a Python keyword.
    return [
        getattr(cell, name if hasattr(cell, name) else name + "_") for name in names
    ]


def _build_nnx(cell: Cell, kind: str, params: dict[str, Any], optimized: bool) -> Any:
    """Build an nnx cell with parameters under linen's names."""
    if optimized and kind != "lstm":
        raise ValueError("form='nnx_optimized' is for an LSTMCell")
    if kind not in _NNX.values():
        raise ValueError(f"nnx has no {type(cell).__name__}; form='linen' has it")
    flax_class = next(
        c
        for c, k in _NNX.items()
        if k == kind and (c is nnx.OptimizedLSTMCell) == optimized
    )
    options: dict[str, Any] = {"param_dtype": cell.param_dtype, "rngs": nnx.Rngs(0)}
    if isinstance(cell, ElmanCell):
        options["activation_fn"] = {"tanh": nnx.tanh, "relu": nnx.relu}[
            cell.nonlinearity
        ]
    if kind == "gru" and np.any(params["hn"]["bias"]):
        raise ValueError(
            "nnx.GRUCell lacks b_hn in r * (h U + b_hn), and this cell's b_hn is not "
            "zero; form='linen' has it"
        )
    flax_cell = flax_class(cell.input_size, cell.hidden_size, **options)
    _, inputs, hiddens = _KINDS[kind]
    for names, side in ((inputs, "i"), (hiddens, "h")):
        linears = _side(flax_cell, kind, side)
        groups = [[n] for n in names] if len(linears) == len(names) else [list(names)]
        for group, linear in zip(groups, linears, strict=True):
            for what in ("kernel", "bias"):
                if getattr(linear, what, None) is None:
                    continue
                size = cell.hidden_size
                zero = np.zeros(size, cell.param_dtype)
                parts = [params[name].get(what, zero) for name in group]
                getattr(linear, what)[...] = np.concatenate(parts, axis=-1)
    return flax_cell
