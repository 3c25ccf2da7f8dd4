"""The time loop: one ``jax.lax.scan`` for every cell.

The loop knows no cell by name. It is given pure functions of an opaque pytree of
parameters and runs, for one row of a batch and in reading order,

    for t in range(T):
        if reset[t]: state = initial            # a new sequence begins in this row
        p, q = project(params, x[t]), recur(params, state)
        new = update(params, state, p, q, noise[t])
        state = new if mask[t] else state       # padding: the state passes through
        y[t] = output(params, state, p) if mask[t] else 0

With ``reverse=True`` it runs from the last step to the first, and a reset is a restart
before the next token that the loop meets.

What a step is, and the gradient of the loop, stand in `zoo.engine.loop`.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine import native
from zoo.engine.loop import CellFunctions, Loop, Span, Steps, collected, plain, spread
from zoo.engine.platform import platform
from zoo.types import Array, ArrayLike, Params, State

GPU_UNROLL = 8


class Schedule(NamedTuple):
    """How the loop runs; none of it changes a result beyond rounding.

    Attributes:
        unroll: steps in one iteration of the loop: more compile time, less overhead;
            or ``"auto"``: what measures faster on the backend.
        remat: what the backward pass computes again instead of storing it: ``"none"``,
            ``"step"`` (keeps only the states), or ``"chunk:n"`` (keeps only every n-th
            state; n near sqrt(T) needs the least memory).
        project: where ``project`` runs: ``"ahead"`` of the loop, as one large product,
            inside the ``"loop"``, or ``"auto"``: what measures faster on the backend.
        gradient: where the gradients of matrices are formed: ``"after"`` the loop, or
            step by step in the ``"loop"``, by JAX itself, which is slower but can also
            be differentiated in forward mode. Without a `recur` it is always the
            latter.
        steps: ``"loop"`` takes one step after the other, ``"parallel"`` all steps of a
            linear cell in parallel: vector states by a parallel scan
            (`zoo.engine.linear_scan`), matrix states in chunks
            (`zoo.engine.matrix_chunks`). The states of all steps of a matrix are
            always computed in the loop. ``"auto"``: what measures faster on the
            backend, which on a CPU may be
            the former without a gradient and the latter with it; with
            ``gradient="loop"`` the loop.
        backend: ``"scan"``: ``jax.lax.scan``; ``"native"``: all steps in one call of a
            kernel (`zoo.engine.native`), an error where it cannot be; ``"auto"``: a
            kernel where there is one.
    """

    unroll: int | Literal["auto"] = "auto"
    remat: str = "none"
    project: Literal["auto", "ahead", "loop"] = "auto"
    gradient: Literal["after", "loop"] = "after"
    steps: Literal["auto", "loop", "parallel"] = "auto"
    backend: Literal["auto", "scan", "native"] = "auto"

    def check(self) -> "Schedule":
        """Return self if it can be run.

        Raises:
            ValueError: naming the field that cannot.
        """
        if self.unroll != "auto":
            checks.positive("unroll", self.unroll)
        checks.one_of("project", self.project, ("auto", "ahead", "loop"))
        checks.one_of("gradient", self.gradient, ("after", "loop"))
        checks.one_of("steps", self.steps, ("auto", "loop", "parallel"))
        checks.one_of("backend", self.backend, ("auto", "scan", "native"))
        _ = self.chunk  # which names what is wrong
        return self

    @property
    def chunk(self) -> int:
        """Steps between stored states: 0 for "none", 1 for "step", n for "chunk:n".

        Raises:
            ValueError: if `remat` is none of these.
        """
        if self.remat in ("none", "step"):
            return int(self.remat == "step")
        kind, _, n = str(self.remat).partition(":")
        if kind != "chunk" or not n.isdecimal() or int(n) < 1:
            raise ValueError(
                'remat must be "none", "step" or "chunk:n" with n of 1 or more, '
                f"got {self.remat!r}"
            )
        return int(n)

    @property
    def each(self) -> int:
        """How many steps one iteration of the loop takes."""
        if self.unroll == "auto":
            # On a GPU every iteration is some launches and a wait, which cost more than
            # a step; a CPU gains nothing.
            return 1 if platform() == "cpu" else GPU_UNROLL
        return self.unroll

    @property
    def ahead(self) -> bool:
        """Whether the inputs are projected ahead of the loop."""
        if self.project == "auto":
            # On a CPU the large product's result is written out and read back in
            # slices, which costs more than it saves; elsewhere a product in the loop
            # is a launch.
            return platform() != "cpu"
        return self.project == "ahead"


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
    cell: CellFunctions,
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
    if reset is not None:
        reset = restarts(reset, mask, reverse=reverse)
    if cell.native is not None and not states and not jax.tree.leaves(noise):
        flags = native.Flags(mask, reset)
        options = noise, reverse, schedule
        return _native(cell, params, x, state, flags, initial, *options)
    steps = time_first(x, mask, reset, noise)
    return _loop(cell, params, steps, state, initial, reverse, states, schedule)


def _loop(cell, params, steps, state, initial, reverse, states, schedule):
    """Do what `scan` does, by a loop or all steps at once."""
    chunk = schedule.chunk
    recompute = cell.recompute or chunk == 1
    loop = Loop(cell, reverse, states, schedule.ahead, schedule.each, recompute)
    (T, B), noisy = steps.x.shape[:2], jax.tree.leaves(steps.noise)
    if cell.parallel and not noisy and cell.prefers(B, T, True):
        body = _parallel if cell.prefers(B, T, False) else _trained_parallel
    elif schedule.gradient == "after" and cell.recur is not None:
        body = collected
    else:
        body = plain
    run = partial(body, loop, params, initial)
    state, ys = _in_chunks(run, chunk, state, steps, reverse)
    y, all_states = jax.tree.map(_turned, ys)
    return state, y, all_states


def _native(cell, params, x, state, flags, initial, noise, reverse, schedule):
    """Do what `scan` does, by calls of a kernel."""
    loop = cell._replace(native=None)

    def again(params, x, state, initial, flags):
        steps = time_first(x, flags.mask, flags.restart, noise)
        last, y, _ = _loop(
            loop, params, steps, state, initial, reverse, False, schedule
        )
        return last, y

    chunk = schedule.chunk
    call = native.Call(cell.native, platform(), reverse, chunk == 1, again)

    def run(state, steps):
        x, flags = steps
        found: Any = native.layer(call, params, x, state, initial, flags)
        return found

    steps = x.astype(jnp.float32), flags  # the kernel rounds what it multiplies
    if chunk < 2:
        last, y = run(state, steps)
    else:

        def piece(state, steps):
            last, y = run(state, jax.tree.map(_turned, steps))
            return last, _turned(y)

        turned = jax.tree.map(_turned, steps)
        last, y = _in_chunks(piece, chunk, state, turned, reverse)
        y = _turned(y)
    return last, y.astype(cell.native.dtype), None


def time_first(
    x: Array, mask: Array | None, restart: Array | None, noise: Any
) -> Steps:
    """Return what a loop reads of a batch: zeros at padding, time before rows.

    Args:
        x: as for `scan`.
        mask: as for `scan`.
        restart: what `restarts` has found, or None.
        noise: as for `scan`, with time first already.
    """
    if mask is not None:
        # Zeroed before the first product: NaN * 0 is NaN in the gradient of a weight.
        x = jnp.where(spread(mask, x), x, jnp.zeros((), x.dtype))
    x, mask, restart = jax.tree.map(_turned, (x, mask, restart))
    return Steps(x, mask, restart, noise)


def _turned(a: Array) -> Array:
    """Return an array with time before rows, or rows before time."""
    return jnp.swapaxes(a, 0, 1)


def restarts(reset: Array, mask: Array | None, *, reverse: bool) -> Array:
    """Return at which tokens a loop restarts before it reads them.

    Args:
        reset: bool ``[B, T]``, True = the first token of a sequence; on padding it
            means nothing.
        mask: bool ``[B, T]``, or None.
        reverse: whether the loop meets the last token first.
    """
    real = jnp.ones_like(reset) if mask is None else mask
    return (_of_token_to_the_right(reset, real) if reverse else reset) & real


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


def _parallel(loop: Loop, params: Params, initial: State, state: State, steps: Steps):
    """Do what `plain` does, with all steps at once."""
    if not steps.x.shape[0]:
        return plain(loop, params, initial, state, steps)
    assert loop.cell.parallel is not None
    # Rows first, as it was: nothing has to be turned for what is not a loop.
    x, mask, reset = jax.tree.map(_turned, (steps.x, steps.mask, steps.reset))
    p = loop.cell.project(params, x)
    span = Span(mask, reset, loop.reverse)
    initial = state if initial is None else initial  # no reset: it is not looked at
    last, y, states = loop.cell.parallel(params, p, state, initial, span)
    if loop.states and states is None:
        # What was made above is not used, so that it is not computed either.
        return plain(loop, params, initial, state, steps)
    if mask is not None:
        y = jnp.where(spread(mask, y), y, jnp.zeros((), y.dtype))
    return last, jax.tree.map(_turned, (y, states if loop.states else None))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _trained_parallel(
    loop: Loop, params: Params, initial: State, state: State, steps: Steps
):
    """Do what `plain` does, but what `_parallel` does if it is differentiated."""
    return plain(loop, params, initial, state, steps)


def _keep_parallel(loop, *given):
    return jax.vjp(partial(_parallel, loop), *given)


def _backward_parallel(loop, back, by):
    return back(by)


_trained_parallel.defvjp(_keep_parallel, _backward_parallel)


def _in_chunks(run, chunk, state, steps, reverse):
    """Run the loop in pieces that are computed again by the backward pass."""
    if chunk < 2:
        return run(state, steps)

    length = jax.tree.leaves(steps)[0].shape[0]
    whole = length - length % chunk
    main = jax.tree.map(
        lambda a: a[:whole].reshape(whole // chunk, chunk, *a.shape[1:]), steps
    )
    rest = jax.tree.map(lambda a: a[whole:], steps)
    inner = jax.checkpoint(run, prevent_cse=False)

    def run_main(state):
        state, ys = jax.lax.scan(inner, state, main, reverse=reverse)
        return state, jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), ys)

    if not whole:
        return inner(state, rest)
    if whole == length:
        return run_main(state)
    if reverse:
        state, last = inner(state, rest)
        state, first = run_main(state)
    else:
        state, first = run_main(state)
        state, last = inner(state, rest)
    return state, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, last)
