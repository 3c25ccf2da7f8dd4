"""Layers from and to Flax, linen and nnx."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from zoo import checks
from zoo.cells import Cell
from zoo.interop.arrays import matching, samples
from zoo.interop.flax_cells import CELLS, cell_from_flax, cell_to_flax, linen_cell
from zoo.interop.library import check_unused
from zoo.interop.precision import one_warning
from zoo.interop.stacks import (
    bidirectional,
    chain,
    check_plain,
    levels,
    parts_of,
    recurrent_part,
    stacked,
    warn_of_reading_order,
)
from zoo.layers import Bidirectional, Layer, Recurrent

_RNN = (nnx.RNN, linen.RNN)
_BIDIRECTIONAL = (nnx.Bidirectional, linen.Bidirectional)
_SEQUENTIAL = (nnx.Sequential, linen.Sequential)
_DIRECTIONS = ("forward_rnn", "backward_rnn")


def _stack(forward: Any, backward: Any) -> Any:
    """Return the outputs of both directions, separate: ``[..., 2, H]``."""
    return jnp.stack([forward, backward], axis=-2)


_MERGES: dict[str, Callable[..., Any]] = {
    "concat": lambda f, b: np.concatenate([f, b], axis=-1),
    "sum": np.add,
    "stack": lambda f, b: np.stack([f, b], axis=-2),
}


@one_warning()
def from_flax(
    source: Any, kind: str | None = None, *, params: Any = None
) -> Cell | Layer:
    """Convert a Flax cell or layer into an equivalent cell or layer.

    ::

        cell = nnx.GRUCell(50, 100, rngs=nnx.Rngs(0))
        layer = zoo.interop.from_flax(nnx.RNN(cell))
        state, y = layer(x)     # x [B, T, 50], whatever time_major was

        module = linen.Bidirectional(linen.RNN(f), linen.RNN(b))
        layer = zoo.interop.from_flax(module, params=variables["params"])

    Args:
        source: an LSTMCell, OptimizedLSTMCell, GRUCell or SimpleCell of ``nnx`` or
            linen, or linen's MGUCell; an ``RNN`` of one; a ``Bidirectional`` of two
            ``RNN``; or a ``Sequential`` or a list of these. Or the parameters of such a
            linen module without the module: they show no options, which must be the
            defaults.
        kind: ``"lstm"``, ``"gru"``, ``"mgu"`` or ``"rnn"`` of all cells, for parameters
            without their module only; by default detected from the names.
        params: of a linen module, with or without the outer ``"params"``; a list of
            them for a list of modules.

    Returns:
        For a cell an `LSTMCell`, a `GRUCell`, a `ResetAfterMGUCell` or an `ElmanCell`;
        for a layer a `Recurrent`, a `Bidirectional` or a `Stacked`. The outputs of a
        layer with ``reverse=True`` stay in reading order, as with Flax's
        ``keep_order=True``.

    Raises:
        ValueError: if a name or a shape is unexpected, an option has no equivalent, or
            an argument does not apply to `source`.
        TypeError: if `source` is or contains something else.
    """
    if isinstance(source, Mapping):
        source, params = _module_and_params(source, params, kind)
    else:
        check_unused(
            "for the parameters of a linen module without the module", kind=kind
        )
        if isinstance(params, Mapping):
            params = params.get("params", params)
    if type(source) in CELLS:
        return _cell(source, params)
    layer, flipped = _convert(source, params, False)
    if len(_time_axes(source)) > 1:
        raise ValueError("time_major must be the same in all layers")
    warn_of_reading_order(flipped, "reverse=True and keep_order=False")
    return layer


def _module_and_params(
    source: Mapping[str, Any], params: Any, kind: str | None
) -> tuple[Any, Mapping[str, Any]]:
    """Return the linen module, with default options, of some parameters, and these."""
    check_unused("for a module, and source is parameters already", params=params)
    params = source.get("params", source)
    return _linen_module(params, kind), params


def _linen_module(params: Mapping[str, Any], kind: str | None) -> Any:
    """Return the linen module, with default options, that has some parameters."""
    if set(params) == {"cell"}:
        return linen.RNN(_linen_module(params["cell"], kind))
    if set(params) == set(_DIRECTIONS):
        return linen.Bidirectional(
            *(_linen_module(params[name], kind) for name in _DIRECTIONS)
        )
    if all(re.fullmatch(r"layers_\d+", name) for name in params):
        names = [f"layers_{k}" for k in range(len(params))]
        if set(names) != set(params):
            raise ValueError(
                f"{sorted(params)} have gaps: what a layer without parameters computes "
                "is not known; pass the linen module and params="
            )
        return linen.Sequential([_linen_module(params[name], kind) for name in names])
    return linen_cell(params, kind)


def _entry(params: Any, name: Any) -> Any:
    """Return the parameters of a part of a linen module; nnx has none."""
    if params is None:
        return None
    try:
        return params[name]
    except (KeyError, IndexError) as error:
        raise ValueError(
            f"params must have {name!r}, got {sorted(params)}"
            if isinstance(params, Mapping)
            else f"params must have one entry for each module, got {len(params)}"
        ) from error


def _cell(source: Any, params: Any) -> Cell:
    """Return the cell of a Flax cell."""
    if type(source) not in CELLS:
        names = ", ".join(f"{c.__module__.split('.')[1]}.{c.__name__}" for c in CELLS)
        raise TypeError(
            f"source must be one of {names}, an RNN, Bidirectional or Sequential of "
            f"them, a list, or the parameters of a linen module, got {type(source)}"
        )
    if not isinstance(source, linen.Module):
        check_unused("for a linen module, and one of nnx has its own", params=params)
    if isinstance(source, linen.Module) and params is None:
        raise ValueError(
            "a linen module holds no parameters: pass params=variables['params']"
        )
    return cell_from_flax(source, params)


def _convert(source: Any, params: Any, flipped: bool) -> tuple[Layer, bool]:
    """Return a layer, and whether Flax returns its outputs from last to first step.

    Args:
        source: of Flax.
        params: of a linen module.
        flipped: whether its inputs run from the last step to the first.
    """
    if isinstance(source, Mapping):
        source, params = _module_and_params(source, params, None)
    parts = parts_of(source, _is_sequential)
    if parts is not None:
        prefix = "layers_{}" if _is_sequential(source) else None
        if isinstance(source, linen.Module) and len(set(map(id, parts))) < len(parts):
            raise ValueError(
                "a linen Sequential that has the same layer twice cannot be converted: "
                "layers of zoo do not share their parameters; pass a list of layers, "
                "and params= with one entry for each"
            )
        pairs = [
            (part, _entry(params, prefix.format(k) if prefix else k))
            for k, part in enumerate(parts)
        ]

        def convert(pair: tuple[Any, Any], flipped: bool) -> tuple[Layer, bool]:
            return _convert(pair[0], pair[1], flipped)

        return chain(pairs, convert, flipped)
    if type(source) in _BIDIRECTIONAL:
        merge = matching(source.merge_fn, _MERGES, *samples(2, 2, 3, 8))
        forward, backward = (
            _cell_of_rnn(getattr(source, name), _entry(params, name))
            for name in _DIRECTIONS
        )
        layers = Recurrent(forward), Recurrent(backward, reverse=True)
        return bidirectional(*layers, merge, flipped), False
    cell = _cell_of_rnn(source, params)
    layer = Recurrent(cell, reverse=flipped != source.reverse)
    return layer, flipped != (source.reverse and not source.keep_order)


def _is_sequential(source: Any) -> bool:
    """Return whether an object is a ``Sequential`` of nnx or linen."""
    return type(source) in _SEQUENTIAL


def _cell_of_rnn(source: Any, params: Any) -> Cell:
    """Return the cell of an ``RNN``."""
    if type(source) in CELLS:
        raise TypeError(
            f"a {type(source).__name__} is one step: for a layer, pass an RNN of it"
        )
    if type(source) not in _RNN:
        return _cell(source, params)  # raises the error that says what is expected
    return _cell(source.cell, _entry(params, "cell"))


def _time_axes(source: Any) -> set[bool]:
    """Return the values of ``time_major`` of layers that are called in a chain."""
    parts = parts_of(source, _is_sequential)
    if parts is not None:
        return set().union(*map(_time_axes, parts))
    return set() if isinstance(source, Mapping) else {source.time_major}


def to_flax(source: Any, form: str = "linen") -> Any:
    """Convert a cell, a layer, or the recurrent layers of a model for Flax.

    ::

        layer = zoo.LSTM(50, 100, bidirectional=True, rngs=nnx.Rngs(0))
        module = zoo.interop.to_flax(layer, "nnx")  # an nnx.Bidirectional

    Args:
        source: an `LSTMCell`, a `GRUCell`, a `ResetAfterMGUCell` or an `ElmanCell`; a
            `Recurrent`, a `Bidirectional` or a `Stacked` of them; or a model with one
            such stack.
        form: ``"linen"`` for the parameters of the linen module, ``"nnx"`` for an
            ``nnx`` module, ``"nnx_optimized"`` for one with ``nnx.OptimizedLSTMCell``.
            Parameters show no options: activation, direction, ``merge_fn``.

    Returns:
        ``{"params": ...}`` of the cell (for LSTMs also of linen's OptimizedLSTMCell),
        of an ``RNN``, of a ``Bidirectional`` or of a ``Sequential``; or this module.

    Raises:
        ValueError: if Flax has no equivalent.
        TypeError: if `source` is something else.
    """
    checks.one_of("form", form, ("linen", "nnx", "nnx_optimized"))
    part = recurrent_part(source)
    if isinstance(part, Layer):
        check_plain(part, "a recurrent layer of Flax")
        part = stacked([part])
    result = _build(part, form)
    return {"params": result} if form == "linen" else result


def _build(part: Cell | Layer, form: str) -> Any:
    """Return the nnx module, or the parameters of the linen module."""
    linen_form = form == "linen"
    if isinstance(part, Cell):
        return cell_to_flax(part, form)
    if isinstance(part, Recurrent):
        cell = cell_to_flax(part.cell, form)
        if linen_form:
            return {"cell": cell}
        return nnx.RNN(cell, reverse=part.reverse, keep_order=True)
    if isinstance(part, Bidirectional):
        directions = (part.forward, part.backward)
        if not all(isinstance(direction, Recurrent) for direction in directions):
            raise ValueError(
                "Flax's Bidirectional has one RNN for each direction, got a stack"
            )
        pair = [_build(direction, form) for direction in directions]
        if linen_form:
            return dict(zip(_DIRECTIONS, pair, strict=True))
        merge = {"sum": jnp.add, "stack": _stack}.get(part.merge)
        return nnx.Bidirectional(*pair, **({"merge_fn": merge} if merge else {}))
    parts = [_build(level, form) for level in levels(part)]
    if linen_form:
        return {f"layers_{k}": params for k, params in enumerate(parts)}
    return nnx.Sequential(*parts)
