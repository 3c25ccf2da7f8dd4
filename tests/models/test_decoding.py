"""Sampling draws from the distribution it says; beams find what a full search finds."""

import collections
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import decoding

LOGITS = jnp.log(jnp.array([0.5, 0.3, 0.15, 0.05]))


def kept(**options):
    """Return which tokens may be drawn."""
    return np.isfinite(decoding.restrict(LOGITS, **options)).tolist()


def test_restrict():
    assert kept(top_k=2) == [True, True, False, False]
    assert kept(top_k=9) == [True] * 4
    assert kept(top_p=0.5) == [True, False, False, False]
    assert kept(top_p=0.6) == [True, True, False, False]
    assert kept(top_p=1.0) == [True] * 4
    assert kept(top_k=3, top_p=0.99) == [True, True, True, False]


def test_draws_have_their_frequencies():
    draw = decoding.sampler(temperature=0.5, top_k=3)
    many = draw(jax.random.key(0), jnp.tile(LOGITS, (20_000, 1)))
    shares = np.bincount(np.asarray(many), minlength=4) / 20_000
    expected = np.array([0.5, 0.3, 0.15, 0.0]) ** 2
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.015)


def test_temperature_zero_takes_the_most_likely():
    draw = decoding.sampler(temperature=0.0)
    assert draw(jax.random.key(0), LOGITS[None]).tolist() == [0]


def test_the_most_likely_is_the_first_of_equal_ones():
    few = np.random.default_rng(0).integers(0, 3, (50, 4, 7)).astype("f4")
    scores = jnp.asarray(np.where(few > 0, few, -np.inf)).at[0, 0].set(-jnp.inf)
    found = decoding.argmax(scores)
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, np.argmax(scores, axis=-1))
    assert decoding.argmax(scores.at[1].set(jnp.nan)).max() < 7


