"""Functions with a custom backward pass that JAX also differentiates in forward mode.

A function of `jax.custom_vjp` has no forward mode, and one of `jax.custom_jvp` no
custom backward pass. `CustomGradient` has both: its rule, which JAX applies in either
mode, computes the result and the residuals, and maps the tangents by a `LinearMap`.
Forward mode evaluates the map. Reverse mode only transposes it, and the transpose is
the backward pass.
"""

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.dtypes import float0
from jax.interpreters import ad

from zoo.engine.linear_map import LinearMap
from zoo.types import Array

R = TypeVar("R")


class CustomGradient(Generic[R]):
    """A function ``f(static, *arguments)`` with custom derivatives.

    Example::

        @CustomGradient
        def cube(scale: float, x: Array) -> Array:
            return scale * x**3

        def forward(scale, x):
            return scale * x**3, x

        def backward(scale, x, d_y):
            return (3 * scale * x**2 * d_y,)

        cube.define(forward, backward)
    """

    def __init__(self, function: Callable[..., R]):
        """Wrap a function.

        Args:
            function: ``(static, *arguments) -> result``. The arguments and the result
                are pytrees of arrays; `static` holds none that is differentiated.
        """
        self.function = function
        update_wrapper(self, function)

    def define(
        self,
        forward: Callable[..., tuple[R, Any]],
        backward: Callable[..., tuple[Any, ...]],
        tangents: Callable[..., Any] | None = None,
    ) -> None:
        """Define the derivatives.

        Args:
            forward: ``(static, *arguments) -> (result, residuals)``.
            backward: ``(static, residuals, cotangents) -> gradients``, the backward
                pass: a gradient for each argument, or None instead of zeros.
            tangents: ``(static, residuals, tangents) -> tangents``, the forward mode:
                from the tangents of the arguments to those of the result, with the
                structure and the dtypes of `jax.jvp`. By default JAX differentiates
                the function.
        """
        self.forward, self.backward, self.tangents = forward, backward, tangents

    def __call__(self, static: Any, *arguments: Any) -> R:
        """Return ``f(static, *arguments)``."""
        function = jax.custom_jvp(partial(self.function, static))
        function.defjvp(partial(self._rule, static), symbolic_zeros=True)
        return function(*arguments)

    def _rule(self, static: Any, primals: Any, tangents: Any) -> tuple[R, Any]:
        """Return the result and its tangents."""
        result, kept = self.forward(static, *primals)
        given = _Leaves.of(primals, _is_given, tangents)
        real = _Leaves.of(result, _is_real, result)
        # Only the derivatives of JAX read the arguments again.
        arguments = primals if self.tangents is None else None
        residuals, structure = jax.tree.flatten((arguments, kept))

        def push(residuals: Sequence[Array], inputs: Sequence[Array]) -> list[Array]:
            arguments, kept = jax.tree.unflatten(structure, residuals)
            if self.tangents is not None:
                tangents = given.put(given.zeros(), inputs)
                return real.pick(self.tangents(static, kept, tangents))

            def function(*values: Array) -> R:
                return self.function(static, *given.put(arguments, values))

            values = given.pick(arguments)
            return real.pick(jax.jvp(function, values, list(inputs))[1])

        def pull(residuals: Sequence[Array], cotangents: Sequence[Array]) -> list[Any]:
            _, kept = jax.tree.unflatten(structure, residuals)
            filled = real.put(real.zeros(), cotangents)
            return given.pick_gradients(self.backward(static, kept, filled))

        inputs, types = given.pick(tangents), real.pick(real.types)
        outputs = LinearMap(push, pull)(residuals, inputs, types)
        return result, real.put(jax.tree.map(SymbolicZero, real.types), outputs)


class _Leaves(NamedTuple):
    """Some leaves of a tree.

    Attributes:
        types: the tree of the types of the tangents.
        indices: of the leaves.
    """

    types: Any
    indices: Sequence[int]

    @classmethod
    def of(cls, tree: Any, condition: Callable[[Any], bool], tested: Any) -> "_Leaves":
        """Return the leaves for which those of a second tree satisfy a condition."""
        types = jax.tree.map(lambda a: jax.typeof(a).to_tangent_aval(), tree)
        leaves = enumerate(jax.tree.leaves(tested))
        return cls(types, [i for i, leaf in leaves if condition(leaf)])

    def zeros(self) -> Any:
        """Return the tree with zeros."""
        return jax.tree.map(ad.zeros_like_aval, self.types)

    def pick(self, tree: Any) -> list[Any]:
        """Return the leaves."""
        leaves = jax.tree.leaves(tree)
        return [leaves[i] for i in self.indices]

    def put(self, tree: Any, values: Sequence[Any]) -> Any:
        """Return a tree with other values of the leaves."""
        leaves, structure = jax.tree.flatten(tree)
        for i, value in zip(self.indices, values, strict=True):
            leaves[i] = value
        return jax.tree.unflatten(structure, leaves)

    def pick_gradients(self, gradients: Any) -> list[Any]:
        """Return the leaves of gradients, where None is a tree of zeros."""
        leaves = []

        def add(gradient: Any, types: Any) -> None:
            leaves.extend([gradient] * len(jax.tree.leaves(types)))

        jax.tree.map(add, gradients, self.types, is_leaf=lambda a: a is None)
        return [leaves[i] for i in self.indices]


def _is_given(tangent: Any) -> bool:
    return not isinstance(tangent, SymbolicZero) and tangent.dtype != float0


def _is_real(value: Any) -> bool:
    return jnp.issubdtype(value.dtype, jnp.inexact)
