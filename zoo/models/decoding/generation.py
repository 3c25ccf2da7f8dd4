"""Greedy decoding and ancestral sampling."""

import jax
import jax.numpy as jnp

from zoo.engine.varying import vary_alike
from zoo.models.decoding.sampling import sampler
from zoo.models.decoding.sequences import (
    Decoded,
    Rows,
    Step,
    append,
    read,
    run_until_ended,
    start,
)
from zoo.types import Array, Key, State


def greedy(step: Step, state: State, *, bos: int, eos: int, max_length: int) -> Decoded:
    """Generate the most likely token at each step.

    Args:
        step: the model's step, as described in `zoo.decoding`.
        state: the state before the first token, arrays ``[B, ...]``.
        bos: the token that the first step reads; it is not part of the result.
        eos: the token that ends a sequence.
        max_length: T, the largest number of tokens of a sequence, `eos` included.

    Returns:
        Sequences, with log-probabilities as scores.

    Raises:
        ValueError: if an argument is out of its range.
    """
    unused = jax.random.key(0)  # temperature 0 draws nothing
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
    """Generate a random token at each step, as `sampler` does.

    Args:
        step: as for `greedy`.
        state: as for `greedy`.
        key: of the random draws.
        bos: as for `greedy`.
        eos: as for `greedy`.
        max_length: as for `greedy`.
        temperature: as for `sampler`.
        top_k: as for `sampler`.
        top_p: as for `sampler`.

    Returns:
        Sequences, with log-probabilities as scores: those of the model, independent of
        the temperature.

    Raises:
        ValueError: if an argument is out of its range.
    """
    draw = sampler(temperature=temperature, top_k=top_k, top_p=top_p)
    rows, key = vary_alike(start(step, state, bos, eos, max_length), key)

    def body(t: Array, rows: Rows) -> Rows:
        state, scores, weights = read(step, rows.state, rows.last)
        drawn = draw(jax.random.fold_in(key, t), scores)
        token = jnp.where(rows.ended, eos, drawn)
        gain = jnp.take_along_axis(scores, token[:, None], axis=1)[:, 0]
        total = jnp.where(rows.ended, rows.scores, rows.scores + gain)
        return append(rows._replace(state=state), t, token, total, weights, eos)

    rows = run_until_ended(body, rows)
    return Decoded(rows.ids, rows.lengths, rows.scores, rows.weights)
