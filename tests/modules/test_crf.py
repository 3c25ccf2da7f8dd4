"""The conditional random field against the enumeration of all paths."""

import itertools
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from zoo import crf
from zoo.types import Array


def random_inputs(
    seed: int, B: int = 3, T: int = 4, K: int = 3
) -> tuple[Array, crf.Transitions, np.ndarray]:
    """Return random logits, transitions and a mask with gaps and an empty row."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(B, T, K)).astype(np.float32)
    shapes = ((K, K), (K,), (K,))
    scores = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    mask = rng.random((B, T)) < 0.7
    mask[0] = True
    mask[-1] = False
    return jnp.asarray(logits), crf.Transitions(*map(jnp.asarray, scores)), mask


def enumerate_paths(
    logits: Array, transitions: crf.Transitions, mask: np.ndarray
) -> Iterator[list[tuple[float, tuple[int, ...]]]]:
    """Yield for each row all (score, path) over its real tokens, the best first."""
    between, start, end = (np.asarray(a, np.float64) for a in transitions)
    for row, real in zip(np.asarray(logits, np.float64), mask, strict=True):
        row = row[real]
        paths = []
        for path in itertools.product(range(row.shape[1]), repeat=len(row)):
            total = sum(row[t, y] for t, y in enumerate(path))
            total += sum(between[a, b] for a, b in itertools.pairwise(path))
            if path:
                total += start[path[0]] + end[path[-1]]
            paths.append((total, path))
        yield sorted(paths, reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_equals_enumeration(seed):
    logits, transitions, mask = random_inputs(seed)
    rng = np.random.default_rng(seed)
    B, T, K = logits.shape
    labels = rng.integers(0, K, (B, T)).astype(np.int32)
    k = 7
    partition = crf.log_partition(logits, transitions, mask)
    scores = crf.score(logits, jnp.asarray(labels), transitions, mask)
    likelihood = crf.log_likelihood(logits, jnp.asarray(labels), transitions, mask)
    marginals = crf.marginals(logits, transitions, mask)
    best, best_score = crf.viterbi(logits, transitions, mask)
    k_best, k_best_scores = crf.k_best(logits, transitions, k, mask)
    for b, paths in enumerate(enumerate_paths(logits, transitions, mask)):
        real = mask[b]
        totals = np.array([total for total, _ in paths])
        log_z = np.logaddexp.reduce(totals)
        gold = tuple(labels[b][real].tolist())
        gold_score = next(total for total, path in paths if path == gold)
        expected = np.zeros((T, K))
        for total, path in paths:
            for t, y in zip(np.flatnonzero(real), path, strict=True):
                expected[t, y] += np.exp(total - log_z)
        assert_close(partition[b], log_z, REFERENCE, "log partition")
        assert_close(scores[b], gold_score, REFERENCE, "score")
        assert_close(likelihood[b], gold_score - log_z, REFERENCE, "log likelihood")
        assert_close(marginals[b], expected, REFERENCE, "marginals")
        assert tuple(best[b][real].tolist()) == paths[0][1]
        assert_close(best_score[b], totals[0], REFERENCE, "best score")
        n = min(k, len(paths))
        assert_close(k_best_scores[b, :n], totals[:n], REFERENCE, "k best")
        assert np.isneginf(k_best_scores[b, n:]).all()
        for m in range(n):
            assert tuple(k_best[b, m][real].tolist()) == paths[m][1]
        assert not np.asarray(best)[b][~real].any()
        assert not np.asarray(k_best)[b][:, ~real].any()


@pytest.mark.parametrize("seed", range(3))
def test_gradients_equal_those_of_the_enumeration(seed):
    logits, transitions, mask = random_inputs(seed, T=3)
    labels = np.random.default_rng(seed).integers(0, 3, mask.shape).astype(np.int32)

    def enumerated_likelihood(logits, transitions):
        total = jnp.zeros(())
        for b, real in enumerate(mask):
            steps = np.flatnonzero(real)

            def score(path, b=b, steps=steps):
                result = jnp.zeros(())
                for t, y in zip(steps, path, strict=True):
                    result = result + logits[b, t, y]
                for y, following in itertools.pairwise(path):
                    result = result + transitions.between[y, following]
                if len(path):
                    result = result + transitions.start[path[0]]
                    result = result + transitions.end[path[-1]]
                return result

            paths = itertools.product(range(3), repeat=len(steps))
            scores = jnp.stack([score(path) for path in paths])
            total += score(labels[b][real]) - jax.nn.logsumexp(scores)
        return total

    def likelihood(logits, transitions):
        return crf.log_likelihood(logits, jnp.asarray(labels), transitions, mask).sum()

    expected = jax.jit(jax.grad(enumerated_likelihood, argnums=(0, 1)))(
        logits, transitions
    )
    actual = jax.jit(jax.grad(likelihood, argnums=(0, 1)))(logits, transitions)
    assert_close(actual, expected, REFERENCE)


def test_padding_changes_nothing():
    logits, transitions, mask = random_inputs(11)
    labels = jnp.asarray(np.random.default_rng(1).integers(0, 3, mask.shape))

    def outputs(logits, labels):
        def loss(logits, transitions):
            return crf.log_likelihood(logits, labels, transitions, mask).sum()

        return (
            jax.value_and_grad(loss, argnums=(0, 1))(logits, transitions),
            crf.marginals(logits, transitions, mask),
            crf.k_best(logits, transitions, 3, mask),
        )

    dirty = jnp.where(mask[..., None], logits, jnp.nan)
    dirty_labels = jnp.where(mask, labels, 99)
    assert_identical(outputs(dirty, dirty_labels), outputs(logits, labels))


@given(mask=st.lists(st.booleans(), min_size=1, max_size=5), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_padded_sequences_equal_packed_ones(mask, seed):
    logits, transitions, _ = random_inputs(seed, B=1, T=5)
    real = np.array([*mask, *[False] * (5 - len(mask))])
    order = np.concatenate([np.flatnonzero(real), np.flatnonzero(~real)])
    padded = jax.jit(crf.log_partition)(logits, transitions, real[None])
    packed = jax.jit(crf.log_partition)(
        logits[:, order], transitions, real[order][None]
    )
    assert_close(padded, packed, 1e-6)
    labels, total = jax.jit(crf.viterbi)(logits, transitions, real[None])
    packed_labels, packed_total = jax.jit(crf.viterbi)(
        logits[:, order], transitions, real[order][None]
    )
    assert_identical(labels[:, order], packed_labels)
    assert_close(total, packed_total, 1e-6)


def test_probabilities_of_all_paths_sum_to_one():
    logits, transitions, _ = random_inputs(5, B=1)
    paths = np.array(list(itertools.product(range(3), repeat=4)), np.int32)
    tiled = jnp.tile(logits, (len(paths), 1, 1))
    likelihood = crf.log_likelihood(tiled, jnp.asarray(paths), transitions)
    assert_close(jnp.exp(likelihood).sum(), 1.0, REFERENCE)
    assert float(likelihood.max()) <= 1e-6


BIO = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")


def is_bio(tags: Sequence[str]) -> bool:
    """Return whether every I- tag continues an entity of the same type."""
    return all(
        tag[0] != "I" or previous in (f"B-{tag[2:]}", f"I-{tag[2:]}")
        for previous, tag in itertools.pairwise(["O", *tags])
    )


def test_constraints_allow_exactly_the_bio_sequences():
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(scale=5, size=(1, 3, 5)).astype(np.float32))
    shapes = ((5, 5), (5,), (5,))
    free = crf.Transitions(
        *(jnp.asarray(rng.normal(size=s), jnp.float32) for s in shapes)
    )
    constrained = crf.constrain(free, crf.bio_constraints(BIO))
    (paths,) = enumerate_paths(logits, free, np.ones((1, 3), bool))
    allowed = [(s, p) for s, p in paths if is_bio([BIO[y] for y in p])]
    k = len(allowed) + 3
    labels, scores = crf.k_best(logits, constrained, k)
    assert [tuple(row) for row in labels[0, : len(allowed)].tolist()] == [
        p for _, p in allowed
    ]
    assert np.isneginf(scores[0, len(allowed) :]).all()
    assert tuple(crf.viterbi(logits, constrained)[0][0].tolist()) == allowed[0][1]
    log_z = np.logaddexp.reduce([s for s, _ in allowed])
    assert_close(crf.log_partition(logits, constrained)[0], log_z, 1e-6)
    marginals = np.asarray(crf.marginals(logits, constrained))[0]
    assert not marginals[0, [2, 3]].any()  # no I- at the first token
    assert_close(marginals.sum(axis=-1), np.ones(3), REFERENCE)

    def log_partition(transitions):
        constrained = crf.constrain(transitions, crf.bio_constraints(BIO))
        return crf.log_partition(logits, constrained).sum()

    grads = jax.grad(log_partition)(free)
    assert all(np.isfinite(g).all() for g in grads)
    assert not np.asarray(grads.between)[~crf.bio_constraints(BIO).between].any()


def test_bio_constraints():
    allowed = crf.bio_constraints(BIO)
    for k, tag in enumerate(BIO):
        expected = [after[0] != "I" or tag[2:] == after[2:] for after in BIO]
        assert allowed.between[k].tolist() == expected, tag
    assert allowed.start.tolist() == [True, True, False, False, True]
    assert all(allowed.end)
    with pytest.raises(ValueError, match="BIO2.*'S-LOC'"):
        crf.bio_constraints(["O", "S-LOC"])


def test_bfloat16_logits_are_summed_in_float32():
    logits, transitions, mask = random_inputs(2)
    low = logits.astype(jnp.bfloat16)
    partition = crf.log_partition(low, transitions, mask)
    assert partition.dtype == jnp.float32
    expected = crf.log_partition(low.astype(jnp.float32), transitions, mask)
    assert_close(partition, expected, 1e-6)


def test_errors_name_the_argument():
    logits, transitions, mask = random_inputs(0)
    with pytest.raises(ValueError, match=r"logits must have shape \[B, T, K\]"):
        crf.log_partition(logits[0], transitions)
    with pytest.raises(ValueError, match=r"transitions\.start"):
        crf.log_partition(logits, transitions._replace(start=jnp.zeros(5)))
    with pytest.raises(TypeError, match="mask must be bool"):
        crf.log_partition(logits, transitions, mask.astype(np.int32))
    with pytest.raises(TypeError, match="labels must be ints"):
        crf.score(logits, jnp.zeros(mask.shape), transitions)
    with pytest.raises(ValueError, match="k must be an int of 1 or more"):
        crf.k_best(logits, transitions, 0)
    with pytest.raises(ValueError, match=r"allowed\.start"):
        crf.constrain(
            transitions, crf.bio_constraints(BIO)._replace(between=mask[:3, :3])
        )
