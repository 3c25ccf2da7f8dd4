"""Parameters of one model as those of another: by name, and rows by token or label."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from zoo.artifact import weights
from zoo.engine.schedule import Schedule
from zoo.layers import CellStack, Recurrent
from zoo.layers.options import argument_defaults
from zoo.pipelines import Pipeline
from zoo.registry import cell_class
from zoo.tasks.layer_groups import layer
from zoo.tasks.token_axes import Axis, axes, common

# Options of layers that change no result, or that the names of parameters show.
_NO_EFFECT = (*Schedule._fields, "loops", "dtype", "bidirectional", "reverse")


class DirectionError(ValueError):
    """The layers of both models match except for their directions.

    Attributes:
        bidirectional: whether those of the old model read in both directions.
    """

    def __init__(self, *, bidirectional: bool) -> None:
        """Hold the directions.

        Args:
            bidirectional: see above.
        """
        super().__init__()
        self.bidirectional = bidirectional


class _Mismatch(Exception):
    """A part of the old model does not match; the message says why."""


class _NoneInCommonError(_Mismatch):
    """No item of two vocabularies is in both; larger ones may have some."""


@dataclass
class Copied:
    """What was copied; a part is a module, or a direction of a recurrent layer.

    Attributes:
        taken: the copied parts, and how many rows of a vocabulary were copied.
        initialised: the other parts, and why they were not: a difference, and the
            parameters of the old model that are left out because of it.
        unused: the parts of the old model that this one lacks, and parameters of parts
            that this one has without them.
    """

    taken: dict[str, str] = field(default_factory=dict)
    initialised: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


class _Model(NamedTuple):
    """The arrays of a model by dotted name, parameters and constants."""

    arrays: dict[str, np.ndarray]
    axes: dict[str, tuple[Axis | None, ...]]
    options: dict[str, Any]
    layer_options: dict[str, Any]


def copy_parameters(old: Pipeline, new: Pipeline, path: Path) -> Copied:
    """Set the parameters of a model to those of another that match.

    Parameters match by name and shape. Along an axis with an entry for each token or
    label, the entries of equal tokens or labels match. A part is copied completely or
    not at all, and a recurrent layer only from one with the same cell. The layer of a
    model that reads forward only becomes the forward layer of a bidirectional one, if
    it is the only layer: those above would read both directions.

    Args:
        old: the model to copy from.
        new: the model to copy to; its fresh parameters are replaced.
        path: of `old`, for messages.

    Raises:
        DirectionError: if only the directions of the layers do not match.
    """
    source, target = _model(old), _model(new)
    renamed = _renamed(source, target)
    parts: dict[str, list[str]] = {}
    for name in target.arrays:
        parts.setdefault(part_of(name), []).append(name)
    result, arrays = Copied(), dict(target.arrays)
    for part, names in parts.items():
        if part == "context" and not same_context(old, new):
            result.initialised[part] = "from --features"
            continue
        try:
            values, result.taken[part] = _values(names, source, target, renamed)
        except _NoneInCommonError as mismatch:
            result.initialised[part] = str(mismatch)
        except _Mismatch as mismatch:
            there = [name for name in names if renamed.get(name, name) in source.arrays]
            left_out = f"; not taken: {', '.join(map(_local, there))}" if there else ""
            result.initialised[part] = f"{mismatch}{left_out}"
        else:
            arrays |= values
    result.unused = _unused(source, {renamed.get(name, name) for name in target.arrays})
    paths = {_dotted(path): path for path in weights.arrays_of(new.params, new.model)}
    weights.fill(new.model, {paths[name]: a for name, a in arrays.items()}, path)
    new.bind()
    return result


def same_context(old: Pipeline, new: Pipeline) -> bool:
    """Return whether the character language models of two models are alike.

    Their sizes, vocabularies and directions are equal, in the same order.

    Args:
        old: a model.
        new: another model.
    """
    one, other = (
        [p.options.get("context"), p.to_json().get("context")] for p in (old, new)
    )
    return one == other


def can_copy(old: Pipeline, new: Pipeline, name: str) -> bool:
    """Return whether rows of an embedding table can be copied.

    The whole part that the table is in matches, but for the items of vocabularies.

    Args:
        old: the model to copy from.
        new: the model to copy to.
        name: dotted name of the table.
    """
    source, target = _model(old), _model(new)
    part = [other for other in target.arrays if part_of(other) == part_of(name)]
    if name not in part:
        return False
    for other in part:
        try:
            _values([other], source, target, {})
        except _NoneInCommonError:
            continue
        except _Mismatch:
            return False
    return True


def _unused(source: _Model, used: set[str]) -> list[str]:
    """Return the parts that no name is of, and the other unused parameters."""
    parts = set(map(part_of, used))
    rest = (name for name in source.arrays if name not in used)
    return sorted({name if part_of(name) in parts else part_of(name) for name in rest})


def _dotted(path: str) -> str:
    """Return the dotted name of an array in a file of weights."""
    return path.split("/", 1)[1].replace("/", ".")


def _model(pipeline: Pipeline) -> _Model:
    arrays = weights.arrays_of(pipeline.params, pipeline.model)
    build: Any = type(pipeline).model_class
    named = inspect.signature(build.__init__).parameters
    defaults = {name: parameter.default for name, parameter in named.items()}
    own = {
        name: value
        for name, value in pipeline.options.items()
        if name not in named  # those of the layers
    }
    return _Model(
        {_dotted(name): array for name, array in arrays.items()},
        axes(pipeline),
        defaults | pipeline.options,
        own,
    )


def part_of(name: str) -> str:
    """Return the part of a model that has a parameter, see `Copied`.

    Args:
        name: dotted name of the parameter.
    """
    place, parts = layer(name), name.split(".")
    if place is not None:
        stack, number = place
        direction = next((p for p in parts if p in ("forward", "backward")), None)
        return ".".join(filter(None, (stack, str(number), direction)))
    return ".".join(parts[:2]) if parts[0] == "decoder" else parts[0]


def _local(name: str) -> str:
    """Return the name of a parameter within its part."""
    of_part = part_of(name).count(".") + 1
    in_list = layer(name) is not None  # whose name the part leaves out
    return ".".join(name.split(".")[of_part + in_list :])


def _values(
    names: list[str], source: _Model, target: _Model, renamed: dict[str, str]
) -> tuple[dict[str, np.ndarray], str]:
    """Return the arrays of a part with the entries of the old model, and their number.

    Raises:
        _Mismatch: if an array of the part does not match.
    """
    _check_layer(names[0], source, target)
    values, rows = {}, ""
    for name in names:
        old = renamed.get(name, name)
        if old not in source.arrays:
            has_part = any(renamed.get(n, n) in source.arrays for n in names)
            what = f"{_local(name)} is " if has_part else ""
            raise _Mismatch(f"{what}not in the other model")
        pairs = target.arrays[name], source.arrays[old]
        values[name], count = _entries(
            _local(name), *pairs, target.axes.get(name), source.axes.get(old)
        )
        rows = count or rows
    return values, rows


def _check_layer(name: str, source: _Model, target: _Model) -> None:
    """Check that the layers that have a parameter are alike in both models."""
    place = layer(name)
    if place is None:
        return
    cells = []
    for model in (source, target):
        of_decoder = model.options.get("decoder_cell")
        is_decoder = place[0] == "decoder.layers" and of_decoder is not None
        cells.append(of_decoder if is_decoder else model.options["cell"])
    if cells[0] != cells[1]:
        raise _Mismatch(f"cell {cells[0]} there")
    old, new = (_all_options(m.layer_options, cells[0]) for m in (source, target))
    different = [f"{name} is {old[name]}" for name in old if old[name] != new[name]]
    if different:
        raise _Mismatch(f"{', '.join(different)} there")


def _all_options(options: dict[str, Any], cell: Any) -> dict[str, Any]:
    """Return the options that the results of layers depend on, given or default."""
    everything: dict[str, Any] = {}
    for kind in (CellStack, Recurrent, cell_class(cell)):
        everything |= argument_defaults(kind)
    everything |= options
    everything["param_dtype"] = jnp.dtype(everything["param_dtype"])
    return {
        # A trained model, which JSON describes, has lists for tuples.
        name: list(value) if isinstance(value, tuple) else value
        for name, value in everything.items()
        if name not in _NO_EFFECT
    }


def _renamed(source: _Model, target: _Model) -> dict[str, str]:
    """Return the old names of parameters of forward layers, if the old have none.

    Raises:
        DirectionError: if only the directions of the layers do not match.
    """
    for stack in ("layers", "encoder"):
        one, forward = f"{stack}.layers.0.cell.", f"{stack}.layers.0.forward.cell."
        is_wide = any(name.startswith(forward) for name in target.arrays)
        ours, theirs = (forward, one) if is_wide else (one, forward)
        names = {
            name: name.replace(ours, theirs)
            for name in target.arrays
            if name.startswith(ours)
        }
        if not names or any(
            old not in source.arrays
            or source.arrays[old].shape != target.arrays[name].shape
            for name, old in names.items()
        ):
            continue
        try:
            _check_layer(next(iter(names)), source, target)
        except _Mismatch:
            continue
        is_deep = any(name.startswith(f"{stack}.layers.1.") for name in target.arrays)
        if is_deep or not is_wide:
            raise DirectionError(bidirectional=not is_wide)
        return names
    return {}


def _entries(
    name: str,
    fresh: np.ndarray,
    old: np.ndarray,
    new_axes: tuple[Axis | None, ...] | None,
    old_axes: tuple[Axis | None, ...] | None,
) -> tuple[np.ndarray, str]:
    """Return an array with the entries of another, and the number of its rows.

    Raises:
        _Mismatch: if it does not match.
    """
    if fresh.ndim != old.ndim:
        raise _Mismatch(f"shape {list(old.shape)} of {name} there")
    new_axes = new_axes or (None,) * fresh.ndim
    old_axes = old_axes or (None,) * old.ndim
    new_ids, old_ids, rows, lacks = [], [], "", ""
    for k, (ours, theirs) in enumerate(zip(new_axes, old_axes, strict=True)):
        if ours is None and theirs is None:
            if fresh.shape[k] != old.shape[k]:
                raise _Mismatch(f"shape {list(old.shape)} of {name} there")
            new_ids.append(np.arange(fresh.shape[k]))
            old_ids.append(np.arange(fresh.shape[k]))
            continue
        if ours is None or theirs is None or ours.kind != theirs.kind:
            other = f"{theirs.kind}s" if theirs else "no tokens or labels"
            raise _Mismatch(f"{name} is for {other} there")
        some, others = common(ours.vocabulary, theirs.vocabulary)
        # A language model may predict the first tokens of its vocabulary only.
        is_there = (some < fresh.shape[k]) & (others < old.shape[k])
        some, others = some[is_there], others[is_there]
        reserved = ours.vocabulary.reserved
        count = int((some >= reserved).sum())
        if not count:
            lacks = ours.kind
        rows = f"{count:,} of {len(ours.vocabulary) - reserved:,} {ours.kind}s"
        new_ids.append(some)
        old_ids.append(others)
    if lacks:  # the other axes match
        raise _NoneInCommonError(f"no {lacks} in common")
    value = np.array(fresh)
    value[np.ix_(*new_ids)] = old[np.ix_(*old_ids)]
    return value, rows
