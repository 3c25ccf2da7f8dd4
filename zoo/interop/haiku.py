"""Weights from and to Haiku.

Parameters are arrays by module and name. An LSTM has one ``linear`` module for x and h,
``w[D + H, 4*H]`` with the gates i g f o, and adds one to f at each step. A GRU has
``w_i``, ``w_h`` and ``b`` with the gates z r n, and its z is ours subtracted from one.
A VanillaRNN has two ``linear`` modules, and ReLU.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.cells import Cell, ElmanCell, LSTMCell, ResetBeforeGRUCell
from zoo.interop.arrays import array, first_bias, join_biases, new_cell
from zoo.interop.library import name_of
from zoo.interop.precision import one_warning
from zoo.interop.stacks import cells, check_plain, recurrent_part, stacked
from zoo.layers import Layer, Recurrent

_NAMES: dict[type[Cell], str] = {
    LSTMCell: "lstm",
    ResetBeforeGRUCell: "gru",
    ElmanCell: "vanilla_rnn",
}
_CORE = re.compile(r"(?:.*/)?(?:lstm|gru|vanilla_rnn)(?:_\d+)?")
_Arrays = dict[str, np.ndarray]


@one_warning()
def from_haiku(
    params: Mapping[str, Mapping[str, Any]],
    modules: str | Sequence[str] | None = None,
) -> Layer:
    """Convert the parameters of Haiku's recurrent cores into an equivalent layer.

    ::

        layer = zoo.interop.from_haiku(params, ["lstm", "lstm_1"])   # of an hk.DeepRNN
        state, y = layer(x)     # x [B, T, D], whatever time_major was

    Args:
        params: of ``hk.transform(...).init``: mappings from names to arrays, by module.
        modules: the full names of an ``hk.LSTM``, ``hk.GRU`` or ``hk.VanillaRNN``, or
            of several that an ``hk.DeepRNN`` stacks, lowest first, such as
            ``"net/~/lstm"``; may be omitted if `params` has nothing but one core.

    Returns:
        A `Recurrent` of an `LSTMCell`, a `ResetBeforeGRUCell` or an `ElmanCell` with
        ReLU, or a `Stacked` of several. The one that Haiku adds to the forget gate
        becomes a part of the bias, rounded to its dtype; the other arrays are
        exact in float32 and 16 bits, and in float64 under ``jax_enable_x64``.

    Raises:
        ValueError: if a module is missing, or its arrays are those of no core.
        TypeError: if `params` is not a mapping of mappings.
    """
    if not isinstance(params, Mapping) or not all(
        isinstance(value, Mapping) for value in params.values()
    ):
        raise TypeError(
            "params must be a mapping from modules to mappings from names to arrays, "
            f"got {type(params)}"
        )
    if modules is None:
        modules = [_only_core(params)]
    names = [modules] if isinstance(modules, str) else list(modules)
    return stacked([Recurrent(_cell(params, name)) for name in names])


def to_haiku(
    source: Any, modules: str | Sequence[str] | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Return the parameters of the equivalent Haiku cores.

    ::

        params = zoo.interop.to_haiku(layer)    # of hk.LSTM(100), named "lstm"
        y, state = run.apply(params, None, x)

    Args:
        source: an `LSTMCell`, a `ResetBeforeGRUCell` or an `ElmanCell` with ReLU; a
            `Recurrent` or a `Stacked` of them, which run forward; or a model with one
            such stack. An ``hk.DeepRNN`` holds the cores of a `Stacked`.
        modules: the names of the cores, all different, lowest first; by default those
            that Haiku gives them, such as ``"lstm"`` and ``"lstm_1"``.

    Returns:
        Arrays by module and name. Haiku's cores always have a bias. One is subtracted
        from the bias of a forget gate, and the result rounded to its dtype.

    Raises:
        ValueError: if Haiku has no equivalent, or two cores have the same name.
        TypeError: if `source` is something else.
    """
    part = recurrent_part(source)
    if isinstance(part, Layer):
        check_plain(part, "a core of Haiku")
        if part.direction != "forward":
            raise ValueError(
                "Haiku's cores have no direction, got a layer with direction="
                f"{part.direction!r}: convert its cells, and run them with "
                "hk.dynamic_unroll(..., reverse=True)"
            )
    parts = [part] if isinstance(part, Cell) else list(cells(part))
    names = _default_names(parts) if modules is None else modules
    names = [names] if isinstance(names, str) else list(names)
    if len(names) != len(parts):
        raise ValueError(
            f"modules must name {len(parts)} cores, one for each cell, got {names}"
        )
    params: dict[str, dict[str, np.ndarray]] = {}
    for name, cell in zip(names, parts, strict=True):
        arrays = _params(cell, name)
        if names.count(name) > 1 or params.keys() & arrays.keys():
            raise ValueError(
                f"modules must give each core a name of its own, got {names}: cores "
                "with the same name would share their parameters"
            )
        params |= arrays
    return params


