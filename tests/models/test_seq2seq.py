"""Sequence-to-sequence models: steps, padding, scheduled sampling, learning."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import zoo
from tests.helpers.subject import rows_of
from tests.helpers.tolerances import (
    REFERENCE,
    SCHEDULE,
    SCHEDULE_GRADIENT,
    assert_close,
    assert_identical,
)
from tests.helpers.typed import cache_size, present
from zoo import decoding
from zoo.models import Decoder, Seq2Seq

SOURCES, TARGETS = 11, 9
SOURCE_MASK = np.array(zoo.mask_from_lengths(np.array([5, 3, 1]), 5))
TARGET_MASK = np.array(zoo.mask_from_lengths(np.array([4, 2, 4]), 4))
RNG = np.random.default_rng(0)
SOURCE = jnp.asarray(RNG.integers(0, SOURCES, (3, 5)), jnp.int32)
TARGET = jnp.asarray(RNG.integers(0, TARGETS, (3, 4)), jnp.int32)

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"attention": None},
    "plain, tied": {"attention": None, "tied": True},
    "additive": {"attention": "additive"},
    "dot": {"attention": "dot", "bidirectional": False},
    "general": {"attention": "general", "tied": True},
    "additive, input feeding": {"attention": "additive", "input_feeding": True},
    "dot, input feeding": {
        "attention": "dot",
        "bidirectional": False,
        "input_feeding": True,
    },
    "general, input feeding": {
        "attention": "general",
        "input_feeding": True,
        "tied": True,
    },
    "two layers": {"cell": "lstm", "num_layers": 2, "input_feeding": True},
    "gru to lstm": {"cell": "gru", "decoder_cell": "lstm", "decoder_num_layers": 2},
    "lstm to gru": {
        "cell": "lstm",
        "num_layers": 2,
        "decoder_cell": "gru",
        "decoder_num_layers": 1,
    },
}


def build(**options: Any) -> Seq2Seq:
    """Return a small model."""
    small = {"cell": "rnn", "embedding_dim": 6, "hidden_size": 6}
    return Seq2Seq(SOURCES, TARGETS, **{**small, **options}, rngs=nnx.Rngs(0))


@pytest.fixture(params=VARIANTS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options of each variant."""
    return VARIANTS[request.param]


def test_steps_equal_the_call(options):
    params, apply = zoo.functional(build(**options))

    @jax.jit
    def run(params, source, target):
        def call_and_steps(seq2seq):
            encoded, memory = seq2seq.encode(source, SOURCE_MASK)
            initial = seq2seq.init_decoder(encoded)
            final, _ = seq2seq.decoder(target, TARGET_MASK, initial, memory)
            of_call = final, seq2seq(source, SOURCE_MASK, target)
            states, logits, weights = [initial], [], []
            for t in range(4):
                state, *outputs = seq2seq.step(states[-1], memory, target[:, t])
                states.append(state)
                logits.append(outputs[0])
                weights.append(outputs[1])
            return of_call, (states, jnp.stack(logits, axis=1), weights)

        return apply(params, method=call_and_steps)

    (final, expected), (states, logits, weights) = run(params, SOURCE, TARGET)
    assert expected.shape == (3, 4, TARGETS)
    assert_close(logits, expected, REFERENCE)
    for row, length in enumerate(TARGET_MASK.sum(axis=1)):
        assert_close(rows_of(states[length], row), rows_of(final, row), REFERENCE)
    for attention in weights:
        if options.get("attention", "additive") is None:
            assert attention is None
        else:
            np.testing.assert_allclose(attention.sum(axis=1), 1.0, atol=1e-6)
            assert not np.asarray(attention)[~SOURCE_MASK].any()


