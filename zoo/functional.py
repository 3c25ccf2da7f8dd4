"""Modules as pure functions of their parameters."""

from collections.abc import Callable
from typing import Any

from flax import nnx

from zoo.stochastic import explicit_keys
from zoo.types import Params

Apply = Callable[..., Any]


def functional(model: nnx.Module) -> tuple[Params, Apply]:
    """Split a module into its parameters and a pure function of these.

    ::

        params, apply = zoo.functional(LSTM(50, 100, rngs=nnx.Rngs(0)))
        state, y = apply(params, x, mask)                   # layer(x, mask)
        state, y_t = apply(params, state, x_t, method="step")   # layer.step(state, x_t)

    `apply` works under ``jax.jit``, ``jax.grad`` and ``jax.vmap``, including
    ``jax.vmap`` over stacked parameters. It draws noise from the argument ``key``
    alone, whatever the mode of the module.

    Args:
        model: any module; it is not modified. `apply` closes over its
            `zoo.types.Constant` arrays.

    Returns:
        The parameters as a nested dict of arrays, and ``apply(params, *args,
        method=None, **kwargs)``. `method` is the name of a method, or a function
        ``f(model, *args, **kwargs)``; by default the model itself is called.
    """
    graph, params, constants = nnx.split(model, nnx.Param, ...)

    def apply(params: Params, *args: Any, method: Any = None, **kwargs: Any) -> Any:
        bound: Any = nnx.merge(graph, params, constants)
        with explicit_keys():
            if method is None:
                return bound(*args, **kwargs)
            if isinstance(method, str):
                return getattr(bound, method)(*args, **kwargs)
            return method(bound, *args, **kwargs)

    return nnx.to_pure_dict(params), apply
