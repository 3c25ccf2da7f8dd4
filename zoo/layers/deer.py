"""All steps of a non-linear cell in parallel; see `zoo.engine.newton`."""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine.loop import Loop, plain_loop, time_first
from zoo.engine.masks import restarts, zero_padding
from zoo.engine.newton import Solver, solve
from zoo.engine.varying import vary_alike
from zoo.layers.noise import Noise
from zoo.layers.recurrent import Recurrent
from zoo.types import Array, ArrayLike, State


def deer(
    layer: Recurrent,
    x: ArrayLike,
    mask: ArrayLike | None = None,
    state: State = None,
    *,
    reset: ArrayLike | None = None,
    jacobian: Literal["full", "diagonal"] = "full",
    tolerance: float = 1e-6,
    max_iterations: int = 50,
) -> tuple[State, Array, Array]:
    """Run a layer of one cell over a batch of sequences, all steps in parallel.

    The result is that of ``layer(x, mask, state, reset=reset)``, up to the tolerance
    times the factor by which a step amplifies an error. Derivatives, in both modes, are
    those of the solution and not of the iterations: with full Jacobians a linear
    recurrence, all steps in parallel; with diagonal ones a loop.

    With N numbers in the state, ``jacobian="full"`` stores B T N N numbers and
    multiplies N x N matrices: for small states on a wide device. ``"diagonal"`` stores
    B T N, and takes more iterations the more the units depend on each other.
    ``benchmarks/deer.py`` measures where either is faster.

    Example::

        state, y, iterations = zoo.deer(zoo.Recurrent(cell), x, mask)

    Args:
        layer: a layer of one cell, in either direction.
        x: as for a call of the layer.
        mask: as for a call of the layer.
        state: as for a call of the layer.
        reset: as for a call of the layer.
        jacobian: ``"full"``, or ``"diagonal"`` for its diagonal alone.
        tolerance: the iterations end when no state changes by more than this times the
            largest state, or times one.
        max_iterations: the most iterations; after them, or if a number is not finite,
            the steps are computed one after the other.

    Returns:
        The final state and y as the layer returns them, and the number of iterations:
        `max_iterations` + 1 if the steps were computed one after the other.

    Raises:
        ValueError: if the layer is not of one cell, its state holds integers or
            states of other cells, or an argument is out of its range.
    """
    if not isinstance(layer, Recurrent):
        raise ValueError(
            f"layer must be a zoo.Recurrent, of one cell, got {type(layer).__name__}"
        )
    checks.one_of("jacobian", jacobian, ("full", "diagonal"))
    checks.positive("max_iterations", max_iterations)
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance!r}")
    x, mask, reset = layer._checked_batch(x, mask, reset)
    initial = layer.init_state(x.shape[0])
    if state is None:
        state = initial
    layer._check_state(state, x.shape[0])
    for part in jax.tree.leaves(state):
        if not jnp.issubdtype(part.dtype, jnp.floating) or part.ndim != 2:
            raise ValueError(
                f"the state of {type(layer.cell).__name__} must hold arrays [B, N] of "
                f"floating point numbers to be solved for, got {part.dtype} of shape "
                f"{part.shape}"
            )
    cell, params = layer.pure()
    if reset is not None:
        reset = restarts(reset, mask, reverse=layer.reverse)
    steps = time_first(x, mask, reset, Noise())
    params, initial, state, steps = vary_alike(params, initial, state, steps)
    solver = Solver(
        cell, layer.reverse, jacobian == "full", float(tolerance), max_iterations
    )
    if not x.shape[1]:
        loop = Loop(cell, layer.reverse)
        state, (y, _) = plain_loop(loop, params, initial, state, steps)
        return state, jnp.moveaxis(y, 0, 1), jnp.zeros((), jnp.int32)
    solved: Any = solve(solver, params, initial, state, steps)
    states, iterations = solved
    y = cell.output(params, states, cell.project(params, steps.x))
    y = zero_padding(y, steps.mask)
    end = 0 if layer.reverse else -1
    last = jax.tree.map(lambda part: part[end], states)
    return last, jnp.moveaxis(y, 0, 1), iterations
