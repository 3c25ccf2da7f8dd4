"""A linear function with a custom transpose, as a primitive of JAX.

JAX differentiates in reverse mode by transposing the tangents of a function. A linear
map of tangents that is bound as this primitive is transposed by a given function.
`jax.custom_derivatives.linear_call` has the same purpose, but JAX can neither batch it
nor differentiate it with respect to its residuals.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive, unmapped_aval
from jax.interpreters import ad, batching, mlir

from zoo.types import Array

Function = Callable[[Sequence[Array], Sequence[Array]], list[Any]]


class LinearMap:
    """A linear function of arrays, and its transpose.

    The functions capture no array that is traced: JAX may call them later, such as when
    it compiles. Primitives compare their parameters, so that a map equals itself alone.
    """

    def __init__(self, push: Function, pull: Function):
        """Combine both functions.

        Args:
            push: ``(residuals, inputs) -> outputs``, linear in the inputs.
            pull: ``(residuals, cotangents of the outputs) -> cotangents of the
                inputs``, of which None is zero.
        """
        self.push, self.pull = push, pull

    def __call__(
        self, residuals: Sequence[Array], inputs: Sequence[Array], types: Sequence[Any]
    ) -> list[Array]:
        """Return the outputs.

        Args:
            residuals: the arrays in which the map is not linear.
            inputs: the arrays in which it is linear.
            types: the types of the outputs, as those of `jax.typeof`.
        """
        return _linear_map.bind(
            *residuals, *inputs, map=self, count=len(residuals), types=tuple(types)
        )


_linear_map = Primitive("zoo_linear_map")
_linear_map.multiple_results = True


@_linear_map.def_impl
def _evaluate(*arguments: Array, map: LinearMap, count: int, types: Any) -> list[Array]:
    return map.push(arguments[:count], arguments[count:])


@_linear_map.def_abstract_eval
def _types(*_: Any, map: LinearMap, count: int, types: Any) -> list[Any]:
    # `map.push` is not traced for its types: reverse mode never calls it.
    return list(types)


def _jvp(
    primals: Any, tangents: Any, *, map: LinearMap, count: int, types: Any
) -> tuple[Any, Any]:
    residuals, inputs = primals[:count], primals[count:]
    d_residuals, d_inputs = tangents[:count], tangents[count:]
    outputs = map(residuals, inputs, types)
    terms = []
    if any(type(d) is not ad.Zero for d in d_inputs):
        d_inputs = [ad.instantiate_zeros(d) for d in d_inputs]
        terms.append(map(residuals, d_inputs, types))
    moved = [i for i, d in enumerate(d_residuals) if type(d) is not ad.Zero]
    if moved:

        def push(*values: Array) -> list[Array]:
            every = list(residuals)
            for i, value in zip(moved, values, strict=True):
                every[i] = value
            return map.push(every, inputs)

        values, directions = ([a[i] for i in moved] for a in (residuals, d_residuals))
        terms.append(jax.jvp(push, values, directions)[1])
    return outputs, [sum(parts[1:], parts[0]) for parts in zip(*terms, strict=True)]


def _transpose(
    cotangents: Any, *arguments: Any, map: LinearMap, count: int, types: Any
) -> list[Any]:
    cotangents = [ad.instantiate_zeros(c) for c in cotangents]
    d_inputs = map.pull(arguments[:count], cotangents)
    # JAX passes zeros for inputs that it does not transpose with respect to.
    pairs = zip(arguments[count:], d_inputs, strict=True)
    d_inputs = [d if ad.is_undefined_primal(a) else None for a, d in pairs]
    return [None] * count + d_inputs


def _batch(
    axis: Any, arguments: Any, axes: Any, *, map: LinearMap, count: int, types: Any
) -> tuple[list[Array], list[int | None]]:
    residuals, inputs = arguments[:count], arguments[count:]
    if all(a is None for a in axes):
        return map(residuals, inputs, types), [None] * len(types)
    of_residuals, of_inputs = list(axes[:count]), list(axes[count:])
    vmap = partial(
        jax.vmap,
        axis_size=axis.size,
        axis_name=axis.name,
        spmd_axis_name=axis.spmd_name or axis.explicit_mesh_axis,
    )

    def push(residuals: Sequence[Array], inputs: Sequence[Array]) -> list[Array]:
        batched = vmap(map.push, in_axes=(of_residuals, of_inputs))
        return batched(list(residuals), list(inputs))

    def pull(residuals: Sequence[Array], cotangents: Sequence[Array]) -> list[Any]:
        ends = [0 if a is None else a for a in of_inputs]
        batched = vmap(map.pull, in_axes=(of_residuals, 0), out_axes=ends)
        d_inputs = batched(list(residuals), list(cotangents))
        # An input without the axis enters every entry of the batch.
        return [
            jnp.sum(d, 0) if a is None and d is not None else d
            for a, d in zip(of_inputs, d_inputs, strict=True)
        ]

    mesh_axis = axis.explicit_mesh_axis
    types = [unmapped_aval(axis.size, 0, type, mesh_axis) for type in types]
    return LinearMap(push, pull)(residuals, inputs, types), [0] * len(types)


ad.primitive_jvps[_linear_map] = _jvp
ad.primitive_transposes[_linear_map] = _transpose
batching.fancy_primitive_batchers[_linear_map] = _batch
mlir.register_lowering(_linear_map, mlir.lower_fun(_evaluate, multiple_results=True))
