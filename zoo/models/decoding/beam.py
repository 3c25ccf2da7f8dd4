"""Beam search."""

from typing import Any

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.models.decoding.sequences import (
    Decoded,
    Rows,
    Step,
    append,
    read,
    run_until_ended,
    start,
)
from zoo.types import Array, ArrayLike, State


def beam_search(
    step: Step,
    state: State,
    *,
    width: int,
    bos: int,
    eos: int,
    max_length: int,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    memory_mask: ArrayLike | None = None,
) -> Decoded:
    """Search for the K best sequences, keeping K hypotheses at each step.

    A hypothesis that has ended keeps its place in the beam until the others have ended
    or reached `max_length` (Sutskever et al. 2014, arXiv:1409.3215). Then all are
    ranked by ::

        score = log p / ((5 + n) / 6)^alpha + beta sum_s log min(sum_t a_ts, 1)

    with n tokens, `eos` included, and attention weights a (Wu et al. 2016,
    arXiv:1609.08144). With K = 1 this is `greedy`.

    `step` runs on the B*K hypotheses as one batch. Anything else it reads for each row,
    such as an attention memory, must be repeated K times::

        wide = repeat(memory, K)
        beam_search(lambda state, ids: model.step(state, wide, ids), state, width=K, ..)

    Args:
        step: as for `greedy`.
        state: as for `greedy`, with B rows.
        width: K.
        bos: as for `greedy`.
        eos: as for `greedy`.
        max_length: as for `greedy`; an unfinished sequence is ranked as it is.
        length_penalty: alpha; 0 ranks by log p alone, larger favours long sequences.
        coverage_penalty: beta; 0 for none, larger favours sequences that attend to the
            whole memory.
        memory_mask: bool ``[B, S]``, True = a real token, which coverage counts; by
            default all are.

    Returns:
        K sequences for each row, the best first. If there are fewer, the others have
        the score -inf.

    Raises:
        ValueError: if an argument is out of its range, or `coverage_penalty` is
            positive and `step` returns no weights.
    """
    checks.positive("width", width)
    for name, value in (
        ("length_penalty", length_penalty),
        ("coverage_penalty", coverage_penalty),
    ):
        if not 0.0 <= value < float("inf"):
            raise ValueError(f"{name} must be 0 or more and finite, got {value!r}")
    rows = start(step, repeat(state, width), bos, eos, max_length)
    if coverage_penalty and rows.weights is None:
        raise ValueError("coverage_penalty needs a step that returns weights, got none")
    N, K = rows.last.shape[0], width
    B = N // K
    # The K hypotheses of a row start equal: only the first one is a candidate.
    is_first = jnp.arange(N) % K == 0
    rows = rows._replace(scores=jnp.where(is_first, rows.scores, -jnp.inf))

    def pick(tree: Any, beam: Array) -> Any:
        """Return the hypotheses with indices `beam` [B, K] within each row."""
        index = (jnp.arange(B)[:, None] * K + beam).reshape(N)
        return jax.tree.map(lambda a: a[index], tree)

    def body(t: Array, rows: Rows) -> Rows:
        state, scores, weights = read(step, rows.state, rows.last)
        V = scores.shape[1]
        before, ended = rows.scores[:, None], rows.ended[:, None]
        unchanged = jnp.where(jnp.arange(V) == eos, before, -jnp.inf)
        totals = jnp.where(ended, unchanged, before + scores)
        ranks = jnp.where(ended & jnp.isfinite(totals), jnp.inf, totals)
        _, best = jax.lax.top_k(ranks.reshape(B, K * V), K)
        total = jnp.take_along_axis(totals.reshape(B, K * V), best, axis=1)
        rows, weights = pick((rows._replace(state=state), weights), best // V)
        token = (best % V).reshape(N).astype(jnp.int32)
        return append(rows, t, token, total.reshape(N), weights, eos)

    rows = run_until_ended(body, rows)
    n = rows.lengths.astype(jnp.float32) + rows.ended.astype(jnp.float32)
    scores = rows.scores / ((5.0 + n) / 6.0) ** length_penalty
    if coverage_penalty and rows.weights is not None:
        attended = jnp.clip(rows.weights.sum(axis=1), jnp.finfo(jnp.float32).tiny, 1.0)
        covered = jnp.log(attended)
        if memory_mask is not None:
            covered = jnp.where(repeat(jnp.asarray(memory_mask), K), covered, 0.0)
        scores = scores + coverage_penalty * covered.sum(axis=1)
    decoded = Decoded(rows.ids, rows.lengths, scores, rows.weights)
    decoded = pick(decoded, jnp.argsort(-scores.reshape(B, K), axis=1))
    return jax.tree.map(lambda a: a.reshape(B, K, *a.shape[1:]), decoded)


def repeat(tree: Any, n: int) -> Any:
    """Repeat each row n times, for what the hypotheses of a beam search share.

    Args:
        tree: a pytree of arrays ``[B, ...]``.
        n: number of copies.

    Returns:
        The pytree with arrays ``[B*n, ...]``, the copies of a row next to each other.
    """
    return jax.tree.map(lambda a: jnp.repeat(a, n, axis=0), tree)
