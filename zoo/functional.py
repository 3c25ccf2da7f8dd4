"""From a module to a pure function of its parameters."""

from collections.abc import Callable
from typing import Any

from flax import nnx

from zoo.types import Params

Apply = Callable[..., Any]


def functional(model: nnx.Module) -> tuple[Params, Apply]:
    """Split a module into its parameters and a pure function of them.

    ::

        params, apply = zoo.functional(LSTM(50, 100, rngs=nnx.Rngs(0)))
        state, y = apply(params, x, mask)                   # layer(x, mask)
        state, y_t = apply(params, state, x_t, method="step")   # layer.step(state, x_t)

    `apply` works under ``jax.jit``, ``grad`` and ``vmap``, also over a stack of
    parameters.

    Args:
        model: any module; it is left as it is. Its `zoo.types.Constant` arrays are
            closed over.

    Returns:
        The parameters, a nested dict of arrays, and ``apply(params, *args, method=None,
        **kwargs)``, where `method` is the name of a method or a function ``f(model,
        *args, **kwargs)``; by default the model is called.
    """
    graph, trained, fixed = nnx.split(model, nnx.Param, ...)

    def apply(params: Params, *args: Any, method: Any = None, **kwargs: Any) -> Any:
        bound = nnx.merge(graph, params, fixed)
        if method is None:
            return bound(*args, **kwargs)  # pyright: ignore[reportCallIssue]
        if isinstance(method, str):
            return getattr(bound, method)(*args, **kwargs)
        return method(bound, *args, **kwargs)

    return nnx.to_pure_dict(trained), apply
