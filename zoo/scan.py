"""The time loop: one ``jax.lax.scan`` for every cell.

The loop knows no cell by name. It is given three pure functions of an opaque pytree of
parameters and runs, for one row of a batch and in reading order,

    for t in range(T):
        if reset[t]: state = initial            # a new sequence begins in this row
        p = project(params, x[t])
        new = advance(params, state, p, noise[t])
        state = new if mask[t] else state       # padding: the state passes through
        y[t] = output(params, state, p) if mask[t] else 0

With ``reverse=True`` it runs from the last step to the first, and a reset is a restart
before the next token that the loop meets.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.types import Array, ArrayLike, Params, State


class Functions(NamedTuple):
    """A cell as pure functions of its parameters.

    Attributes:
        project: ``(params, x[..., D]) -> p``, all that does not depend on the state.
        advance: ``(params, state, p, noise) -> state``, one step of the recurrence.
        output: ``(params, state, p) -> y``, the read-out.
    """

    project: Callable[[Params, Array], Any]
    advance: Callable[[Params, State, Any, Any], State]
    output: Callable[[Params, State, Any], Array]


class Schedule(NamedTuple):
    """How the loop runs; none of it changes a result beyond rounding.

    Attributes:
        unroll: steps in one iteration of the loop: more compile time, less overhead.
        remat: what the backward pass computes again instead of storing it: ``"none"``,
            ``"step"`` (keeps only the states), or ``"chunk:n"`` (keeps only every n-th
            state; n near sqrt(T) needs the least memory).
        project: where ``project`` runs: ``"ahead"`` of the loop, as one large product,
            inside the ``"loop"``, or ``"auto"``: what measures faster on the backend.
    """

    unroll: int = 1
    remat: str = "none"
    project: Literal["auto", "ahead", "loop"] = "auto"

    def check(self) -> "Schedule":
        """Return self if it can be run.

        Raises:
            ValueError: naming the field that cannot.
        """
        checks.positive("unroll", self.unroll)
        checks.one_of("project", self.project, ("auto", "ahead", "loop"))
        _chunk(self.remat)
        return self


def mask_from_lengths(lengths: ArrayLike, T: int) -> Array:
    """Make a mask of the lengths of the rows: ``mask[b, t] = t < lengths[b]``.

    Args:
        lengths: int ``[B]``, from 0 to T.
        T: the number of steps.

    Returns:
        bool ``[B, T]``, True = a real token.

    Raises:
        ValueError: if `lengths` has not one axis.
        TypeError: if `lengths` are not ints.
    """
    lengths = jnp.asarray(lengths)
    if lengths.ndim != 1:
        raise ValueError(f"lengths must have shape [B], got {lengths.shape}")
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise TypeError(f"lengths must be ints, got {lengths.dtype}")
    return jnp.arange(T, dtype=lengths.dtype) < lengths[:, None]


def scan(
    cell: Functions,
    params: Params,
    x: Array,
    state: State,
    *,
    mask: Array | None = None,
    reset: Array | None = None,
    initial: State = None,
    noise: Any = None,
    reverse: bool = False,
    states: bool = False,
    schedule: Schedule = Schedule(),
) -> tuple[State, Array, State]:
    """Run a cell over time.

    Args:
        cell: what one step does.
        params: passed to each of its functions.
        x: inputs ``[B, T, ...]``; what stands at padding is never looked at.
        state: the state before the first step that the loop meets.
        mask: bool ``[B, T]``, True = a real token; None if all are.
        reset: bool ``[B, T]``, True = the first token of a sequence packed into the
            row. On padding it means nothing. The state returned by a reversed loop is
            the one after its last step, also if that step carries a reset.
        initial: the state that a reset restarts from; needed with `reset`.
        noise: a pytree ``[T, ...]``, one entry of it passed to each step.
        reverse: run from the last step to the first; outputs stay in reading order.
        states: also return the state after every step.
        schedule: how the loop runs.

    Returns:
        The state after the last step that the loop met; the outputs ``[B, T, ...]``,
        zero at padding; and the states of all steps, ``[B, T, ...]``, or None.
    """
    if mask is not None:
        # Zeroed before the first product: NaN * 0 is NaN in the gradient of a weight.
        x = jnp.where(_spread(mask, x), x, jnp.zeros((), x.dtype))
    if reset is not None:
        real = jnp.ones_like(reset) if mask is None else mask
        reset = (_of_token_to_the_right(reset, real) if reverse else reset) & real
    x, mask, reset = jax.tree.map(lambda a: jnp.moveaxis(a, 1, 0), (x, mask, reset))
    ahead = schedule.project == "ahead"
    if schedule.project == "auto":
        # On a CPU the large product's result is written out and read back in slices,
        # which costs more than it saves; elsewhere a product in the loop is a launch.
        ahead = jax.default_backend() != "cpu"
    if ahead:
        x = cell.project(params, x)
    body = partial(_body, cell, params, initial, ahead=ahead, states=states)
    state, ys = _loop(body, state, (x, mask, reset, noise), reverse, schedule)
    y, all_states = jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1), ys)
    return state, y, all_states


def _of_token_to_the_right(flags: Array, mask: Array) -> Array:
    """Return at each step the flag of the next real token, False where there is none.

    A reversed loop has met that token just before: what restarts after one token
    restarts before the next, so that padding between the two, or none at all, changes
    nothing.
    """
    T = flags.shape[1]
    steps = jnp.where(mask, jnp.arange(T), T)
    later = jnp.pad(steps[:, 1:], ((0, 0), (0, 1)), constant_values=T)
    following = jax.lax.cummin(later, axis=1, reverse=True)
    padded = jnp.pad(flags, ((0, 0), (0, 1)))
    return jnp.take_along_axis(padded, following, axis=1)


def _body(cell, params, initial, state, inputs, *, ahead, states):
    """One step of the loop: the body of ``jax.lax.scan``."""
    x, mask, reset, noise = inputs
    p = x if ahead else cell.project(params, x)
    if reset is not None:
        state = _select(reset, initial, state)
    new = cell.advance(params, state, p, noise)
    if mask is not None:
        new = _select(mask, new, state)
    y = cell.output(params, new, p)
    if mask is not None:
        y = jnp.where(_spread(mask, y), y, jnp.zeros((), y.dtype))
    return new, (y, new if states else None)


def _loop(body, state, inputs, reverse, schedule):
    """``jax.lax.scan`` with rematerialisation."""
    chunk = _chunk(schedule.remat)
    # In a loop nothing can be merged with the step it repeats: no barrier is needed.
    if chunk == 1:
        body = jax.checkpoint(body, prevent_cse=False)
    run = partial(jax.lax.scan, body, reverse=reverse, unroll=schedule.unroll)
    if chunk < 2:
        return run(state, inputs)

    length = jax.tree.leaves(inputs)[0].shape[0]
    whole = length - length % chunk
    main = jax.tree.map(
        lambda a: a[:whole].reshape(whole // chunk, chunk, *a.shape[1:]), inputs
    )
    rest = jax.tree.map(lambda a: a[whole:], inputs)
    inner = jax.checkpoint(run, prevent_cse=False)

    def run_main(state):
        state, ys = jax.lax.scan(inner, state, main, reverse=reverse)
        return state, jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), ys)

    if reverse:
        state, last = inner(state, rest)
        state, first = run_main(state)
    else:
        state, first = run_main(state)
        state, last = inner(state, rest)
    return state, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, last)


def _chunk(remat: str) -> int:
    """Steps between stored states: 0 for "none", 1 for "step", n for "chunk:n"."""
    if remat in ("none", "step"):
        return int(remat == "step")
    kind, _, n = str(remat).partition(":")
    if kind != "chunk" or not n.isdecimal() or int(n) < 1:
        raise ValueError(
            'remat must be "none", "step" or "chunk:n" with n of 1 or more, '
            f"got {remat!r}"
        )
    return int(n)


def _spread(flags: Array, like: Array) -> Array:
    """Give flags [B] or [B, T] the trailing axes of what they are to select."""
    return flags.reshape(flags.shape + (1,) * (like.ndim - flags.ndim))


def _select(flags: Array, yes: State, no: State) -> State:
    """Choose between two states row by row."""
    return jax.tree.map(lambda a, b: jnp.where(_spread(flags, a), a, b), yes, no)
