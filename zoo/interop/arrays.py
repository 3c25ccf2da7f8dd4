"""What the converters share: arrays into cells, and the cells of a layer."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell
from zoo.layers import Bidirectional, Layer, Recurrent, Stacked


def array(value: Any) -> np.ndarray:
    """Return a tensor of any library as a numpy array.

    Args:
        value: a numpy or jax array, a flax variable, a torch tensor on any device.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, nnx.Variable):
        value = value[...]
    return np.asarray(value)


def fill(cell: Cell, **arrays: np.ndarray | None) -> Cell:
    """Set the parameters of a cell and return it.

    Args:
        cell: a cell.
        **arrays: new values by name; None stands for a parameter that the cell has not.

    Raises:
        ValueError: if a shape is not that of the parameter.
    """
    for name, value in arrays.items():
        if value is None:
            continue
        param = getattr(cell, name)
        checks.shape(name, value, param.shape, f"of {type(cell).__name__}.{name}")
        param[...] = jnp.asarray(value, param.dtype)
    return cell


def directions(layer: Layer) -> list[tuple[Recurrent, ...]]:
    """Return the layers of one cell of a stack: a tuple of one or two for each level.

    Args:
        layer: a `Recurrent`, a `Bidirectional`, or a `Stacked` of them.

    Raises:
        ValueError: if the layer is built of something else, or its evaluation differs
            from that of a plain recurrent layer.
    """
    levels = list(layer.layers) if isinstance(layer, Stacked) else [layer]
    found = []
    for level in levels:
        if isinstance(level, Bidirectional):
            if level.merge != "concat":
                raise ValueError(
                    f"only merge='concat' can be converted, got {level.merge!r}"
                )
            pair = (level.forward, level.backward)
        else:
            pair = (level,)
            if level.direction == "reverse":
                raise ValueError(
                    "a layer that runs only in reverse cannot be converted"
                )
        for one in pair:
            if not isinstance(one, Recurrent):
                raise ValueError(
                    "only Recurrent layers, in one direction or in both, can be "
                    f"converted, got {type(one).__name__}"
                )
            if one.initial is not None:
                raise ValueError("a learnt initial state cannot be converted")
            if one.rates.zoneout:
                raise ValueError("zoneout cannot be converted: it acts at evaluation")
        found.append(pair)
    return found


def only_cell(source: Cell | Layer) -> Cell:
    """Return the cell of a layer that has one.

    Args:
        source: a cell, or a layer of one level and one direction.

    Raises:
        ValueError: if there are more.
    """
    if isinstance(source, Cell):
        return source
    levels = directions(source)
    if len(levels) != 1 or len(levels[0]) != 1:
        raise ValueError(
            "one cell can be converted at a time, got a layer with "
            f"{sum(map(len, levels))}; convert each of them"
        )
    return levels[0][0].cell
