"""One cell from and to Flax, linen and nnx.

linen stores a matrix per gate, ``ii if ig io`` for the input and ``hi hf hg ho`` for
the state, with one bias per gate, for the LSTM next to the state's matrix. nnx's
OptimizedLSTMCell concatenates them into ``dense_i`` and ``dense_h``.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import linen, nnx

from zoo import checks
from zoo.cells import Cell, ElmanCell, GRUCell, LSTMCell, ResetAfterMGUCell
from zoo.interop.arrays import (
    activation,
    array,
    first_bias,
    join_biases,
    new_cell,
    second_bias,
)
from zoo.interop.library import name_of

# kind: our cell, and Flax's names of the input and state matrices in our gate order
_KINDS: dict[str, tuple[type[Cell], tuple[str, ...], tuple[str, ...]]] = {
    "lstm": (LSTMCell, ("ii", "if", "ig", "io"), ("hi", "hf", "hg", "ho")),
    "gru": (GRUCell, ("ir", "iz", "in"), ("hr", "hz", "hn")),
    "mgu": (ResetAfterMGUCell, ("if", "in"), ("hf", "hn")),
    "rnn": (ElmanCell, ("i",), ("h",)),
}
_NAMES = {cell: kind for kind, (cell, _, _) in _KINDS.items()}
_NNX = {
    nnx.LSTMCell: "lstm",
    nnx.OptimizedLSTMCell: "lstm",
    nnx.GRUCell: "gru",
    nnx.SimpleCell: "rnn",
}
_LINEN = {
    linen.LSTMCell: "lstm",
    linen.OptimizedLSTMCell: "lstm",
    linen.GRUCell: "gru",
    linen.MGUCell: "mgu",
    linen.SimpleCell: "rnn",
}
CELLS = {**_NNX, **_LINEN}


def cell_from_flax(source: Any, params: Any) -> Cell:
    """Return the cell that is equivalent to one of Flax.

    Args:
        source: an instance of a class in `CELLS`.
        params: of a linen cell; None for nnx.

    Raises:
        ValueError: if an option, a name or a shape has no equivalent.
    """
    kind = CELLS[type(source)]
    nonlinearity = _check_options(source, kind)
    if type(source) in _NNX:
        params = _names_of_nnx(source, kind)
    cell_class, inputs, hiddens = _KINDS[kind]
    missing = [name for name in inputs + hiddens if name not in params]
    if missing:
        raise ValueError(
            f"parameters of kind {kind!r} must be {inputs + hiddens}, missing {missing}"
        )
    if kind == "mgu" and "bias" not in params["hn"]:
        raise ValueError(
            "an MGUCell with reset_gate=False has no equivalent: hn has no bias"
        )
    sides = [[params[name] for name in names] for names in (inputs, hiddens)]
    W, U = (
        np.concatenate([array(part["kernel"]) for part in side], axis=1)
        for side in sides
    )
    zero = np.zeros(U.shape[0], U.dtype)
    first, second = (
        np.concatenate([array(part.get("bias", zero)) for part in side])
        for side in sides
    )
    b, b_hn = join_biases(cell_class, first, second)
    options = {"nonlinearity": nonlinearity} if kind == "rnn" else {}
    arrays = {"W": W, "U": U, "b": b, "b_hn": b_hn}
    return new_cell(cell_class, arrays, dtype=source.dtype, **options)


def linen_cell(params: Mapping[str, Any], kind: str | None) -> Any:
    """Return the linen cell with default options that has some parameters.

    Args:
        params: of a cell.
        kind: ``"lstm"``, ``"gru"``, ``"mgu"``, ``"rnn"``, or None.

    Raises:
        ValueError: if the names are those of no cell, or of another kind.
    """
    kinds = (k for k, (_, i, h) in _KINDS.items() if {*i, *h} == set(params))
    detected = next(kinds, None)
    if detected is None:
        raise ValueError(
            "the names of the parameters must be those of an LSTMCell, a GRUCell, an "
            "MGUCell or a SimpleCell of Flax, or of an RNN, a Bidirectional or a "
            f"Sequential of them, got {sorted(params)}; of a larger model, pass the "
            "entry of such a module"
        )
    if kind is not None and checks.one_of("kind", kind, _KINDS) != detected:
        raise ValueError(
            f"kind is {kind!r}, but the parameters are of kind {detected!r}"
        )
    first = params[_KINDS[detected][2][0]]
    size = array(first["kernel"]).shape[0]
    classes: dict[str, Any] = {kind: cls for cls, kind in _LINEN.items()}
    return classes[detected](size)


def cell_to_flax(cell: Cell, form: str) -> Any:
    """Return the parameters of the linen cell, or the nnx cell.

    Args:
        cell: of ours.
        form: as for `to_flax`.

    Raises:
        ValueError: if Flax has no equivalent cell.
    """
    kind = name_of(cell, _NAMES, "Flax")
    _, inputs, hiddens = _KINDS[kind]
    G = len(inputs)
    W, U = (np.split(array(w), G, axis=1) for w in (cell.W, cell.U))
    first, second = (np.split(b, G) for b in (first_bias(cell), second_bias(cell)))
    params: dict[str, dict[str, np.ndarray]] = {}
    for k in range(G):
        params[inputs[k]] = {"kernel": W[k].copy()}
        params[hiddens[k]] = {"kernel": U[k].copy()}
        params[(hiddens if kind == "lstm" else inputs)[k]]["bias"] = first[k]
    if isinstance(cell, GRUCell | ResetAfterMGUCell):
        params["hn"]["bias"] = second[-1]
    if form == "linen":
        return params
    return _build_nnx(cell, kind, params, form == "nnx_optimized")


def _check_options(cell: Any, kind: str) -> str:
    """Return the nonlinearity; raise an error for options that our cells lack."""
    name = type(cell).__name__
    if getattr(cell, "residual", False):
        raise ValueError(f"{name} with residual=True has no equivalent")
    if cell.carry_init is not None:
        carry = cell.carry_init(jax.random.key(0), (2, 3), np.float32)
        if np.any(array(carry)):
            raise ValueError(f"carry_init of {name} must return zeros")
    if hasattr(cell, "gate_fn"):
        activation("gate_fn", cell.gate_fn, ("sigmoid",))
    allowed = ("tanh", "relu") if kind == "rnn" else ("tanh",)
    return activation("activation_fn", cell.activation_fn, allowed)


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
    options: dict[str, Any] = {
        "dtype": cell.dtype,
        "param_dtype": cell.param_dtype,
        "rngs": nnx.Rngs(0),
    }
    if isinstance(cell, ElmanCell):
        options["activation_fn"] = {"tanh": nnx.tanh, "relu": nnx.relu}[
            cell.nonlinearity
        ]
    if kind == "rnn" and cell.dtype != cell.param_dtype:
        raise ValueError(
            f"nnx.SimpleCell returns a state in dtype, {cell.dtype}, and so cannot "
            f"continue from one in param_dtype, {cell.param_dtype}"
        )
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
