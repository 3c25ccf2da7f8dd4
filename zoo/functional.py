"""Modules as pure functions of their parameters."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import nnx

from zoo.types import Params

Apply = Callable[..., Any]


def functional(model: nnx.Module) -> tuple[Params, Apply]:
    """Split a module into its parameters and a pure function of these.

    ::

        params, apply = zoo.functional(LSTM(50, 100, rngs=nnx.Rngs(0)))
        state, y = apply(params, x, mask)                   # layer(x, mask)
        state, y_t = apply(params, state, x_t, method="step")   # layer.step(state, x_t)
        trained = apply(params, method=lambda layer: layer)     # the layer itself

    `apply` works under ``jax.jit``, ``jax.grad``, ``jax.jvp`` and ``jax.vmap``,
    including ``jax.hessian`` and ``jax.vmap`` over stacked parameters. It runs the
    module in evaluation mode, whatever its mode was: noise is drawn from the argument
    ``key`` alone; of Flax, ``nnx.Dropout`` draws none and ``nnx.BatchNorm`` uses its
    running averages. The module that ``method=lambda layer: layer`` returns is in
    evaluation mode too.

    Args:
        model: any module; it is not modified. `apply` closes over the arrays of it
            that are not parameters, such as `zoo.types.Constant`, with their values at
            the time of this call.

    Returns:
        The parameters as a nested dict of arrays, with the position of a layer in a
        list as a string: ``params["layers"]["0"]``; and ``apply(params, *args,
        method=None, **kwargs)``, which raises ValueError if the keys or shapes of
        `params` differ, and TypeError for what is not an array; dtypes may differ.
        `method` is the name of a method, or a function ``f(model, *args, **kwargs)``;
        by default the model itself is called.
    """
    model = nnx.view(
        model,
        deterministic=True,
        use_running_average=True,
        raise_if_not_found=False,
    )
    graph, variables, constants = nnx.split(model, nnx.Param, ...)
    params = nnx.to_pure_dict(variables)
    shapes = _shapes(params)
    arrays, structure = jax.tree.flatten(constants)

    def apply(params: Params, *args: Any, method: Any = None, **kwargs: Any) -> Any:
        # Unflattened in every call: a module shares the variables it is merged from.
        constants = jax.tree.unflatten(structure, arrays)
        bound: Any = nnx.merge(graph, _with_keys(shapes, params), constants)
        if method is None:
            return bound(*args, **kwargs)
        if isinstance(method, str):
            return getattr(bound, method)(*args, **kwargs)
        return method(bound, *args, **kwargs)

    return _with_names(params), apply


def _with_names(tree: Any) -> Any:
    """Return nested dicts with strings as keys.

    Flax names the entries of a list by ints, which `jax.export` and JSON do not take as
    keys of a dict, and which checkpoints return as strings.
    """
    if not isinstance(tree, Mapping):
        return tree
    return {str(key): _with_names(value) for key, value in tree.items()}


def _shapes(tree: Any) -> Any:
    """Return nested dicts with the shape of each leaf; None if it has none."""
    if not isinstance(tree, Mapping):
        return getattr(tree, "shape", None)
    return {key: _shapes(value) for key, value in tree.items()}


def _with_keys(shapes: Any, tree: Any, path: str = "params") -> Any:
    """Return nested dicts with the keys of Flax instead of strings.

    ``nnx.merge`` compares no keys, but takes the leaves in the order of the sorted
    keys, in which 10 follows 9 and "10" follows "1".

    Args:
        shapes: from `_shapes`.
        tree: nested dicts with the same keys as strings or as they are.
        path: of `tree`, for the message.

    Raises:
        TypeError: if `tree` has something else in place of a dict or of an array.
        ValueError: if it has other keys, one of them twice, or other shapes.
    """
    if not isinstance(shapes, Mapping):
        _check_leaf(shapes, tree, path)
        return tree
    if not isinstance(tree, Mapping):
        raise TypeError(f"{path} must be a dict, got {type(tree).__name__}")
    expected = sorted(str(key) for key in shapes)
    if sorted(str(key) for key in tree) != expected:
        got = sorted(tree, key=str)
        raise ValueError(f"{path} must have the keys {expected}, got {got}")
    given = {str(key): value for key, value in tree.items()}
    return {
        key: _with_keys(below, given[str(key)], f'{path}["{key}"]')
        for key, below in shapes.items()
    }


def _check_leaf(expected: tuple[int, ...] | None, leaf: Any, path: str) -> None:
    """Check the shape of a parameter; under ``jax.vmap`` it lacks the mapped axis."""
    if expected is None:
        return
    is_number = isinstance(leaf, bool | int | float)
    shape = () if is_number else getattr(leaf, "shape", None)
    if shape is None:
        kind = type(leaf).__name__
        raise TypeError(f"{path} must be an array {list(expected)}, got {kind}")
    if shape != expected:
        raise ValueError(f"{path} must have shape {expected}, got {shape}")
