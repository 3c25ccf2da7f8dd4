"""The bridge from the encoder's states to the decoder's, and decoding from a vector."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from tests.helpers.typed import present
from zoo import decoding
from zoo.models import Bridge, Decoder

RNG = np.random.default_rng(0)


def test_bridge_maps_states_of_the_same_name():
    encoder = zoo.LSTM(4, 3, num_layers=2, bidirectional=True, rngs=nnx.Rngs(0))
    decoder = zoo.LSTM(4, 5, num_layers=3, rngs=nnx.Rngs(1))
    bridge = Bridge(encoder.init_state(1), decoder.init_state(1), rngs=nnx.Rngs(2))
    source, _ = encoder(jnp.asarray(RNG.normal(size=(2, 6, 4)), jnp.float32))
    state = bridge(source, decoder.init_state(2))
    projections = iter(bridge.projections)
    for k, source_layer in enumerate((0, 0, 1)):
        for name in ("h", "c"):
            parts = [getattr(direction, name) for direction in source[source_layer]]
            linear = next(projections)
            W, b = np.asarray(linear.W[...]), np.asarray(present(linear.b)[...])
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


def test_decoding_from_a_vector():
    decoder = Decoder(9, embedding_dim=4, hidden_size=5, rngs=nnx.Rngs(0))
    vectors = jnp.asarray(RNG.normal(size=(3, 7)), jnp.float32)
    bridge = Bridge(vectors, decoder.layers.init_state(3), rngs=nnx.Rngs(1))
    target = jnp.asarray(RNG.integers(0, 9, (3, 4)), jnp.int32)
    initial = decoder.init_state(3, bridge(vectors, decoder.layers.init_state(3)))
    final, logits = decoder(target, state=initial)
    state = initial
    for t in range(4):
        state, scores, weights = decoder.step(state, None, target[:, t])
        assert weights is None
        assert_close(scores, logits[:, t], REFERENCE)
    assert_close(state, final, REFERENCE)
    assert np.abs(decoder(target)[1] - logits).max() > 1e-3
    decoded = decoding.greedy(
        lambda state, ids: decoder.step(state, None, ids),
        initial,
        bos=1,
        eos=2,
        max_length=6,
    )
    assert decoded.ids.shape == (3, 6) and decoded.weights is None


def test_bridge_that_copies():
    encoder = zoo.LSTM(4, 3, num_layers=2, bidirectional=True, rngs=nnx.Rngs(0))
    decoder = zoo.LSTM(4, 6, num_layers=2, rngs=nnx.Rngs(1)).init_state(2)
    source, _ = encoder(jnp.asarray(RNG.normal(size=(2, 6, 4)), jnp.float32))
    bridge = Bridge(source, decoder, kind="copy", rngs=nnx.Rngs(2))
    state = bridge(source, decoder)
    for below, above in zip(source, state, strict=True):
        for name in ("h", "c"):
            parts = [getattr(direction, name) for direction in below]
            assert_identical(getattr(above, name), np.concatenate(parts, axis=1))
    with pytest.raises(ValueError, match="6 numbers for a state of 5"):
        Bridge(
            source,
            zoo.LSTM(4, 5, rngs=nnx.Rngs(1)).init_state(2),
            kind="copy",
            rngs=nnx.Rngs(2),
        )