def _only_core(params: Mapping[str, Any]) -> str:
    """Return the name of the only core; raise an error if there is anything else."""
    cores = {re.sub(r"/linear(_1)?$", "", name) for name in params}
    if len(cores) == 1 and _CORE.fullmatch(name := cores.pop()):
        return name
    known = [name for name in sorted(cores) if _CORE.fullmatch(name)]
    raise ValueError(
        f"params has the modules {sorted(params)}: name the recurrent cores, lowest "
        f"first, for example modules={known or ['my_core']}"
    )


def _cell(params: Mapping[str, Mapping[str, Any]], name: str) -> Cell:
    """Return the cell with the parameters of a core."""
    own, first, second = (
        {key: array(value) for key, value in params.get(name + end, {}).items()}
        for end in ("", "/linear", "/linear_1")
    )
    options: dict[str, Any] = {}
    cell_class: type[Cell]
    if set(own) == {"w_i", "w_h", "b"} and not first:
        arrays, cell_class = _from_gru(own), ResetBeforeGRUCell
    elif set(first) == {"w", "b"} and set(second) in ({"w"}, {"w", "b"}) and not own:
        arrays = {"W": first["w"], "U": second["w"], "b": first["b"]}
        if "b" in second:
            arrays["b"], _ = join_biases(ElmanCell, first["b"], second["b"])
        cell_class, options = ElmanCell, {"nonlinearity": "relu"}
    elif set(first) == {"w", "b"} and not own and not second:
        arrays, cell_class = _from_lstm(first, name), LSTMCell
    else:
        raise ValueError(
            f"{name!r} must be the module of an LSTM, a GRU or a VanillaRNN; of "
            f"{sorted(params)}, it has {sorted(own)}, linear {sorted(first)} and "
            f"linear_1 {sorted(second)}"
        )
    return new_cell(cell_class, arrays, **options)


def _params(cell: Cell, name: str) -> dict[str, _Arrays]:
    """Return the parameters of the core of a cell."""
    name_of(cell, _NAMES, "Haiku")
    W, U, b = array(cell.W), array(cell.U), first_bias(cell)
    if isinstance(cell, LSTMCell):
        W, U, b = (_reorder_lstm(value) for value in (W, U, b - _one_for_f(b)))
        return {f"{name}/linear": {"w": np.concatenate([W, U]), "b": b}}
    if isinstance(cell, ResetBeforeGRUCell):
        W, U, b = (_reorder_gru(value) for value in (W, U, b))
        return {name: {"w_i": W, "w_h": U, "b": b}}
    if getattr(cell, "nonlinearity", None) != "relu":
        raise ValueError(
            "hk.VanillaRNN has ReLU: nonlinearity must be 'relu', got 'tanh'"
        )
    return {
        f"{name}/linear": {"w": W.copy(), "b": b},
        f"{name}/linear_1": {"w": U.copy(), "b": np.zeros_like(b)},
    }


def _default_names(parts: list[Cell]) -> list[str]:
    """Return the names that Haiku gives to cores: numbered from the second on."""
    names: list[str] = []
    bases = [_NAMES.get(type(cell), "") for cell in parts]
    for k, base in enumerate(bases):
        number = bases[:k].count(base)
        names.append(f"{base}_{number}" if number else base)
    return names


def _from_lstm(linear: _Arrays, name: str) -> _Arrays:
    """Return W, U and b from the linear module of an LSTM."""
    rows, columns = linear["w"].shape
    H = columns // 4
    if columns % 4 or rows <= H:
        raise ValueError(
            f"{name}/linear must have w [D + H, 4*H], got {linear['w'].shape}"
        )
    w, b = _reorder_lstm(linear["w"]), _reorder_lstm(linear["b"])
    return {"W": w[: rows - H], "U": w[rows - H :], "b": b + _one_for_f(b)}


def _from_gru(arrays: _Arrays) -> _Arrays:
    """Return W, U and b from the arrays of a GRU."""
    names = {"W": "w_i", "U": "w_h", "b": "b"}
    blocks = {ours: np.split(arrays[name], 3, axis=-1) for ours, name in names.items()}
    return {
        name: np.concatenate([r, -z, n], axis=-1) for name, (z, r, n) in blocks.items()
    }


def _reorder_lstm(value: np.ndarray) -> np.ndarray:
    """Convert the gate order i g f o to i f g o, and back."""
    i, second, third, o = np.split(value, 4, axis=-1)
    return np.concatenate([i, third, second, o], axis=-1)


def _one_for_f(b: np.ndarray) -> np.ndarray:
    """Return one for the gate f and zero for i, g and o, in this library's order."""
    return np.repeat(np.array([0, 1, 0, 0], b.dtype), b.size // 4)


def _reorder_gru(value: np.ndarray) -> np.ndarray:
    """Convert the gates r z n to z r n, with z negated: ``1 - sigmoid(a)``."""
    r, z, n = np.split(value, 3, axis=-1)
    return np.concatenate([-z, r, n], axis=-1)
