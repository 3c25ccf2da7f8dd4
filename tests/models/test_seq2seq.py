"""Encoder, bridge and decoder: steps, padding, writing from a vector, learning."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import (
    REFERENCE,
    SCHEDULE,
    SCHEDULE_GRADIENT,
    assert_close,
    assert_identical,
)
from zoo import decoding
from zoo.models import Bridge, Decoder, Seq2Seq

SOURCES, TARGETS = 11, 9
SOURCE_MASK = np.array(zoo.mask_from_lengths(np.array([5, 3, 1]), 5))
TARGET_MASK = np.array(zoo.mask_from_lengths(np.array([4, 2, 4]), 4))
RNG = np.random.default_rng(0)
SOURCE = jnp.asarray(RNG.integers(0, SOURCES, (3, 5)), jnp.int32)
TARGET = jnp.asarray(RNG.integers(0, TARGETS, (3, 4)), jnp.int32)

FORMS = {
    "plain": {"attention": None},
    "plain, tied": {"attention": None, "tied": True},
    "additive": {"attention": "additive"},
    "dot": {"attention": "dot", "bidirectional": False},
    "general": {"attention": "general", "tied": True},
    "additive, fed": {"attention": "additive", "input_feeding": True},
    "dot, fed": {"attention": "dot", "bidirectional": False, "input_feeding": True},
    "general, fed": {"attention": "general", "input_feeding": True, "tied": True},
    "two layers": {"cell": "lstm", "num_layers": 2, "input_feeding": True},
    "gru to lstm": {"cell": "gru", "decoder_cell": "lstm", "decoder_num_layers": 2},
    "lstm to gru": {
        "cell": "lstm",
        "num_layers": 2,
        "decoder_cell": "gru",
        "decoder_num_layers": 1,
    },
}


def model(**options):
    """Return a small model."""
    small = {"cell": "rnn", "embedding_dim": 6, "hidden_size": 6}
    return Seq2Seq(SOURCES, TARGETS, **{**small, **options}, rngs=nnx.Rngs(0))


@pytest.fixture(params=FORMS)
def form(request):
    """Return the options of each form in turn."""
    return FORMS[request.param]


def test_steps_are_the_call(form):
    params, apply = zoo.functional(model(**form))

    @jax.jit
    def run(params, source, target):
        def both(seq2seq):
            encoded, memory = seq2seq.encode(source, SOURCE_MASK)
            begin = seq2seq.init_decoder(encoded)
            end, _ = seq2seq.decoder(target, TARGET_MASK, begin, memory)
            whole = end, seq2seq(source, SOURCE_MASK, target)
            states, logits, weights = [begin], [], []
            for t in range(4):
                state, scores, looked = seq2seq.step(states[-1], memory, target[:, t])
                states.append(state)
                logits.append(scores)
                weights.append(looked)
            return whole, (states, jnp.stack(logits, axis=1), weights)

        return apply(params, method=both)

    (end, whole), (states, logits, weights) = run(params, SOURCE, TARGET)
    assert whole.shape == (3, 4, TARGETS)
    assert_close(logits, whole, REFERENCE)
    for row, length in enumerate(TARGET_MASK.sum(axis=1)):
        here = jax.tree.map(lambda a, row=row: a[row], (states[length], end))
        assert_close(here[0], here[1], REFERENCE)
    for looked in weights:
        if form.get("attention", "additive") is None:
            assert looked is None
        else:
            np.testing.assert_allclose(looked.sum(axis=1), 1.0, atol=1e-6)
            assert not np.asarray(looked)[~SOURCE_MASK].any()


def test_padding_changes_nothing(form):
    params, apply = zoo.functional(model(**form))

    @jax.jit
    def grads(params, source, target):
        def loss(params):
            logits = apply(params, source, SOURCE_MASK, target, TARGET_MASK)
            logits = jnp.where(TARGET_MASK[..., None], logits, 0.0)
            return jnp.sin(logits).sum(), logits

        return jax.grad(loss, has_aux=True)(params)

    clean = grads(params, SOURCE, TARGET)
    for wrong in (-1, 3, 99):
        source = jnp.where(SOURCE_MASK, SOURCE, wrong)
        target = jnp.where(TARGET_MASK, TARGET, wrong)
        assert_identical(grads(params, source, target), clean)
    for path, grad in jax.tree.leaves_with_path(clean[0]):
        what = jax.tree_util.keystr(path)
        assert np.isfinite(grad).all() and np.asarray(grad).any(), what


@pytest.mark.parametrize("name", ["plain", "additive", "two layers"])
def test_less_padding_changes_nothing(name):
    params, apply = zoo.functional(model(**FORMS[name]))
    call = jax.jit(apply)
    whole = call(params, SOURCE, SOURCE_MASK, TARGET, TARGET_MASK)
    short = call(params, SOURCE[1:2, :3], None, TARGET[1:2, :2])
    assert_close(short[0], whole[1, :2], REFERENCE)


def test_loop_is_the_one_call():
    # Scheduled sampling of rate zero runs step by step, and draws dropout anew at each:
    # without dropout both are the same.
    params, apply = zoo.functional(model(num_layers=2, dropout=0.0))
    key = jax.random.key(0)

    @partial(jax.jit, static_argnums=1)
    def grads(params, sampling):
        def loss(params):
            inputs = SOURCE, SOURCE_MASK, TARGET, TARGET_MASK
            logits = apply(params, *inputs, sampling=sampling, key=key)
            return jnp.sin(logits).sum(), logits

        return jax.grad(loss, has_aux=True)(params)

    (grad, logits), (of_one_call, expected) = (grads(params, r) for r in (0.0, None))
    assert_close(logits, expected, SCHEDULE)
    assert_close(grad, of_one_call, SCHEDULE_GRADIENT)


@pytest.mark.parametrize("input_feeding", [False, True])
def test_scheduled_sampling_reads_its_own_tokens(input_feeding):
    seq2seq = model(dropout=0.0, input_feeding=input_feeding)
    # Scores so sure of themselves that a draw is the argmax token.
    seq2seq.decoder.output.W[...] *= 1e4
    encoded, memory = seq2seq.encode(SOURCE, SOURCE_MASK)
    state = seq2seq.init_decoder(encoded)
    ids, expected = TARGET[:, 0], []
    for _ in range(4):
        state, logits, _ = seq2seq.step(state, memory, ids)
        ids = logits.argmax(axis=-1)
        expected.append(ids)
    inputs = SOURCE, SOURCE_MASK, TARGET
    own = seq2seq(*inputs, sampling=1.0, key=jax.random.key(1))
    assert_identical(own.argmax(axis=-1), jnp.stack(expected, axis=1))
    taught = seq2seq(*inputs)
    assert (taught.argmax(axis=-1) != own.argmax(axis=-1)).any()
    assert_identical(seq2seq(*inputs, sampling=1.0), taught)
    # A rate may be an array, so that it changes without a new compilation.
    params, apply = zoo.functional(seq2seq)
    run = jax.jit(lambda rate, key: apply(params, *inputs, sampling=rate, key=key))
    assert_identical(run(1.0, jax.random.key(1)).argmax(-1), own.argmax(-1))
    assert_identical(run(0.0, jax.random.key(1)).argmax(-1), taught.argmax(-1))
    assert run._cache_size() == 1


def test_dropout_is_drawn_from_the_key():
    for form in ({}, {"input_feeding": True}):
        params, apply = zoo.functional(model(num_layers=2, dropout=0.5, **form))
        run = jax.jit(partial(apply, params, SOURCE, SOURCE_MASK, TARGET))
        one = run(key=jax.random.key(0))
        assert_identical(run(key=jax.random.key(0)), one)
        assert np.abs(run(key=jax.random.key(1)) - one).max() > 0.01


def test_bridge_reads_the_parts_of_the_same_name():
    encoder = zoo.LSTM(4, 3, num_layers=2, bidirectional=True, rngs=nnx.Rngs(0))
    decoder = zoo.LSTM(4, 5, num_layers=3, rngs=nnx.Rngs(1))
    bridge = Bridge(encoder.init_state(1), decoder.init_state(1), rngs=nnx.Rngs(2))
    source, _ = encoder(jnp.asarray(RNG.normal(size=(2, 6, 4)), jnp.float32))
    state = bridge(source, decoder.init_state(2))
    linear = iter(bridge.projections)
    for k, below in enumerate((0, 0, 1)):
        for name in ("h", "c"):
            parts = [getattr(direction, name) for direction in source[below]]
            W, b = (np.asarray(p[...]) for p in (lambda m: (m.W, m.b))(next(linear)))
            expected = np.tanh(np.concatenate(parts, axis=1) @ W + b)
            assert_close(getattr(state[k], name), expected, REFERENCE)


def test_bridge_between_cells():
    gru = zoo.GRU(4, 3, rngs=nnx.Rngs(0)).init_state(1)
    lstm = zoo.LSTM(4, 5, rngs=nnx.Rngs(1)).init_state(1)

    def widths(source, target):
        bridge = Bridge(source, target, rngs=nnx.Rngs(2))
        return [linear.W.shape for linear in bridge.projections]

    assert widths(gru, lstm) == [(3, 5), (3, 5)]
    assert widths(lstm, gru) == [(5, 3)]
    assert widths(jnp.zeros((1, 7)), lstm) == [(7, 5), (7, 5)]


def test_writing_from_a_vector():
    decoder = Decoder(TARGETS, embedding_dim=4, hidden_size=5, rngs=nnx.Rngs(0))
    vectors = jnp.asarray(RNG.normal(size=(3, 7)), jnp.float32)
    bridge = Bridge(vectors, decoder.layers.init_state(3), rngs=nnx.Rngs(1))
    begin = decoder.init_state(3, bridge(vectors, decoder.layers.init_state(3)))
    end, logits = decoder(TARGET, state=begin)
    state = begin
    for t in range(4):
        state, scores, weights = decoder.step(state, None, TARGET[:, t])
        assert weights is None
        assert_close(scores, logits[:, t], REFERENCE)
    assert_close(state, end, REFERENCE)
    assert np.abs(decoder(TARGET)[1] - logits).max() > 1e-3
    found = decoding.greedy(
        lambda state, ids: decoder.step(state, None, ids),
        begin,
        bos=1,
        eos=2,
        max_length=6,
    )
    assert found.ids.shape == (3, 6) and found.weights is None


def test_errors():
    with pytest.raises(ValueError, match="input_feeding needs attention"):
        model(attention=None, input_feeding=True)
    with pytest.raises(ValueError, match="tied needs embedding_dim = 8"):
        model(tied=True, decoder_hidden_size=8)
    with pytest.raises(ValueError, match="did you mean 'additive'"):
        model(attention="aditive")
    with pytest.raises(ValueError, match="must run forward"):
        Decoder(5, bidirectional=True, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="given together"):
        Decoder(5, attention="dot", rngs=nnx.Rngs(0))
    seq2seq = model()
    with pytest.raises(ValueError, match="memory is missing"):
        seq2seq.decoder(TARGET)
    _, memory = seq2seq.encode(SOURCE)
    with pytest.raises(ValueError, match="memory must be None"):
        model(attention=None).decoder(TARGET, memory=memory)
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
        """Return sources, their lengths, and reversed targets with their ends."""
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
            read = jnp.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=bos)
            logits = apply(params, source, mask, read, target_mask)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, target)
            return jnp.where(target_mask, losses, 0.0).sum() / target_mask.sum()

        value, grads = jax.value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state, value

    for _ in range(200):
        params, opt_state, value = train_step(params, opt_state, *draw(32))

    @jax.jit
    def write(params, source, mask):
        def run(model):
            encoded, memory = model.encode(source, mask)
            state = model.init_decoder(encoded)
            wide = decoding.repeat(memory, 3)
            limits = {"bos": bos, "eos": eos, "max_length": S + 1}
            return (
                decoding.greedy(
                    lambda state, ids: model.step(state, memory, ids), state, **limits
                ),
                decoding.beam_search(
                    lambda state, ids: model.step(state, wide, ids),
                    state,
                    width=3,
                    **limits,
                ),
            )

        return apply(params, method=run)

    source, mask, target, _ = draw(200)
    greedy, beams = write(params, source, mask)
    exact = (np.asarray(greedy.ids) == target).all(axis=1).mean()
    assert exact >= 0.98, exact
    assert (np.asarray(beams.ids[:, 0]) == target).all(axis=1).mean() >= exact - 0.01
    lengths = mask.sum(axis=1)
    assert (np.asarray(greedy.lengths) == lengths).mean() >= 0.98
    # At the first token attention looks at the last token that was read, or beside it.
    looked = np.asarray(greedy.weights)[:, 0].argmax(axis=1)
    assert (np.abs(looked - (lengths - 1)) <= 1).mean() > 0.8
