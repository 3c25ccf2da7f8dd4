"""All steps of a cell that is linear in its state, in parallel over time."""

from functools import partial
from typing import Any

import jax

from zoo.engine.custom_gradient import CustomGradient
from zoo.engine.loop import Loop, Result, Steps, plain_loop, swap_time_and_rows
from zoo.engine.masks import Span, zero_padding
from zoo.types import Params, State


def parallel_steps(
    loop: Loop, params: Params, initial: State, state: State, steps: Steps
) -> Result:
    """Compute all steps in parallel.

    Args:
        loop: as for `plain_loop`; its cell has a `parallel`, which returns the states
            of all steps if `loop.states` is set.
        params: as for `plain_loop`.
        initial: as for `plain_loop`.
        state: as for `plain_loop`.
        steps: as for `plain_loop`, one or more.

    Returns:
        As `plain_loop`.
    """
    assert loop.cell.parallel is not None
    # Rows before time, as in the batch: only a loop needs time first.
    x, mask, restart = jax.tree.map(
        swap_time_and_rows, (steps.x, steps.mask, steps.restart)
    )
    p = loop.cell.project(params, x)
    span = Span(mask, restart, loop.reverse, loop.linear_kernel)
    initial = state if initial is None else initial  # unused: there is no reset
    last, y, states = loop.cell.parallel(params, p, state, initial, span)
    y = zero_padding(y, mask)
    return last, jax.tree.map(swap_time_and_rows, (y, states if loop.states else None))


@CustomGradient
def parallel_gradient(
    loop: Loop, params: Params, initial: State, state: State, steps: Steps
) -> Result:
    """Run the loop, or all steps in parallel if the call is differentiated.

    Args:
        loop: as for `parallel_steps`.
        params: as for `parallel_steps`.
        initial: as for `parallel_steps`.
        state: as for `parallel_steps`.
        steps: as for `parallel_steps`.

    Returns:
        As `plain_loop`.
    """
    return plain_loop(loop, params, initial, state, steps)


def _keep(loop: Loop, *arguments: Any) -> tuple[Result, Any]:
    return jax.vjp(partial(parallel_steps, loop), *arguments)


def _backward(loop: Loop, pull: Any, cotangents: Any) -> tuple[Any, ...]:
    return pull(cotangents)


parallel_gradient.define(_keep, _backward)
