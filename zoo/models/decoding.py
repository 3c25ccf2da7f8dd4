"""From scores to the next token, and on to whole sequences.

`greedy`, `sample` and `beam_search` ask a function what comes next, token by token::

    step(state, ids[B]) -> (state, logits[B, V])
    step(state, ids[B]) -> (state, logits[B, V], weights[B, S])     with attention

The state is any pytree of arrays ``[B, ...]``. Each is one program of fixed shapes, to
be called under ``jax.jit``, and stops as soon as all rows have ended.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine.platform import platform
from zoo.types import Array, ArrayLike, Key, State

Step = Callable[[State, Array], tuple[Any, ...]]


class Decoded(NamedTuple):
    """What was written; a beam search gives K for each row, ``[B, K, ...]``.

    Attributes:
        ids: int32 ``[B, T]``, where T is the greatest length; `eos` from the end on.
        lengths: int32 ``[B]``, the tokens before `eos`; T where it did not come.
        scores: float32 ``[B]``, in nats.
        weights: of attention at each token and at `eos`, ``[B, T, S]``, zero
            afterwards; None if `step` gives none.
    """

    ids: Array
    lengths: Array
    scores: Array
    weights: Array | None


def sampler(
    *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Callable[[Key, Array], Array]:
    """Make a function that draws tokens: ``draw(key, logits[B, V]) -> int32 [B]``.

    ``p = softmax(logits / temperature)``, cut to the `top_k` likeliest and then to the
    smallest set of the likeliest that has `top_p` of the probability (nucleus sampling,
    Holtzman et al. 2019, arXiv:1904.09751).

    Args:
        temperature: 0 takes the likeliest token.
        top_k: how many tokens may be drawn; None means all.
        top_p: the probability of those that may be drawn, in (0, 1]; None means all.

    Raises:
        ValueError: if an argument is out of its range.
    """
    if not temperature >= 0.0:
        raise ValueError(f"temperature must be 0 or more, got {temperature!r}")
    if top_k is not None:
        checks.positive("top_k", top_k)
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise ValueError(f"top_p must lie in (0, 1], got {top_p!r}")

    @jax.jit
    def draw(key: Key, logits: Array) -> Array:
        if temperature == 0.0:
            return likeliest(logits)
        logits = restrict(logits / temperature, top_k=top_k, top_p=top_p)
        return jax.random.categorical(key, logits).astype(jnp.int32)

    return draw


def likeliest(scores: Array) -> Array:
    """Return where the greatest score is, the first place of equal ones.

    Args:
        scores: ``[..., K]``. A row with NaN gives the place of no number in particular.

    Returns:
        int32 ``[...]``, from 0 to K - 1.
    """
    K = scores.shape[-1]
    if platform() != "cpu":
        return jnp.argmax(scores, axis=-1).astype(jnp.int32)
    # XLA's argmax there looks at one number after the other; it makes vectors of these.
    less = scores < scores.max(axis=-1, keepdims=True)
    return jnp.where(less, K, jnp.arange(K, dtype=jnp.int32)).min(axis=-1)


def restrict(
    logits: Array, *, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """Give all but the likeliest tokens the score -inf.

    Args:
        logits: ``[..., V]``.
        top_k: how many stay (more where scores are equal); None means all.
        top_p: the smallest set with this probability stays; None means all.

    Returns:
        An array like `logits`.
    """
    lowest = jnp.asarray(-jnp.inf, logits.dtype)
    if top_k is not None and top_k < logits.shape[-1]:
        least = jax.lax.top_k(logits, top_k)[0][..., -1:]
        logits = jnp.where(logits >= least, logits, lowest)
    if top_p is not None and top_p < 1.0:
        ranked = -jnp.sort(-logits, axis=-1)
        p = jax.nn.softmax(ranked)
        # A token stays if those before it have not yet reached top_p: the first always.
        inside = jnp.cumsum(p, axis=-1) - p < top_p
        least = jnp.where(inside, ranked, -lowest).min(axis=-1, keepdims=True)
        logits = jnp.where(logits >= least, logits, lowest)
    return logits


def greedy(step: Step, state: State, *, bos: int, eos: int, max_length: int) -> Decoded:
    """Write the likeliest token at each step.

    Args:
        step: what comes next, as told above.
        state: before the first token, arrays ``[B, ...]``.
        bos: the token that begins a sequence; it is read and not written.
        eos: the token that ends a sequence.
        max_length: T, the tokens of a sequence at the most, `eos` counted.

    Returns:
        Sequences, and their log-probabilities as scores.

    Raises:
        ValueError: if an argument is out of its range.
    """
    unused = jax.random.key(0)  # nothing is drawn at temperature 0
    limits = {"bos": bos, "eos": eos, "max_length": max_length}
    return sample(step, state, unused, **limits, temperature=0.0)


def sample(
    step: Step,
    state: State,
    key: Key,
    *,
    bos: int,
    eos: int,
    max_length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Decoded:
    """Write a token drawn at each step, as `sampler` tells.

    Args:
        step: as for `greedy`.
        state: as for `greedy`.
        key: of the draws.
        bos: as for `greedy`.
        eos: as for `greedy`.
        max_length: as for `greedy`.
        temperature: as for `sampler`.
        top_k: as for `sampler`.
        top_p: as for `sampler`.

    Returns:
        Sequences, and their log-probabilities as scores: those of the model, whatever
        the temperature.

    Raises:
        ValueError: if an argument is out of its range.
    """
    draw = sampler(temperature=temperature, top_k=top_k, top_p=top_p)
    rows = _begin(step, state, bos, eos, max_length)

    def body(t: Array, rows: _Rows) -> _Rows:
        state, scores, weights = _read(step, rows.state, rows.last)
        drawn = draw(jax.random.fold_in(key, t), scores)
        token = jnp.where(rows.ended, eos, drawn)
        gain = jnp.take_along_axis(scores, token[:, None], axis=1)[:, 0]
        total = jnp.where(rows.ended, rows.scores, rows.scores + gain)
        return _write(rows._replace(state=state), t, token, total, weights, eos)

    rows = _until_ended(body, rows)
    return Decoded(rows.ids, rows.lengths, rows.scores, rows.weights)


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
    """Search for the K best sequences, keeping K at each step.

    One that ends keeps its place among the K until the others have ended or are cut
    (Sutskever et al. 2014, arXiv:1409.3215); then all are ranked by ::

        score = log p / ((5 + n) / 6)^alpha + beta sum_s log min(sum_t a_ts, 1)

    with n tokens, `eos` counted, and the weights a of attention (Wu et al. 2016,
    arXiv:1609.08144). With K = 1 it is `greedy`.

    The K of a row are rows of one batch: `step` gets B*K rows, and what it knows of
    each row besides the state, such as a memory, must be given K times by `repeat`::

        wide = repeat(memory, K)
        beam_search(lambda state, ids: model.step(state, wide, ids), state, width=K, ..)

    Args:
        step: as for `greedy`.
        state: as for `greedy`, of B rows.
        width: K.
        bos: as for `greedy`.
        eos: as for `greedy`.
        max_length: as for `greedy`; a sequence that is cut is ranked as it stands.
        length_penalty: alpha; 0 ranks by log p alone, more favours long sequences.
        coverage_penalty: beta; 0 means none, more favours sequences whose attention has
            been everywhere.
        memory_mask: bool ``[B, S]``, True = a real token: where coverage is asked for;
            by default everywhere.

    Returns:
        K sequences for each row, the best first. Where there are fewer, the last have
        the score -inf.

    Raises:
        ValueError: if an argument is out of its range, or `step` gives no weights and
            coverage is asked for.
    """
    checks.positive("width", width)
    for name, value in (
        ("length_penalty", length_penalty),
        ("coverage_penalty", coverage_penalty),
    ):
        if not value >= 0.0:
            raise ValueError(f"{name} must be 0 or more, got {value!r}")
    rows = _begin(step, repeat(state, width), bos, eos, max_length)
    if coverage_penalty and rows.weights is None:
        raise ValueError("coverage_penalty needs a step that gives weights, got none")
    N, K = rows.last.shape[0], width
    B = N // K
    # All K begin equal: but for the first, they are no candidates.
    first = jnp.arange(N) % K == 0
    rows = rows._replace(scores=jnp.where(first, 0.0, -jnp.inf))

    def pick(tree: Any, beam: Array) -> Any:
        """Return those of the K, for each row, whose numbers [B, K] are given."""
        index = (jnp.arange(B)[:, None] * K + beam).reshape(N)
        return jax.tree.map(lambda a: a[index], tree)

    def body(t: Array, rows: _Rows) -> _Rows:
        state, scores, weights = _read(step, rows.state, rows.last)
        V = scores.shape[1]
        so_far, ended = rows.scores[:, None], rows.ended[:, None]
        kept = jnp.where(jnp.arange(V) == eos, so_far, -jnp.inf)
        totals = jnp.where(ended, kept, so_far + scores)
        ranks = jnp.where(ended & jnp.isfinite(totals), jnp.inf, totals)
        _, best = jax.lax.top_k(ranks.reshape(B, K * V), K)
        total = jnp.take_along_axis(totals.reshape(B, K * V), best, axis=1)
        rows, weights = pick((rows._replace(state=state), weights), best // V)
        token = (best % V).reshape(N).astype(jnp.int32)
        return _write(rows, t, token, total.reshape(N), weights, eos)

    rows = _until_ended(body, rows)
    n = rows.lengths.astype(jnp.float32) + rows.ended.astype(jnp.float32)
    scores = rows.scores / ((5.0 + n) / 6.0) ** length_penalty
    if coverage_penalty and rows.weights is not None:
        attended = jnp.clip(rows.weights.sum(axis=1), jnp.finfo(jnp.float32).tiny, 1.0)
        covered = jnp.log(attended)
        if memory_mask is not None:
            covered = jnp.where(repeat(jnp.asarray(memory_mask), K), covered, 0.0)
        scores = scores + coverage_penalty * covered.sum(axis=1)
    found = Decoded(rows.ids, rows.lengths, scores, rows.weights)
    found = pick(found, jnp.argsort(-scores.reshape(B, K), axis=1))
    return jax.tree.map(lambda a: a.reshape(B, K, *a.shape[1:]), found)


def repeat(tree: Any, n: int) -> Any:
    """Repeat each row n times, one after the other: for what a beam search shares.

    Args:
        tree: a pytree of arrays ``[B, ...]``.
        n: how many times.

    Returns:
        The same with arrays ``[B*n, ...]``.
    """
    return jax.tree.map(lambda a: jnp.repeat(a, n, axis=0), tree)


class _Rows(NamedTuple):
    """Sequences on their way, one a row."""

    state: State
    last: Array  # the token read next, [N]
    ids: Array  # [N, T]
    lengths: Array  # [N]
    scores: Array  # log-probabilities, [N]
    ended: Array  # [N]
    weights: Array | None  # [N, T, S]


def _read(step: Step, state: State, ids: Array) -> tuple[State, Array, Array | None]:
    """Return the state, log-probabilities [N, V], and weights if there are some."""
    state, logits, *more = step(state, ids)
    scores = jax.nn.log_softmax(logits.astype(jnp.float32))
    return state, scores, more[0] if more else None


def _begin(step: Step, state: State, bos: int, eos: int, max_length: int) -> _Rows:
    """Return rows before the first step."""
    T = checks.positive("max_length", max_length)
    N = jax.tree.leaves(state)[0].shape[0]
    last = jnp.full(N, bos, jnp.int32)
    _, scores, weights = jax.eval_shape(lambda *a: _read(step, *a), state, last)
    for name, token in (("bos", bos), ("eos", eos)):
        if not 0 <= token < scores.shape[1]:
            raise ValueError(
                f"{name} must lie in [0, V = {scores.shape[1]}), got {token!r}"
            )
    if weights is not None:
        weights = jnp.zeros((N, T, *weights.shape[1:]), weights.dtype)
    return _Rows(
        state,
        last,
        jnp.full((N, T), eos, jnp.int32),
        jnp.zeros(N, jnp.int32),
        jnp.zeros(N, jnp.float32),
        jnp.zeros(N, bool),
        weights,
    )


def _write(
    rows: _Rows, t: Array, token: Array, scores: Array, weights: Any, eos: int
) -> _Rows:
    """Append a token to each row; to one that has ended, another `eos`."""
    ended = rows.ended | (token == eos)
    if rows.weights is not None:
        looked = jnp.where(rows.ended[:, None], jnp.zeros((), weights.dtype), weights)
        weights = rows.weights.at[:, t].set(looked)
    return rows._replace(
        last=token,
        ids=rows.ids.at[:, t].set(token),
        lengths=rows.lengths + jnp.where(ended, 0, 1),
        scores=scores,
        ended=ended,
        weights=weights,
    )


def _until_ended(body: Callable[[Array, _Rows], _Rows], rows: _Rows) -> _Rows:
    """Run until all rows that are possible have ended, or have no room left."""

    def going(carry):
        t, rows = carry
        open_rows = ~rows.ended & jnp.isfinite(rows.scores)
        return (t < rows.ids.shape[1]) & open_rows.any()

    _, rows = jax.lax.while_loop(
        going, lambda carry: (carry[0] + 1, body(*carry)), (jnp.int32(0), rows)
    )
    return rows
