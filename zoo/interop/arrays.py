"""Helpers of the converters: set the arrays of cells, list the cells of a layer."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell
from zoo.layers import Bidirectional, Layer, Recurrent, Stacked


def array(value: Any) -> np.ndarray:
    """Return a tensor of any library as a numpy array in the byte order of the machine.

    Args:
        value: a numpy or jax array, a flax variable, a torch tensor on any device.
            NumPy has no bfloat16: such a tensor becomes float32, without rounding.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        value = value.numpy()
    if isinstance(value, nnx.Variable):
        value = value[...]
    value = np.asarray(value)
    native = value.dtype.isnative
    return value if native else value.astype(value.dtype.newbyteorder("="))


def fill(cell: Cell, **arrays: np.ndarray | None) -> Cell:
    """Set the parameters of a cell, and return the cell.

    Args:
        cell: a cell.
        **arrays: values by name; None for a parameter that the cell lacks.

    Raises:
        ValueError: if a shape differs from that of the parameter.
    """
    for name, value in arrays.items():
        if value is None:
            continue
        param = getattr(cell, name)
        checks.shape(name, value, param.shape, f"of {type(cell).__name__}.{name}")
        param[...] = jnp.asarray(value, param.dtype)
    return cell


def directions(layer: Layer) -> list[tuple[Recurrent, ...]]:
    """Return the recurrent layers of each level of a stack, one or two per level.

    Args:
        layer: a `Recurrent`, a `Bidirectional`, or a `Stacked` of them.

    Raises:
        ValueError: if the layer has other parts, or computes something else than a
            plain recurrent layer.
    """
    levels = list(layer.layers) if isinstance(layer, Stacked) else [layer]
    pairs = []
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
                raise ValueError("a learned initial state cannot be converted")
            if one.rates.zoneout:
                raise ValueError("zoneout cannot be converted: it acts at evaluation")
        pairs.append(pair)
    return pairs


def only_cell(source: Cell | Layer) -> Cell:
    """Return the cell of a layer with a single cell.

    Args:
        source: a cell, or a layer of one level and one direction.

    Raises:
        ValueError: if the layer has several cells.
    """
    if isinstance(source, Cell):
        return source
    levels = directions(source)
    if len(levels) != 1 or len(levels[0]) != 1:
        raise ValueError(
            "only one cell can be converted at a time, got a layer with "
            f"{sum(map(len, levels))}; convert each cell"
        )
    return levels[0][0].cell
