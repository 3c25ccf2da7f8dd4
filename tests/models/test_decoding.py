"""Sampling, greedy and beam search against enumeration."""

import collections
import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import decoding
from zoo.types import Array, State

LOGITS = jnp.log(jnp.array([0.5, 0.3, 0.15, 0.05]))


def allowed_tokens(**options: Any) -> list[bool]:
    """Return for each token whether it may be sampled."""
    return np.isfinite(decoding.restrict(LOGITS, **options)).tolist()


def test_restrict():
    assert allowed_tokens(top_k=2) == [True, True, False, False]
    assert allowed_tokens(top_k=9) == [True] * 4
    assert allowed_tokens(top_p=0.5) == [True, False, False, False]
    assert allowed_tokens(top_p=0.6) == [True, True, False, False]
    assert allowed_tokens(top_p=1.0) == [True] * 4
    assert allowed_tokens(top_k=3, top_p=0.99) == [True, True, True, False]


def test_samples_of_one_token_follow_the_distribution():
    draw = decoding.sampler(temperature=0.5, top_k=3)
    tokens = draw(jax.random.key(0), jnp.tile(LOGITS, (20_000, 1)))
    frequencies = np.bincount(np.asarray(tokens), minlength=4) / 20_000
    expected = np.array([0.5, 0.3, 0.15, 0.0]) ** 2
    np.testing.assert_allclose(frequencies, expected / expected.sum(), atol=0.015)


def test_temperature_zero_takes_the_most_likely():
    draw = decoding.sampler(temperature=0.0)
    assert draw(jax.random.key(0), LOGITS[None]).tolist() == [0]


def test_argmax_returns_the_first_of_equal_scores():
    tied = np.random.default_rng(0).integers(0, 3, (50, 4, 7)).astype("f4")
    scores = jnp.asarray(np.where(tied > 0, tied, -np.inf)).at[0, 0].set(-jnp.inf)
    tokens = decoding.argmax(scores)
    assert tokens.dtype == jnp.int32
    np.testing.assert_array_equal(tokens, np.argmax(scores, axis=-1))
    assert decoding.argmax(scores.at[1].set(jnp.nan)).max() < 7


@pytest.mark.parametrize("temperature", [1e-300, 1.0, 1e300, np.inf])
@pytest.mark.parametrize(
    ("top_k", "top_p"), [(None, None), (10**9, 1e-300), (1, 0.5), (3, 1.0)]
)
def test_only_legal_tokens_are_drawn(
    temperature: float, top_k: int | None, top_p: float | None
) -> None:
    draw = decoding.sampler(temperature=temperature, top_k=top_k, top_p=top_p)
    illegal = jnp.full(2, -jnp.inf)
    logits = jnp.concatenate([illegal, 1e4 * LOGITS, illegal])
    drawn = set(draw(jax.random.key(1), jnp.tile(logits, (300, 1))).tolist())
    # In the limit all have the same probability, so that top_p keeps all of them.
    num_legal = 1 if temperature <= 1.0 else min(top_k or 4, 4)
    assert drawn == set(range(2, 2 + num_legal))