@pytest.mark.parametrize(
    "options", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}]
)
def test_errors(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        decoding.sampler(**options)


# A tiny language: the scores of what comes next depend on the row, on how many tokens
# were read, and on the last of them. Token 0 begins, token 1 ends.
V, T, B = 3, 4, 2
TABLE = 1.5 * np.random.default_rng(4).normal(size=(B, T, V, V)).astype("f4")
LOOKED = np.random.default_rng(5).dirichlet(np.ones(4), (B, T, V)).astype("f4")
LIMITS = {"bos": 0, "eos": 1, "max_length": T}
STATE = {"row": jnp.arange(B), "t": jnp.zeros(B, jnp.int32)}


def step(state, ids):
    """Read a token, and return the weights of attention too."""
    place = state["row"], state["t"], ids
    weights = jnp.asarray(LOOKED)[place]
    return {**state, "t": state["t"] + 1}, jnp.asarray(TABLE)[place], weights


def plain_step(state, ids):
    """Read a token without attention."""
    return step(state, ids)[:2]


def log_p(row, tokens):
    """Return the log-probability of tokens that have been written, and the weights."""
    total, looked, last = 0.0, np.zeros((T, 4)), 0
    for t, token in enumerate(tokens):
        logits = TABLE[row, t, last].astype(np.float64)
        total += logits[token] - np.log(np.exp(logits).sum())
        looked[t] = LOOKED[row, t, last]
        last = token
    return total, looked


def exhaustive(row, alpha=0.0, beta=0.0, mask=(True,) * 4):
    """Return all sequences with their scores, the best first."""
    found = []
    for n in range(1, T + 1):
        for tokens in itertools.product(range(V), repeat=n):
            ended = tokens[-1] == 1
            if 1 in tokens[:-1] or not (ended or n == T):
                continue
            total, looked = log_p(row, tokens)
            covered = np.log(np.minimum(looked.sum(axis=0), 1.0))[list(mask)]
            score = total / ((5 + n) / 6) ** alpha + beta * covered.sum()
            found.append((score, tokens[:-1] if ended else tokens, looked))
    return sorted(found, key=lambda found: -found[0])


def beam(width, step=plain_step, **options):
    """Return what a beam search finds, in numpy."""
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
    found = beam(V**T, step, length_penalty=alpha, **coverage)
    for row in range(B):
        expected = exhaustive(row, **options, mask=MASK)
        n = len(expected)
        # In float64 and in float32 near equals may stand in another order.
        assert np.diff([score for score, *_ in expected]).max() < -1e-5
        scores, ids, looked = zip(*expected, strict=True)
        np.testing.assert_allclose(found.scores[row, :n], scores, rtol=1e-5)
        assert np.isneginf(found.scores[row, n:]).all()
        for k in range(n):
            length = found.lengths[row, k]
            assert tuple(found.ids[row, k, :length]) == ids[k]
            assert (found.ids[row, k, length:] == 1).all()
            np.testing.assert_array_equal(found.weights[row, k], looked[k].astype("f4"))


def test_narrow_beams_are_sorted_distinct_and_true():
    for width in (2, 3, 5):
        found = beam(width, length_penalty=0.6)
        assert (np.diff(found.scores, axis=1) <= 0).all()
        for row in range(B):
            scores = {ids: score for score, ids, _ in exhaustive(row, 0.6)}
            lengths = found.lengths[row]
            written = [
                tuple(ids[:n]) for ids, n in zip(found.ids[row], lengths, strict=True)
            ]
            assert len(set(written)) == width
            np.testing.assert_allclose(
                found.scores[row], [scores[ids] for ids in written], rtol=1e-5
            )


def chain(*scores):
    """Return a step whose scores depend on nothing but how many tokens were read."""
    logits = jnp.log(jnp.asarray(scores))

    def step(state, ids):
        return state + 1, jnp.tile(logits[state[0]], (len(ids), 1))

    return step


def test_what_has_ended_keeps_its_score_and_its_place():
    # Ended after one token with 0.5; all others lose half of theirs at each step, so
    # that at the end none is better.
    step = chain([0.0, 0.5, 0.5], *[[0.25, 0.25, 0.5]] * 3)
    found = decoding.beam_search(step, jnp.zeros(1, jnp.int32), width=2, **LIMITS)
    assert found.lengths[0].tolist() == [0, T]
    np.testing.assert_allclose(found.scores[0], np.log([0.5, 0.5**4]), rtol=1e-6)
    # The improbable end of before is not pushed out by those that go on.
    step = chain([0.4, 0.3, 0.3], *[[0.5, 0.0, 0.5]] * 3)
    found = decoding.beam_search(step, jnp.zeros(1, jnp.int32), width=3, **LIMITS)
    assert found.lengths[0].tolist() == [0, T, T]
    np.testing.assert_allclose(found.scores[0, 0], np.log(0.3), rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_beam_of_one_is_greedy(alpha):
    limits = {"bos": 0, "eos": 1, "max_length": 9}

    @jax.jit
    def both(table, state):
        def step(state, ids):
            return state, table[ids] + state[:, None] * jnp.arange(6.0)

        beam = partial(decoding.beam_search, width=1, length_penalty=alpha)
        return beam(step, state, **limits), decoding.greedy(step, state, **limits)

    for seed in range(20):
        table = np.random.default_rng(seed).normal(size=(6, 6)).astype("f4")
        one, expected = both(table, jnp.linspace(-0.3, 0.1, 7))
        np.testing.assert_array_equal(one.ids[:, 0], expected.ids)
        np.testing.assert_array_equal(one.lengths[:, 0], expected.lengths)
        n = np.minimum(np.asarray(expected.lengths) + 1, 9)
        scores = np.asarray(expected.scores) / ((5 + n) / 6) ** alpha
        np.testing.assert_allclose(one.scores[:, 0], scores, rtol=1e-5)


def test_greedy_by_hand():
    found = jax.jit(partial(decoding.greedy, step, **LIMITS))(STATE)
    for row in range(B):
        last, tokens = 0, []
        while len(tokens) < T and 1 not in tokens:
            last = int(TABLE[row, len(tokens), last].argmax())
            tokens.append(last)
        total, looked = log_p(row, tokens)
        n = int(found.lengths[row])
        assert found.ids[row].tolist() == tokens + [1] * (T - len(tokens))
        assert n == len(tokens) - (1 in tokens)
        np.testing.assert_allclose(found.scores[row], total, rtol=1e-5)
        np.testing.assert_array_equal(found.weights[row], looked.astype("f4"))


def test_samples_have_their_frequencies():
    many = {"row": jnp.zeros(20_000, jnp.int32), "t": jnp.zeros(20_000, jnp.int32)}
    sample = partial(decoding.sample, plain_step, **LIMITS)
    found = jax.tree.map(np.asarray, jax.jit(sample)(many, jax.random.key(0)))
    assert found.weights is None
    written = [
        tuple(ids[:n].tolist()) for ids, n in zip(found.ids, found.lengths, strict=True)
    ]
    share = collections.Counter(written)
    for score, ids, _ in exhaustive(0):
        assert abs(share[ids] / 20_000 - np.exp(score)) < 0.015
        if ids in share:
            np.testing.assert_allclose(
                found.scores[written.index(ids)], score, rtol=1e-5
            )


def test_sampling_at_temperature_zero_is_greedy():
    options = {"temperature": 0.0, **LIMITS}
    found = decoding.sample(step, STATE, jax.random.key(3), **options)
    expected = decoding.greedy(step, STATE, **LIMITS)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be an int of 1 or more, got 0"),
        ({"eos": 3}, r"eos must lie in \[0, V = 3\), got 3"),
        ({"bos": -1}, r"bos must lie in \[0, V = 3\), got -1"),
        ({"max_length": 0}, "max_length must be an int of 1 or more, got 0"),
        ({"length_penalty": -1.0}, "length_penalty must be 0 or more, got -1.0"),
        ({"coverage_penalty": 0.1}, "needs a step that returns weights"),
    ],
)
def test_errors_of_the_search(options, message):
    with pytest.raises(ValueError, match=message):
        decoding.beam_search(plain_step, STATE, **{"width": 2, **LIMITS, **options})
