"""Modules as pure functions of their parameters."""

from collections.abc import Callable, Mapping
from typing import Any

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
        model: any module; it is not modified. `apply` closes over its
            `zoo.types.Constant` arrays.

    Returns:
        The parameters as a nested dict of arrays, with the position of a layer in a
        list as a string: ``params["layers"]["0"]``; and ``apply(params, *args,
        method=None, **kwargs)``, which raises ValueError if the keys of `params`
        differ. `method` is the name of a method, or a function ``f(model, *args,
        **kwargs)``; by default the model itself is called.
    """
    model = nnx.view(
        model,
        deterministic=True,
        use_running_average=True,
        raise_if_not_found=False,
    )
    graph, variables, constants = nnx.split(model, nnx.Param, ...)
    params = nnx.to_pure_dict(variables)
    keys = _keys(params)

    def apply(params: Params, *args: Any, method: Any = None, **kwargs: Any) -> Any:
        bound: Any = nnx.merge(graph, _with_keys(keys, params), constants)
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


def _keys(tree: Any) -> Any:
    """Return nested dicts with None in place of each leaf."""
    if not isinstance(tree, Mapping):
        return None
    return {key: _keys(value) for key, value in tree.items()}


def _with_keys(keys: Any, tree: Any, path: str = "params") -> Any:
    """Return nested dicts with the keys of Flax instead of strings.

    ``nnx.merge`` compares no keys, but takes the leaves in the order of the sorted
    keys, in which 10 follows 9 and "10" follows "1".

    Args:
        keys: from `_keys`.
        tree: nested dicts with the same keys as strings or as they are.
        path: of `tree`, for the message.

    Raises:
        TypeError: if `tree` is not a dict.
        ValueError: if it has other keys.
    """
    if keys is None:
        return tree
    if not isinstance(tree, Mapping):
        raise TypeError(f"{path} must be a dict, got {type(tree).__name__}")
    expected = [str(key) for key in keys]
    given = {str(key): value for key, value in tree.items()}
    if given.keys() != set(expected):
        raise ValueError(
            f"{path} must have the keys {sorted(expected)}, got {sorted(given)}"
        )
    return {
        key: _with_keys(below, given[str(key)], f'{path}["{key}"]')
        for key, below in keys.items()
    }
