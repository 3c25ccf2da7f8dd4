"""Which layers can be converted, and stacks of converted layers."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flax import nnx

from zoo.cells import Cell
from zoo.layers import Bidirectional, Layer, Recurrent, Stacked

_log = logging.getLogger(__name__)


def recurrent_part(source: Any) -> Cell | Layer:
    """Return a cell or a layer, or the recurrent layers of a model.

    Args:
        source: a cell, a layer, or a model with one stack of recurrent layers.

    Raises:
        ValueError: if the model has no such stack, or several; the message lists them.
        TypeError: if `source` is something else.
    """
    if isinstance(source, Cell | Layer):
        return source
    if not isinstance(source, nnx.Module):
        raise TypeError(
            "source must be a cell, a layer or a model of zoo, got "
            f"{type(source)}; of a pipeline, pass its model"
        )
    paths = {
        path: module
        for path, module in nnx.iter_modules(source)
        if isinstance(module, Layer)
    }
    outer = {
        path: layer
        for path, layer in paths.items()
        if not any(path[:k] in paths for k in range(len(path)))
    }
    if len(outer) == 1:
        return next(iter(outer.values()))
    name = type(source).__name__
    if not outer:
        raise ValueError(f"{name} has no recurrent layers")
    names = sorted(_attribute(path) for path in outer)
    raise ValueError(
        f"{name} has several stacks of recurrent layers: pass one of them, "
        + " or ".join(f"model{name}" for name in names)
    )


def _attribute(path: tuple[Any, ...]) -> str:
    """Return a path as Python writes it, such as ``.decoder.layers``."""
    return "".join(f".{p}" if isinstance(p, str) else f"[{p}]" for p in path)


def check_plain(layer: Layer, library: str, *, has: Iterable[str] = ()) -> None:
    """Check that another library can compute a layer.

    Regularisers that the library lacks are reported in the log, because they act in
    training only.

    Args:
        layer: a `Recurrent`, or a `Bidirectional` or `Stacked` of them.
        library: the name of the other library, for the messages.
        has: the regularisers of the other library.

    Raises:
        ValueError: if a layer has a part that cannot be converted.
    """
    if isinstance(layer, Bidirectional):
        parts, rates = [layer.forward, layer.backward], {}
    elif isinstance(layer, Stacked):
        parts = list(layer.layers)
        rates = {"dropout": layer.dropout, "locked_dropout": layer.locked_dropout}
    elif isinstance(layer, Recurrent):
        if layer.initial is not None:
            raise ValueError("a learned initial state cannot be converted")
        if layer.rates.zoneout:
            raise ValueError("zoneout cannot be converted: it acts at evaluation")
        parts, rates = [], layer.rates._asdict()
    else:
        raise ValueError(
            "only Recurrent layers, in one direction or in both, can be converted, got "
            f"{type(layer).__name__}"
        )
    for part in parts:
        check_plain(part, library, has=has)
    for name, rate in rates.items():
        if rate and name not in has:
            _log.warning(
                "%s=%s is not converted: %s lacks it. It acts in training only",
                name,
                rate,
                library,
            )


def parts_of(source: Any, is_sequential: Callable[[Any], bool]) -> list[Any] | None:
    """Return the layers of a list or a ``Sequential``, None of anything else.

    Args:
        source: of another library.
        is_sequential: whether an object is a ``Sequential`` of that library.
    """
    if isinstance(source, list | tuple | nnx.List):
        return list(source)
    return list(source.layers) if is_sequential(source) else None


def levels(layer: Layer) -> list[Layer]:
    """Return the layers of a stack, lowest first.

    Args:
        layer: any layer; one that is not a stack is its own only level.
    """
    if not isinstance(layer, Stacked):
        return [layer]
    return [level for part in layer.layers for level in levels(part)]


def dropout_rates(layer: Layer) -> Iterator[float]:
    """Yield the rate of dropout between each level of a stack and the next.

    Args:
        layer: any layer; the stacks in a stack have rates of their own.
    """
    if isinstance(layer, Stacked):
        for k, part in enumerate(layer.layers):
            if k:
                yield layer.dropout
            yield from dropout_rates(part)


def cells(layer: Layer) -> Iterator[Cell]:
    """Yield the cells of a layer: lowest first, forward before backward.

    Args:
        layer: one that `check_plain` accepts.
    """
    if isinstance(layer, Recurrent):
        yield layer.cell
    elif isinstance(layer, Bidirectional):
        yield from cells(layer.forward)
        yield from cells(layer.backward)
    elif isinstance(layer, Stacked):
        for part in layer.layers:
            yield from cells(part)


def stacked(layers: list[Layer]) -> Layer:
    """Return the only layer of a list, or a `Stacked` of all.

    Args:
        layers: lowest first; of a `Stacked` among them, its layers are taken.

    Raises:
        ValueError: if a layer does not take the output of the one below.
    """
    flat = [level for layer in layers for level in levels(layer)]
    return flat[0] if len(flat) == 1 else Stacked(flat)


def chain(
    parts: Iterable[Any],
    convert: Callable[[Any, bool], tuple[Layer, bool]],
    flipped: bool,
) -> tuple[Layer, bool]:
    """Convert layers of another library that are called one after the other.

    A layer of Keras or Flax that runs in reverse may return its outputs from the last
    step to the first, and the layer above then reads them in this order. Here outputs
    are always in reading order, so the layer above is reversed instead.

    Args:
        parts: lowest first.
        convert: takes a part and whether its inputs run from the last step to the
            first; returns the layer, and whether its outputs do.
        flipped: whether the inputs of the lowest part run from the last step to the
            first.

    Returns:
        the layer, and whether the outputs of the source run from the last step to the
        first.

    Raises:
        ValueError: if there is no part.
    """
    layers = []
    for part in parts:
        layer, flipped = convert(part, flipped)
        layers.append(layer)
    if not layers:
        raise ValueError("source must have one layer or more, got none")
    return stacked(layers), flipped


def warn_of_reading_order(flipped: bool, what: str) -> None:
    """Log a warning if the converted layer returns its outputs in another order.

    Args:
        flipped: whether the outputs of the source run from the last step to the first.
        what: the option of the source that is the reason.
    """
    if flipped:
        _log.warning(
            "with %s, the source returns its outputs from the last step to the first; "
            "the converted layer returns them in reading order",
            what,
        )


def bidirectional(
    forward: Layer, backward: Layer, merge: str | None, flipped: bool
) -> Bidirectional:
    """Return a `Bidirectional` of converted layers.

    Args:
        forward: a layer that runs forward.
        backward: a layer that runs in reverse.
        merge: how the outputs are combined; None if zoo cannot.
        flipped: whether the inputs run from the last step to the first.

    Raises:
        ValueError: if zoo has no equivalent.
    """
    if merge is None:
        raise ValueError(
            "the outputs of both directions must be concatenated, added or kept "
            "separate, as with merge='concat', 'sum' or 'stack' of zoo.Bidirectional"
        )
    if flipped:
        raise ValueError(
            "a bidirectional layer cannot be converted above a layer that returns its "
            "outputs from the last step to the first"
        )
    return Bidirectional(forward, backward, merge=merge)
