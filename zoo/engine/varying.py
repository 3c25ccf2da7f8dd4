"""Arrays inside ``jax.shard_map``: over which axes of the mesh they vary.

Inside ``jax.shard_map`` the type of an array says over which axes of the mesh its value
differs between devices. A loop must carry arrays of one type, but a state of zeros or a
replicated parameter varies over no axis, and what a step computes from it and the rows
of a device does. Outside of ``jax.shard_map`` no array varies.

The gradient with respect to an array that is cast is summed over the devices: once, if
the array is cast before the loop that reads it.
"""

from typing import Any

import jax

from zoo.types import Array


def varying_axes(*trees: Any) -> frozenset[Any]:
    """Return the axes of the mesh that any array varies over.

    Args:
        *trees: trees of arrays, or of their shapes from `jax.eval_shape`.
    """
    return frozenset().union(*map(_axes, jax.tree.leaves(trees)))


def vary_over(axes: frozenset[Any], tree: Any) -> Any:
    """Return a tree whose arrays vary over these axes of the mesh; no value changes.

    Args:
        axes: the axes.
        tree: a tree of arrays.
    """

    def cast(a: Array) -> Array:
        missing = axes - _axes(a)
        return jax.lax.pcast(a, tuple(missing), to="varying") if missing else a

    return jax.tree.map(cast, tree) if axes else tree


def vary_alike(*trees: Any) -> Any:
    """Return trees whose arrays all vary over the axes that any of them varies over.

    Example::

        state, x, params = vary_alike(state, x, params)

    Args:
        *trees: trees of arrays.

    Returns:
        The trees, as a tuple.
    """
    return vary_over(varying_axes(trees), trees)


def _axes(a: Array | jax.ShapeDtypeStruct) -> frozenset[Any]:
    value: Any = a if isinstance(a, jax.ShapeDtypeStruct) else jax.typeof(a)
    if hasattr(value, "vma"):  # before JAX 0.10.2
        return value.vma or frozenset()
    manual = value.manual_axis_type
    return frozenset() if manual is None else manual.varying