def test_infinite_temperature_is_uniform():
    draw = decoding.sampler(temperature=np.inf, top_k=3)
    tokens = draw(jax.random.key(0), jnp.tile(LOGITS, (20_000, 1)))
    frequencies = np.bincount(np.asarray(tokens), minlength=4) / 20_000
    np.testing.assert_allclose(frequencies, [1 / 3, 1 / 3, 1 / 3, 0.0], atol=0.015)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -1.0},
        {"temperature": np.nan},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"top_p": np.nan},
    ],
)
def test_errors_of_the_sampler(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        decoding.sampler(**options)


# A tiny language: the logits of the next token depend on the row, the step and the last
# token. Token 0 is bos, token 1 is eos.
V, T, B = 3, 4, 2
TABLE = 1.5 * np.random.default_rng(4).normal(size=(B, T, V, V)).astype("f4")
ATTENTION = np.random.default_rng(5).dirichlet(np.ones(4), (B, T, V)).astype("f4")
LIMITS: dict[str, Any] = {"bos": 0, "eos": 1, "max_length": T}
STATE = {"row": jnp.arange(B), "t": jnp.zeros(B, jnp.int32)}


def step(state: State, ids: Array) -> tuple[State, Array, Array]:
    """Read a token; return the state, logits and attention weights."""
    index = state["row"], state["t"], ids
    weights = jnp.asarray(ATTENTION)[index]
    return {**state, "t": state["t"] + 1}, jnp.asarray(TABLE)[index], weights


def step_without_attention(state: State, ids: Array) -> tuple[State, Array]:
    """Read a token; return the state and logits."""
    return step(state, ids)[:2]


def log_probability(row: int, tokens: Sequence[int]) -> tuple[float, np.ndarray]:
    """Return the log-probability of a sequence, and its attention weights."""
    total, weights, last = 0.0, np.zeros((T, 4)), 0
    for t, token in enumerate(tokens):
        logits = TABLE[row, t, last].astype(np.float64)
        total += logits[token] - np.log(np.exp(logits).sum())
        weights[t] = ATTENTION[row, t, last]
        last = token
    return total, weights


def exhaustive_search(
    row: int,
    alpha: float = 0.0,
    beta: float = 0.0,
    mask: Iterable[bool] = (True,) * 4,
) -> list[tuple[float, tuple[int, ...], np.ndarray]]:
    """Return all sequences as (score, tokens, weights), the best first."""
    hypotheses = []
    for n in range(1, T + 1):
        for tokens in itertools.product(range(V), repeat=n):
            ended = tokens[-1] == 1
            if 1 in tokens[:-1] or not (ended or n == T):
                continue
            total, weights = log_probability(row, tokens)
            coverage = np.log(np.minimum(weights.sum(axis=0), 1.0))[list(mask)]
            score = total / ((5 + n) / 6) ** alpha + beta * coverage.sum()
            hypotheses.append((score, tokens[:-1] if ended else tokens, weights))
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis[0])


def beam_search(
    width: int, step: Callable[..., Any] = step_without_attention, **options: Any
) -> Any:
    """Return the result of a beam search as NumPy arrays."""
    search = partial(decoding.beam_search, step, width=width, **LIMITS, **options)
    return jax.tree.map(np.asarray, jax.jit(search)(STATE))


MASK = np.array([True, True, False, True])


@pytest.mark.parametrize(
    "options", [{}, {"alpha": 0.7}, {"alpha": 2.0}, {"alpha": 0.7, "beta": 0.4}]
)
def test_wide_beam_is_exhaustive_search(options):
    coverage = {}
    if "beta" in options:
        tiled = np.tile(MASK, (B, 1))
        coverage = {"coverage_penalty": options["beta"], "memory_mask": tiled}
    alpha = options.get("alpha", 0.0)
    result = beam_search(V**T, step, length_penalty=alpha, **coverage)
    for row in range(B):
        expected = exhaustive_search(row, **options, mask=MASK)
        n = len(expected)
        # Rounding could reorder scores that are nearly equal.
        assert np.diff([score for score, *_ in expected]).max() < -1e-5
        scores, ids, weights = zip(*expected, strict=True)
        np.testing.assert_allclose(result.scores[row, :n], scores, rtol=1e-5)
        assert np.isneginf(result.scores[row, n:]).all()
        for k in range(n):
            length = result.lengths[row, k]
            assert tuple(result.ids[row, k, :length]) == ids[k]
            assert (result.ids[row, k, length:] == 1).all()
            np.testing.assert_array_equal(
                result.weights[row, k], weights[k].astype("f4")
            )


def test_narrow_beams_are_sorted_distinct_and_scored_correctly():
    for width in (2, 3, 5):
        result = beam_search(width, length_penalty=0.6)
        assert (np.diff(result.scores, axis=1) <= 0).all()
        for row in range(B):
            scores = {ids: score for score, ids, _ in exhaustive_search(row, 0.6)}
            lengths = result.lengths[row]
            sequences = [
                tuple(ids[:n]) for ids, n in zip(result.ids[row], lengths, strict=True)
            ]
            assert len(set(sequences)) == width
            np.testing.assert_allclose(
                result.scores[row], [scores[ids] for ids in sequences], rtol=1e-5
            )


def position_step(*probabilities: Sequence[float]) -> Callable[..., Any]:
    """Return a step whose probabilities depend only on the position."""
    logits = jnp.log(jnp.asarray(probabilities))

    def step(state, ids):
        return state + 1, jnp.tile(logits[state[0]], (len(ids), 1))

    return step