def test_padding_changes_nothing(options):
    params, apply = zoo.functional(build(**options))

    @jax.jit
    def grads(params, source, target):
        def loss(params):
            logits = apply(params, source, SOURCE_MASK, target, TARGET_MASK)
            logits = jnp.where(TARGET_MASK[..., None], logits, 0.0)
            return jnp.sin(logits).sum(), logits

        return jax.grad(loss, has_aux=True)(params)

    clean = grads(params, SOURCE, TARGET)
    for padding in (-1, 3, 99):
        source = jnp.where(SOURCE_MASK, SOURCE, padding)
        target = jnp.where(TARGET_MASK, TARGET, padding)
        assert_identical(grads(params, source, target), clean)
    for path, grad in jax.tree.leaves_with_path(clean[0]):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(grad).all() and np.asarray(grad).any(), name


@pytest.mark.parametrize("name", ["plain", "additive", "two layers"])
def test_less_padding_changes_nothing(name):
    params, apply = zoo.functional(build(**VARIANTS[name]))
    call = jax.jit(apply)
    padded = call(params, SOURCE, SOURCE_MASK, TARGET, TARGET_MASK)
    trimmed = call(params, SOURCE[1:2, :3], None, TARGET[1:2, :2])
    assert_close(trimmed[0], padded[1, :2], REFERENCE)


def test_scheduled_sampling_at_rate_zero_is_teacher_forcing():
    # Scheduled sampling runs step by step and draws a dropout mask at each step, so
    # that only models without dropout agree.
    params, apply = zoo.functional(build(num_layers=2, dropout=0.0))
    key = jax.random.key(0)

    @partial(jax.jit, static_argnums=1)
    def grads(params, sampling):
        def loss(params):
            inputs = SOURCE, SOURCE_MASK, TARGET, TARGET_MASK
            logits = apply(params, *inputs, sampling=sampling, key=key)
            return jnp.sin(logits).sum(), logits

        return jax.grad(loss, has_aux=True)(params)

    (grad, logits), (expected_grad, expected) = (
        grads(params, rate) for rate in (0.0, None)
    )
    assert_close(logits, expected, SCHEDULE)
    assert_close(grad, expected_grad, SCHEDULE_GRADIENT)


@pytest.mark.parametrize("input_feeding", [False, True])
def test_scheduled_sampling_reads_its_own_tokens(input_feeding):
    seq2seq = build(dropout=0.0, input_feeding=input_feeding)
    # Large logits: a sample is the argmax token.
    present(seq2seq.decoder.output.W)[...] *= 1e4
    encoded, memory = seq2seq.encode(SOURCE, SOURCE_MASK)
    state = seq2seq.init_decoder(encoded)
    ids, expected = TARGET[:, 0], []
    for _ in range(4):
        state, logits, _ = seq2seq.step(state, memory, ids)
        ids = logits.argmax(axis=-1)
        expected.append(ids)
    inputs = SOURCE, SOURCE_MASK, TARGET
    sampled = seq2seq(*inputs, sampling=1.0, key=jax.random.key(1))
    assert_identical(sampled.argmax(axis=-1), jnp.stack(expected, axis=1))
    forced = seq2seq(*inputs)
    assert (forced.argmax(axis=-1) != sampled.argmax(axis=-1)).any()
    assert_identical(seq2seq(*inputs, sampling=1.0), forced)
    # The rate may be a traced array, so that it changes without a recompilation.
    params, apply = zoo.functional(seq2seq)
    run = jax.jit(lambda rate, key: apply(params, *inputs, sampling=rate, key=key))
    assert_identical(run(1.0, jax.random.key(1)).argmax(-1), sampled.argmax(-1))
    assert_identical(run(0.0, jax.random.key(1)).argmax(-1), forced.argmax(-1))
    assert cache_size(run) == 1


def test_dropout_is_drawn_from_the_key():
    for options in ({}, {"input_feeding": True}):
        params, apply = zoo.functional(build(num_layers=2, dropout=0.5, **options))
        run = jax.jit(partial(apply, params, SOURCE, SOURCE_MASK, TARGET))
        logits = run(key=jax.random.key(0))
        assert_identical(run(key=jax.random.key(0)), logits)
        assert np.abs(run(key=jax.random.key(1)) - logits).max() > 0.01


