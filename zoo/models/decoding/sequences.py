"""Generated sequences, and the loop that all ways of decoding share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine.varying import vary_over, varying_axes
from zoo.types import Array, State

Step = Callable[[State, Array], tuple[Any, ...]]


class Decoded(NamedTuple):
    """Generated sequences; a beam search returns K for each row, ``[B, K, ...]``.

    Attributes:
        ids: int32 ``[B, T]`` with T = `max_length`; `eos` from the end on.
        lengths: int32 ``[B]``, number of tokens before `eos`; T without an `eos`.
        scores: float32 ``[B]``, in nats.
        weights: attention weights ``[B, T, S]`` of each token and of `eos`, zero
            afterwards; None if `step` returns none.
    """

    ids: Array
    lengths: Array
    scores: Array
    weights: Array | None


class Rows(NamedTuple):
    """Sequences during generation, one per row.

    Attributes:
        state: of the model.
        last: the tokens that the next step reads, ``[N]``.
        ids: the tokens so far, ``[N, T]``.
        lengths: their number, ``[N]``.
        scores: log-probabilities, ``[N]``.
        ended: whether `eos` has been generated, ``[N]``.
        weights: attention weights ``[N, T, S]``, or None.
    """

    state: State
    last: Array
    ids: Array
    lengths: Array
    scores: Array
    ended: Array
    weights: Array | None


def read(step: Step, state: State, ids: Array) -> tuple[State, Array, Array | None]:
    """Run the model's step.

    Args:
        step: as for `greedy`.
        state: of the model.
        ids: the tokens to read, ``[N]``.

    Returns:
        The state, log-probabilities ``[N, V]``, and attention weights or None.
    """
    state, logits, *more = step(state, ids)
    scores = jax.nn.log_softmax(logits.astype(jnp.float32))
    return state, scores, more[0] if more else None


def start(step: Step, state: State, bos: int, eos: int, max_length: int) -> Rows:
    """Return the rows before the first step; arguments as for `greedy`.

    Args:
        step: as for `greedy`.
        state: as for `greedy`.
        bos: as for `greedy`.
        eos: as for `greedy`.
        max_length: as for `greedy`.
    """
    T = checks.positive("max_length", max_length)
    N = jax.tree.leaves(state)[0].shape[0]
    last = jnp.full(N, bos, jnp.int32)
    result = jax.eval_shape(lambda *a: read(step, *a), state, last)
    _, scores, weights = result
    for name, token in (("bos", bos), ("eos", eos)):
        if not 0 <= token < scores.shape[1]:
            raise ValueError(
                f"{name} must lie in [0, V = {scores.shape[1]}), got {token!r}"
            )
    if weights is not None:
        weights = jnp.zeros((N, T, *weights.shape[1:]), weights.dtype)
    rows = Rows(
        state,
        last,
        jnp.full((N, T), eos, jnp.int32),
        jnp.zeros(N, jnp.int32),
        jnp.zeros(N, jnp.float32),
        jnp.zeros(N, bool),
        weights,
    )
    return vary_over(varying_axes(rows, result), rows)


def append(
    rows: Rows, t: Array, token: Array, scores: Array, weights: Any, eos: int
) -> Rows:
    """Append a token to each row; a row that has ended gets another `eos`.

    Args:
        rows: before the step.
        t: number of the step.
        token: the tokens, ``[N]``.
        scores: log-probabilities with them, ``[N]``.
        weights: attention weights of the step ``[N, S]``, or None.
        eos: the token that ends a sequence.
    """
    ended = rows.ended | (token == eos)
    if rows.weights is not None:
        zero = jnp.zeros((), weights.dtype)
        weights = jnp.where(rows.ended[:, None], zero, weights)
        weights = rows.weights.at[:, t].set(weights)
    return rows._replace(
        last=token,
        ids=rows.ids.at[:, t].set(token),
        lengths=rows.lengths + jnp.where(ended, 0, 1),
        scores=scores,
        ended=ended,
        weights=weights,
    )


def run_until_ended(body: Callable[[Array, Rows], Rows], rows: Rows) -> Rows:
    """Run steps until all rows with a finite score have ended or are full.

    Args:
        body: ``(t, rows) -> rows``.
        rows: before the first step.
    """

    def unfinished(carry: tuple[Array, Rows]) -> Array:
        t, rows = carry
        open_rows = ~rows.ended & jnp.isfinite(rows.scores)
        return (t < rows.ids.shape[1]) & open_rows.any()

    _, rows = jax.lax.while_loop(
        unfinished, lambda carry: (carry[0] + 1, body(*carry)), (jnp.int32(0), rows)
    )
    return rows
