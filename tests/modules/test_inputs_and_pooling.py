"""Embeddings, character encoders, pooling: values, padding, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from tests.helpers.tolerances import REFERENCE, SCHEDULE, assert_close, assert_identical
from zoo import pooling

RNG = np.random.default_rng(0)


def test_embedding():
    table = zoo.Embedding(5, 3, padding_idx=0, rngs=nnx.Rngs(0))
    ids = np.array([[1, 4, 0], [2, 2, 99]])
    y = np.asarray(table(ids))
    rows = np.asarray(table.table[...])
    assert_identical(y[0, :2], rows[[1, 4]])
    assert not y[0, 2].any()
    assert np.isnan(y[1, 2]).all() and np.isnan(table(np.array([-1]))).all()
    mask = np.array([[True, True, False], [True, True, False]])
    assert_identical(table(ids, mask), np.nan_to_num(y))
    params, apply = zoo.functional(table)
    grad = jax.grad(lambda p: apply(p, ids, mask).sum())(params)["table"]
    assert grad[:, 0].tolist() == [0, 1, 2, 0, 1]


def test_embedding_word_dropout():
    table = zoo.Embedding(5, 3, word_dropout=0.5, unknown_idx=1, rngs=nnx.Rngs(0))
    ids = np.full((50, 50), 3)
    y = np.asarray(table(ids, key=jax.random.key(0)))
    unknown = (y == np.asarray(table.table[...])[1]).all(axis=-1)
    assert 0.45 < unknown.mean() < 0.55
    with pytest.raises(ValueError, match="needs unknown_idx"):
        zoo.Embedding(5, 3, word_dropout=0.5, rngs=nnx.Rngs(0))
    with pytest.raises(TypeError, match="ids must be ints, got float"):
        table(np.ones(3))


@pytest.mark.parametrize("encoder_type", [zoo.CharCNN, zoo.CharLSTM])
def test_words_do_not_depend_on_the_padding(encoder_type):
    options = {"kernel_sizes": (3, 5)} if encoder_type is zoo.CharCNN else {}
    encoder = encoder_type(9, 4, 6, rngs=nnx.Rngs(0), **options)
    words = [[1, 2, 3], [4], [5, 6, 7, 8, 1], []]
    padded = np.zeros((2, 2, 8), int)
    for k, word in enumerate(words):
        padded[k // 2, k % 2, : len(word)] = word
    y = np.asarray(encoder(padded)).reshape(4, encoder.output_size)
    for k, word in enumerate(words[:3]):
        assert_close(encoder(np.array([word])), y[k : k + 1], REFERENCE)
    assert not y[3].any()


def test_char_cnn_against_numpy():
    encoder = zoo.CharCNN(9, 4, 6, kernel_sizes=(3,), rngs=nnx.Rngs(0))
    encoder.b[...] = jnp.linspace(-0.5, 0.5, 6)
    word = np.array([3, 1, 7])
    embedded = np.asarray(encoder.embedding.table[...])[word]
    padded = np.vstack([np.zeros(4), embedded, np.zeros(4)])
    W = np.asarray(encoder.W[0][...]).reshape(3, 4, 6)
    steps = [sum(padded[t + j] @ W[j] for j in range(3)) for t in range(3)]
    expected = np.maximum(np.array(steps) + np.asarray(encoder.b[...]), 0).max(axis=0)
    assert_close(encoder(word), expected, REFERENCE)


def test_char_lstm_returns_the_final_states():
    encoder = zoo.CharLSTM(9, 4, 6, rngs=nnx.Rngs(0))
    word = np.array([[3, 1, 7]])
    state, _ = encoder.layer(encoder.embedding(word))
    expected = np.concatenate([state.forward.h, state.backward.h], axis=-1)
    assert_close(encoder(word), expected, SCHEDULE)


def pool_row(kind: str, y: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pool one row in NumPy."""
    tokens = y[mask]
    if not len(tokens):
        return np.zeros(y.shape[-1], y.dtype)
    half = y.shape[-1] // 2
    return {
        "last": lambda: tokens[-1],
        "first_last": lambda: np.concatenate([tokens[-1][:half], tokens[0][half:]]),
        "mean": lambda: tokens.mean(axis=0),
        "max": lambda: tokens.max(axis=0),
    }[kind]()


@settings(max_examples=20)
@given(
    st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=3, max_size=3)
)
@pytest.mark.parametrize("kind", ["last", "first_last", "mean", "max"])
def test_pooling_against_numpy(kind, rows):
    mask = np.array(rows)
    y = RNG.normal(size=(3, 4, 6)).astype(np.float32)
    poisoned = jnp.asarray(np.where(mask[..., None], y, np.nan))
    pool = getattr(pooling, kind)
    expected = np.stack([pool_row(kind, *row) for row in zip(y, mask, strict=True)])
    assert_close(pool(poisoned, mask), expected, SCHEDULE)
    grad = jax.grad(lambda y: (pool(y, mask) ** 2).sum())(poisoned)
    assert np.isfinite(grad).all() and not np.asarray(grad)[~mask].any()


def test_first_last_is_the_final_state_of_both_directions():
    layer = zoo.LSTM(3, 4, bidirectional=True, rngs=nnx.Rngs(0))
    mask = zoo.mask_from_lengths(np.array([5, 2, 0]), 5)
    x = RNG.normal(size=(3, 5, 3)).astype(np.float32)
    state, y = layer(x, mask)
    both = jnp.concatenate([state[0].forward.h, state[0].backward.h], axis=-1)
    assert_close(pooling.first_last(y, mask), both, SCHEDULE)


def test_concat_concatenates_all_outputs():
    y = jnp.asarray(RNG.normal(size=(2, 3, 4)).astype(np.float32))
    mask = np.array([[True, True, False], [True, True, True]])
    pool = zoo.Pooling("concat", 4, length=3, rngs=nnx.Rngs(0))
    assert pool.output_size == 12
    concatenated = np.asarray(pool(y, mask))
    assert_identical(concatenated[1], y[1].reshape(-1))
    assert not concatenated[0, 8:].any()
    with pytest.raises(ValueError, match=r"\(2, 3, 4\), got \(2, 2, 4\)"):
        pool(y[:, :2])
    with pytest.raises(ValueError, match="length is for"):
        zoo.Pooling("mean", 4, length=3, rngs=nnx.Rngs(0))


def test_attention_pooling_against_numpy():
    pool = zoo.Pooling("attention", 4, rngs=nnx.Rngs(0))
    y = RNG.normal(size=(3, 5, 4)).astype(np.float32)
    mask = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
    W, b, v = (np.asarray(p[...]) for p in (pool.W, pool.b, pool.v))
    scores = np.exp(np.tanh(y @ W + b) @ v) * mask
    weights = scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-30)
    poisoned = jnp.asarray(np.where(mask[..., None], y, np.nan))
    assert_close(pool.weights(poisoned, mask), weights, REFERENCE)
    assert_close(pool(poisoned, mask), (weights[..., None] * y).sum(axis=1), REFERENCE)
    params, apply = zoo.functional(pool)
    grads = jax.grad(lambda p: apply(p, poisoned, mask).sum())(params)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