def test_errors():
    with pytest.raises(ValueError, match="input_feeding needs attention"):
        build(attention=None, input_feeding=True)
    with pytest.raises(ValueError, match="tied needs embedding_dim = 8"):
        build(tied=True, decoder_hidden_size=8)
    with pytest.raises(ValueError, match="did you mean 'additive'"):
        build(attention="aditive")
    with pytest.raises(ValueError, match="must run forward"):
        Decoder(5, bidirectional=True, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="given together"):
        Decoder(5, attention="dot", rngs=nnx.Rngs(0))
    seq2seq = build()
    with pytest.raises(ValueError, match="memory is missing"):
        seq2seq.decoder(TARGET)
    _, memory = seq2seq.encode(SOURCE)
    with pytest.raises(ValueError, match="memory must be None"):
        build(attention=None).decoder(TARGET, memory=memory)
    with pytest.raises(ValueError, match=r"ids must have shape \[B, T\]"):
        seq2seq(SOURCE, None, TARGET[:, 0])
    with pytest.raises(ValueError, match=r"sampling must lie in \[0, 1\], got 1.5"):
        seq2seq(SOURCE, None, TARGET, sampling=1.5, key=jax.random.key(0))
    with pytest.raises(TypeError, match="ids must be ints"):
        seq2seq(SOURCE.astype(float), None, TARGET)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("input_feeding", [False, True])
def test_learns_to_reverse(input_feeding):
    bos, eos, V, S = 0, 1, 7, 5
    rng = np.random.default_rng(0)

    def draw(n):
        """Return sources, their mask, reversed targets with eos, and their mask."""
        lengths = rng.integers(2, S + 1, n)
        mask = np.arange(S) < lengths[:, None]
        source = np.where(mask, rng.integers(2, V, (n, S)), 0)
        target = np.full((n, S + 1), eos)
        for row, length in enumerate(lengths):
            target[row, :length] = source[row, :length][::-1]
        return source, mask, target, np.arange(S + 1) <= lengths[:, None]

    seq2seq = Seq2Seq(
        V,
        V,
        embedding_dim=16,
        cell="gru",
        hidden_size=32,
        dropout=0.0,
        input_feeding=input_feeding,
        rngs=nnx.Rngs(0),
    )
    params, apply = zoo.functional(seq2seq)
    optimizer = optax.adam(1e-2)
    opt_state = optimizer.init(params)

    @jax.jit
    def train_step(params, opt_state, source, mask, target, target_mask):
        def loss(params):
            inputs = jnp.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=bos)
            logits = apply(params, source, mask, inputs, target_mask)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, target)
            return jnp.where(target_mask, losses, 0.0).sum() / target_mask.sum()

        value, grads = jax.value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state, value

    for _ in range(200):
        params, opt_state, value = train_step(params, opt_state, *draw(32))

    @jax.jit
    def decode(params, source, mask):
        def run(model):
            encoded, memory = model.encode(source, mask)
            state = model.init_decoder(encoded)
            repeated = decoding.repeat(memory, 3)
            limits: dict[str, Any] = {"bos": bos, "eos": eos, "max_length": S + 1}
            return (
                decoding.greedy(
                    lambda state, ids: model.step(state, memory, ids), state, **limits
                ),
                decoding.beam_search(
                    lambda state, ids: model.step(state, repeated, ids),
                    state,
                    width=3,
                    **limits,
                ),
            )

        return apply(params, method=run)

    source, mask, target, _ = draw(200)
    greedy, beams = decode(params, source, mask)
    exact = (np.asarray(greedy.ids) == target).all(axis=1).mean()
    assert exact >= 0.98, exact
    assert (np.asarray(beams.ids[:, 0]) == target).all(axis=1).mean() >= exact - 0.01
    lengths = mask.sum(axis=1)
    assert (np.asarray(greedy.lengths) == lengths).mean() >= 0.98
    # The first output token attends to the last source token, or next to it.
    position = np.asarray(greedy.weights)[:, 0].argmax(axis=1)
    assert (np.abs(position - (lengths - 1)) <= 1).mean() > 0.8
