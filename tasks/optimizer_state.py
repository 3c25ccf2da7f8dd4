"""The arrays in an optimiser's state that belong to parameters."""

from collections.abc import Callable
from typing import Any

import jax
from jax.tree_util import DictKey


def map_params(
    function: Callable[..., Any],
    state: Any,
    *trees: Any,
    other: Callable[[Any], Any],
) -> Any:
    """Map the arrays of an optimiser's state.

    An array whose path ends like that of a parameter, such as the moments of Adam,
    belongs to this parameter. ``optax.tree.map_params`` needs a state with all
    parameters, which that of `zoo.tasks.unfreezing` is not.

    Args:
        function: ``f(array, *leaves)`` for an array that belongs to a parameter.
        state: the state, or the shapes of it.
        *trees: like the parameters, nested dicts.
        other: ``f(array)`` for the others, such as the number of steps.

    Returns:
        The state with the results of both.
    """

    def apply(path: tuple[Any, ...], leaf: Any) -> Any:
        names = []
        for key in reversed(path):
            if not isinstance(key, DictKey):
                break
            names.insert(0, key.key)
        if not names:
            return other(leaf)
        leaves = list(trees)
        for name in names:
            leaves = [tree[name] for tree in leaves]
        return function(leaf, *leaves)

    return jax.tree.map_with_path(apply, state)
