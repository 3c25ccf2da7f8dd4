"""The conditional random field equals the enumeration of all paths."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from zoo import crf


def draw(seed, B=3, T=4, K=3):
    """Return random logits, transitions and a mask with holes and an empty row."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(B, T, K)).astype(np.float32)
    shapes = ((K, K), (K,), (K,))
    scores = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    mask = rng.random((B, T)) < 0.7
    mask[0] = True
    mask[-1] = False
    return jnp.asarray(logits), crf.Transitions(*map(jnp.asarray, scores)), mask


def paths(logits, transitions, mask):
    """Yield for each row its paths over real tokens with their scores, best first."""
    between, start, end = (np.asarray(a, np.float64) for a in transitions)
    for row, real in zip(np.asarray(logits, np.float64), mask, strict=True):
        row = row[real]
        found = []
        for path in itertools.product(range(row.shape[1]), repeat=len(row)):
            total = sum(row[t, y] for t, y in enumerate(path))
            total += sum(between[a, b] for a, b in itertools.pairwise(path))
            if path:
                total += start[path[0]] + end[path[-1]]
            found.append((total, path))
        yield sorted(found, reverse=True), real


@pytest.mark.parametrize("seed", range(5))
def test_equals_enumeration(seed):
    logits, transitions, mask = draw(seed)
    rng = np.random.default_rng(seed)
    B, T, K = logits.shape
    labels = rng.integers(0, K, (B, T)).astype(np.int32)
    k = 7
    partition = crf.log_partition(logits, transitions, mask)
    scores = crf.score(logits, jnp.asarray(labels), transitions, mask)
    likelihood = crf.log_likelihood(logits, jnp.asarray(labels), transitions, mask)
    marginals = crf.marginals(logits, transitions, mask)
    best, best_score = crf.viterbi(logits, transitions, mask)
    several, several_scores = crf.k_best(logits, transitions, k, mask)
    for b, (found, real) in enumerate(paths(logits, transitions, mask)):
        totals = np.array([total for total, _ in found])
        log_z = np.logaddexp.reduce(totals)
        mine = tuple(labels[b][real].tolist())
        own = next(total for total, path in found if path == mine)
        expected = np.zeros((T, K))
        for total, path in found:
            for t, y in zip(np.flatnonzero(real), path, strict=True):
                expected[t, y] += np.exp(total - log_z)
        assert_close(partition[b], log_z, REFERENCE, "log partition")
        assert_close(scores[b], own, REFERENCE, "score")
        assert_close(likelihood[b], own - log_z, REFERENCE, "log likelihood")
        assert_close(marginals[b], expected, REFERENCE, "marginals")
        assert tuple(best[b][real].tolist()) == found[0][1]
        assert_close(best_score[b], totals[0], REFERENCE, "best score")
        n = min(k, len(found))
        assert_close(several_scores[b, :n], totals[:n], REFERENCE, "k best")
        assert np.isneginf(several_scores[b, n:]).all()
        for m in range(n):
            assert tuple(several[b, m][real].tolist()) == found[m][1]
        assert not np.asarray(best)[b][~real].any()
        assert not np.asarray(several)[b][:, ~real].any()


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_the_enumeration(seed):
    logits, transitions, mask = draw(seed, T=3)
    labels = np.random.default_rng(seed).integers(0, 3, mask.shape).astype(np.int32)

    def enumerated(logits, transitions):
        total = jnp.zeros(())
        for b, real in enumerate(mask):
            at = np.flatnonzero(real)

            def of(path, b=b, at=at):
                found = sum(
                    (logits[b, t, y] for t, y in zip(at, path, strict=True)),
                    jnp.zeros(()),
                )
                for a, c in itertools.pairwise(path):
                    found = found + transitions.between[a, c]
                if len(path):
                    found = found + transitions.start[path[0]]
                    found = found + transitions.end[path[-1]]
                return found

            every = [of(p) for p in itertools.product(range(3), repeat=len(at))]
            total += of(labels[b][real]) - jax.nn.logsumexp(jnp.stack(every))
        return total

    def fast(logits, transitions):
        return crf.log_likelihood(logits, jnp.asarray(labels), transitions, mask).sum()

    expected = jax.jit(jax.grad(enumerated, argnums=(0, 1)))(logits, transitions)
    found = jax.jit(jax.grad(fast, argnums=(0, 1)))(logits, transitions)
    assert_close(found, expected, REFERENCE)