def test_finished_hypotheses_keep_their_score_and_rank():
    # One hypothesis ends after one token with 0.5. The others halve their probability
    # at each step, so that none overtakes it.
    step = position_step([0.0, 0.5, 0.5], *[[0.25, 0.25, 0.5]] * 3)
    result = decoding.beam_search(step, jnp.zeros(1, jnp.int32), width=2, **LIMITS)
    assert result.lengths[0].tolist() == [0, T]
    np.testing.assert_allclose(result.scores[0], np.log([0.5, 0.5**4]), rtol=1e-6)
    # A less likely finished hypothesis is not evicted by those that continue.
    step = position_step([0.4, 0.3, 0.3], *[[0.5, 0.0, 0.5]] * 3)
    result = decoding.beam_search(step, jnp.zeros(1, jnp.int32), width=3, **LIMITS)
    assert result.lengths[0].tolist() == [0, T, T]
    np.testing.assert_allclose(result.scores[0, 0], np.log(0.3), rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_beam_of_one_is_greedy(alpha):
    limits: dict[str, Any] = {"bos": 0, "eos": 1, "max_length": 9}

    @jax.jit
    def beam_and_greedy(table, state):
        def step(state, ids):
            return state, table[ids] + state[:, None] * jnp.arange(6.0)[None]

        beam = partial(decoding.beam_search, width=1, length_penalty=alpha)
        return beam(step, state, **limits), decoding.greedy(step, state, **limits)

    for seed in range(20):
        table = np.random.default_rng(seed).normal(size=(6, 6)).astype("f4")
        beam, expected = beam_and_greedy(table, jnp.linspace(-0.3, 0.1, 7))
        np.testing.assert_array_equal(beam.ids[:, 0], expected.ids)
        np.testing.assert_array_equal(beam.lengths[:, 0], expected.lengths)
        n = np.minimum(np.asarray(expected.lengths) + 1, 9)
        scores = np.asarray(expected.scores) / ((5 + n) / 6) ** alpha
        np.testing.assert_allclose(beam.scores[:, 0], scores, rtol=1e-5)


def test_greedy_against_a_python_loop():
    result = jax.jit(partial(decoding.greedy, step, **LIMITS))(STATE)
    for row in range(B):
        last, tokens = 0, []
        while len(tokens) < T and 1 not in tokens:
            last = int(TABLE[row, len(tokens), last].argmax())
            tokens.append(last)
        total, weights = log_probability(row, tokens)
        n = int(result.lengths[row])
        assert result.ids[row].tolist() == tokens + [1] * (T - len(tokens))
        assert n == len(tokens) - (1 in tokens)
        np.testing.assert_allclose(result.scores[row], total, rtol=1e-5)
        np.testing.assert_array_equal(result.weights[row], weights.astype("f4"))


def test_sampled_sequences_follow_their_probabilities():
    state = {"row": jnp.zeros(20_000, jnp.int32), "t": jnp.zeros(20_000, jnp.int32)}
    sample = partial(decoding.sample, step_without_attention, **LIMITS)
    result = jax.tree.map(np.asarray, jax.jit(sample)(state, jax.random.key(0)))
    assert result.weights is None
    sequences = [
        tuple(ids[:n].tolist())
        for ids, n in zip(result.ids, result.lengths, strict=True)
    ]
    counts = collections.Counter(sequences)
    for score, ids, _ in exhaustive_search(0):
        assert abs(counts[ids] / 20_000 - np.exp(score)) < 0.015
        if ids in counts:
            np.testing.assert_allclose(
                result.scores[sequences.index(ids)], score, rtol=1e-5
            )


def test_sampling_at_temperature_zero_is_greedy():
    options = {"temperature": 0.0, **LIMITS}
    result = decoding.sample(step, STATE, jax.random.key(3), **options)
    expected = decoding.greedy(step, STATE, **LIMITS)
    jax.tree.map(np.testing.assert_array_equal, result, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be an int of 1 or more, got 0"),
        ({"eos": 3}, r"eos must lie in \[0, V = 3\), got 3"),
        ({"bos": -1}, r"bos must lie in \[0, V = 3\), got -1"),
        ({"max_length": 0}, "max_length must be an int of 1 or more, got 0"),
        ({"length_penalty": -1.0}, "length_penalty must be 0 or more and finite, got"),
        ({"length_penalty": np.inf}, "length_penalty must be .* finite, got inf"),
        ({"coverage_penalty": np.nan}, "coverage_penalty must be .* finite, got nan"),
        ({"coverage_penalty": 0.1}, "needs a step that returns weights"),
    ],
)
def test_errors_of_the_search(options, message):
    with pytest.raises(ValueError, match=message):
        decoding.beam_search(
            step_without_attention, STATE, **{"width": 2, **LIMITS, **options}
        )
