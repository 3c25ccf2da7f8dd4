"""A layer with its inputs and its compiled programs, as the subject of the contract.

A case is a function that builds a layer: ``make(rngs, **options) -> Layer``. Its
programs are compiled once and serve many tests, which differ in the values of the mask,
the reset and the state, and not in their shapes.
"""

import copy
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import zoo
from tests.helpers.tolerances import BFLOAT16, BFLOAT16_GRADIENT, SCHEDULE
from zoo.types import Params, State

B, T, D, H = 5, 6, 3, 4
# Rows: full, padded at the end, empty, a single token, and padding inside.
MASK = np.array(
    [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 1, 1, 0],
    ],
    bool,
)
ALL = np.ones((B, T), bool)
NEVER = np.zeros((B, T), bool)


class Subject:
    """A layer with its inputs and its compiled programs."""

    def __init__(
        self,
        make: Callable[..., Any],
        schedule: float = SCHEDULE,
        bfloat16: float = BFLOAT16,
        bfloat16_gradient: float = BFLOAT16_GRADIENT,
    ):
        """Build the layer, and add noise to its parameters, so that none is 0 or 1.

        Args:
            make: ``(rngs, **options) -> Layer``.
            schedule: the tolerance of the same arithmetic in another order.
            bfloat16: the tolerance of the outputs in bfloat16.
            bfloat16_gradient: the tolerance of the gradients in bfloat16.
        """
        self.make, self.schedule, self.bfloat16 = make, schedule, bfloat16
        self.bfloat16_gradient = bfloat16_gradient
        self.layer = make(nnx.Rngs(0))
        params, self.apply = zoo.functional(self.layer)
        # NumPy guarantees that the numbers of RandomState never change.
        self.rng = np.random.RandomState(0)
        self.params = jax.tree.map(
            lambda p: np.asarray(p) + np.float32(0.3) * self.normal(p.shape), params
        )
        self.x = self.normal((B, T, D))
        state = self.layer.init_state(B)
        self.state = self.random_state(state)
        y = jax.eval_shape(lambda: self.layer(self.x)[1])
        self.weights = (self.cotangent(y), jax.tree.map(self.cotangent, state))

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Draw float32 numbers."""
        return self.rng.standard_normal(shape).astype(np.float32)

    def random_state(self, state: State) -> State:
        """Draw a state with values that the layer could reach."""

        def draw(path, part):
            if not jnp.issubdtype(part.dtype, jnp.inexact):
                return part + 3  # a step count
            value = 0.5 * jnp.asarray(self.normal(part.shape), part.dtype)
            # A normaliser is a sum of exponentials, so it is positive.
            return abs(value) + 0.5 if jax.tree_util.keystr(path) == ".n" else value

        return jax.tree_util.tree_map_with_path(draw, state)

    def cotangent(self, like: Any) -> np.ndarray:
        """Draw the weights of the loss for one array."""
        return self.normal(like.shape)

    def loss(
        self, params: Params, x: Any, mask: Any, state: State, reset: Any
    ) -> tuple[Any, tuple[State, Any]]:
        """Return a weighted sum of all outputs and final states, and these."""
        final, y = self.apply(params, x, mask, state, reset=reset)
        terms = jax.tree.map(
            lambda a, w: (a.astype(w.dtype) * w).sum(), (y, final), self.weights
        )
        return sum(jax.tree.leaves(terms)), (final, y)

    @cached_property
    def run(self) -> Callable[..., tuple[State, Any]]:
        """The compiled layer: ``(params, x, mask, state, reset) -> (state, y)``."""
        return jax.jit(lambda p, x, m, s, r: self.apply(p, x, m, s, reset=r))

    @cached_property
    def states(self) -> Callable[..., State]:
        """The compiled `states` of the layer, with the same arguments as `run`."""
        return jax.jit(
            lambda p, x, m, s, r: self.apply(p, x, m, s, reset=r, method="states")
        )

    @cached_property
    def learn(self) -> Callable[..., tuple[Any, tuple[State, Any]]]:
        """The gradients with respect to params, x and state, and ``(state, y)``."""
        gradient = jax.grad(self.loss, argnums=(0, 1, 3), has_aux=True, allow_int=True)

        def learn(*args):
            gradients, aux = gradient(*args)
            # An integer step count in the state has no gradient.
            gradients = jax.tree.map(
                lambda g: np.zeros(()) if g.dtype == jax.dtypes.float0 else g, gradients
            )
            return gradients, aux

        return jax.jit(learn)

    def record(self, params: Params) -> dict[str, np.ndarray]:
        """Return the parameters, all results and all gradients by name.

        Args:
            params: the parameters to run the layer with.
        """
        args = params, *self.args()[1:]
        gradients, results = self.learn(*args)
        tree = {"params": params, "results": results, "gradients": gradients}
        return {
            jax.tree_util.keystr(path): np.asarray(leaf)
            for path, leaf in jax.tree.leaves_with_path(tree)
        }

    def with_options(self, **options: Any) -> "Subject":
        """Return a subject with the same weights, built with other options."""
        other = copy.copy(self)
        for program in ("run", "states", "learn"):
            other.__dict__.pop(program, None)
        # The weights are those of this subject, so shapes suffice.
        other.layer = nnx.eval_shape(lambda: self.make(nnx.Rngs(0), **options))
        nnx.update(other.layer, nnx.state(self.layer, zoo.Constant))
        _, other.apply = zoo.functional(other.layer)
        return other

    def args(
        self,
        x: Any = None,
        mask: np.ndarray = MASK,
        state: State = None,
        reset: np.ndarray = NEVER,
    ) -> tuple[Params, Any, np.ndarray, State, np.ndarray]:
        """Return the arguments of a program, by default those of this subject."""
        x = self.x if x is None else x
        return self.params, x, mask, self.state if state is None else state, reset


def rows_of(tree: Any, row: int | slice) -> Any:
    """Return one row, or a slice of rows, of each array ``[B, ...]`` of a tree."""
    return jax.tree.map(lambda a: a[row], tree)