def test_padding_changes_nothing():
    logits, transitions, mask = draw(11)
    labels = jnp.asarray(np.random.default_rng(1).integers(0, 3, mask.shape))

    def everything(logits, labels):
        def loss(logits, transitions):
            return crf.log_likelihood(logits, labels, transitions, mask).sum()

        return (
            jax.value_and_grad(loss, argnums=(0, 1))(logits, transitions),
            crf.marginals(logits, transitions, mask),
            crf.k_best(logits, transitions, 3, mask),
        )

    dirty = jnp.where(mask[..., None], logits, jnp.nan)
    assert_identical(
        everything(dirty, jnp.where(mask, labels, 99)), everything(logits, labels)
    )


@given(mask=st.lists(st.booleans(), min_size=1, max_size=5), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_padding_is_cut_out(mask, seed):
    logits, transitions, _ = draw(seed, B=1, T=5)
    real = np.array([*mask, *[False] * (5 - len(mask))])
    order = np.concatenate([np.flatnonzero(real), np.flatnonzero(~real)])
    whole = jax.jit(crf.log_partition)(logits, transitions, real[None])
    dense = jax.jit(crf.log_partition)(logits[:, order], transitions, real[order][None])
    assert_close(whole, dense, 1e-6)
    labels, total = jax.jit(crf.viterbi)(logits, transitions, real[None])
    moved, same = jax.jit(crf.viterbi)(logits[:, order], transitions, real[order][None])
    assert_identical(labels[:, order], moved)
    assert_close(total, same, 1e-6)


def test_probabilities_of_all_paths_sum_to_one():
    logits, transitions, _ = draw(5, B=1)
    every = np.array(list(itertools.product(range(3), repeat=4)), np.int32)
    tiled = jnp.tile(logits, (len(every), 1, 1))
    found = crf.log_likelihood(tiled, jnp.asarray(every), transitions)
    assert_close(jnp.exp(found).sum(), 1.0, REFERENCE)
    assert float(found.max()) <= 1e-6


BIO = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")


def legal(path):
    """Return whether tags are BIO2, told the long way."""
    before = "O"
    for tag in path:
        if tag[0] == "I" and before not in (f"B-{tag[2:]}", f"I-{tag[2:]}"):
            return False
        before = tag
    return True


def test_constraints_leave_exactly_the_legal_paths():
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(scale=5, size=(1, 3, 5)).astype(np.float32))
    shapes = ((5, 5), (5,), (5,))
    free = crf.Transitions(
        *(jnp.asarray(rng.normal(size=s), jnp.float32) for s in shapes)
    )
    shut = crf.constrain(free, crf.bio_constraints(BIO))
    ((found, _),) = paths(logits, free, np.ones((1, 3), bool))
    allowed = [(s, p) for s, p in found if legal([BIO[y] for y in p])]
    k = len(allowed) + 3
    labels, scores = crf.k_best(logits, shut, k)
    assert [tuple(row) for row in labels[0, : len(allowed)].tolist()] == [
        p for _, p in allowed
    ]
    assert np.isneginf(scores[0, len(allowed) :]).all()
    assert tuple(crf.viterbi(logits, shut)[0][0].tolist()) == allowed[0][1]
    log_z = np.logaddexp.reduce([s for s, _ in allowed])
    assert_close(crf.log_partition(logits, shut)[0], log_z, 1e-6)
    shares = np.asarray(crf.marginals(logits, shut))[0]
    assert not shares[0, [2, 3]].any()  # no I- at the beginning
    assert_close(shares.sum(axis=-1), np.ones(3), REFERENCE)
    grads = jax.grad(
        lambda t: crf.log_partition(
            logits, crf.constrain(t, crf.bio_constraints(BIO))
        ).sum()
    )(free)
    assert all(np.isfinite(g).all() for g in grads)
    assert not np.asarray(grads.between)[~crf.bio_constraints(BIO).between].any()


def test_bio_constraints():
    allowed = crf.bio_constraints(BIO)
    expected = [
        [legal([a, b]) or a[0] == "I" and a[2:] == b[2:] for b in BIO] for a in BIO
    ]
    after_inside = [[b[0] != "I" or a[2:] == b[2:] for b in BIO] for a in BIO]
    for i, a in enumerate(BIO):
        row = after_inside[i] if a[0] == "I" else expected[i]
        assert allowed.between[i].tolist() == row, a
    assert allowed.start.tolist() == [True, True, False, False, True]
    assert all(allowed.end)
    with pytest.raises(ValueError, match="BIO2.*'S-LOC'"):
        crf.bio_constraints(["O", "S-LOC"])


def test_half_precision_sums_in_float32():
    logits, transitions, mask = draw(2)
    half = logits.astype(jnp.bfloat16)
    found = crf.log_partition(half, transitions, mask)
    assert found.dtype == jnp.float32
    assert_close(
        found, crf.log_partition(half.astype(jnp.float32), transitions, mask), 1e-6
    )


def test_errors_name_the_argument():
    logits, transitions, mask = draw(0)
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
