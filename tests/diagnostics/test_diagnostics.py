"""Gradient flow, spectral radius and memory span against direct computations."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE
from zoo import diagnostics, initializers, plots

T, D, H = 6, 3, 4
X = np.random.default_rng(0).normal(size=(2, T, D)).astype(np.float32)


def test_gradient_flow_of_an_elman_network_is_a_product_of_jacobians():
    layer = zoo.Recurrent(zoo.ElmanCell(D, H, rngs=nnx.Rngs(0)))
    flow = diagnostics.gradient_flow(layer, X, iterations=500)
    h = np.asarray(layer.states(X).h, np.float64)
    U = np.asarray(layer.cell.U[...], np.float64)
    for b in range(2):
        product = np.eye(H)  # dh_T / dh_t
        for t in reversed(range(T)):
            assert flow.norm.h[b, t] == pytest.approx(np.linalg.norm(product), rel=1e-4)
            assert flow.largest.h[b, t] == pytest.approx(
                np.linalg.norm(product, 2), rel=1e-3
            )
            product = product @ (np.diag(1 - h[b, t] ** 2) @ U.T)


@pytest.mark.parametrize("cell", ["lstm", "gru", "projected_lstm"])
def test_gradient_flow_of_a_stack_equals_its_jacobian(cell):
    options: dict[str, Any] = {"proj_size": 2} if cell == "projected_lstm" else {}
    layer = zoo.make(cell, D, H, 2, rngs=nnx.Rngs(1), **options)
    flow = diagnostics.gradient_flow(layer, X)
    t = 2
    state_t, _ = layer(X[:, : t + 1])

    def final_h(state):
        return layer(X[:, t + 1 :], None, state)[0][-1].h

    jacobian = jax.jacrev(final_h)(state_t)
    for k, layer_state in enumerate(state_t):
        for name in layer_state._fields:
            J = getattr(jacobian[k], name)  # [B, K, B, N]
            for b in range(2):
                expected = np.linalg.norm(J[b, :, b])
                norm = getattr(flow.norm[k], name)[b, t]
                assert norm == pytest.approx(expected, rel=1e-4)


def test_gradients_of_rnns_vanish_or_explode():
    x = np.ones((1, 101, 1), np.float32)
    options: dict[str, Any] = dict(initializers.torch_uniform(32))
    rnn = zoo.Recurrent(zoo.ElmanCell(1, 32, **options, rngs=nnx.Rngs(0)))
    lstm_options = {**options, "b_init": initializers.retain(1.0)}
    lstm = zoo.Recurrent(zoo.LSTMCell(1, 32, **lstm_options, rngs=nnx.Rngs(0)))
    rnn_norm = diagnostics.gradient_flow(rnn, x).norm.h[0, 0]
    lstm_norm = diagnostics.gradient_flow(lstm, x).norm.c[0, 0]
    assert 0 <= rnn_norm < 1e-6 * lstm_norm
    # Without input and bias the state stays zero, and the Jacobian is U^100.
    del options["b_init"]
    rnn = zoo.Recurrent(zoo.ElmanCell(1, 32, bias=False, rngs=nnx.Rngs(0), **options))
    radius = diagnostics.spectral_radius(rnn)["cell/U"][0]
    rnn.cell.U[...] *= 1.2 / radius
    largest = diagnostics.gradient_flow(rnn, 0 * x).largest.h[0, 0]
    assert largest > 0.1 * 1.2**100


@pytest.mark.usefixtures("standard_promotion")
def test_clipping_limits_the_step_of_an_exploding_gradient():
    rnn = zoo.Recurrent(zoo.ElmanCell(1, 32, rngs=nnx.Rngs(0)))
    rnn.cell.U[...] *= 3.0
    initial, apply = zoo.functional(rnn)
    x = np.random.default_rng(0).normal(size=(4, 100, 1)).astype(np.float32)

    @jax.jit
    @jax.grad
    def gradient(params):
        y = apply(params, x)[1]
        return ((y[:, -1].sum(-1) - 1) ** 2).mean()

    steps = {}
    for name, optimizer in {
        "plain": optax.sgd(0.1),
        "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)),
    }.items():
        params, state = initial, optimizer.init(initial)
        for step in range(5):
            grads = gradient(params)
            if step == 0:
                assert optax.tree.norm(grads) > 1e10
            updates, state = optimizer.update(grads, state)
            params = optax.apply_updates(params, updates)
        change = optax.tree.norm(optax.tree.sub(params, initial))
        steps[name] = float(change), float(optax.tree.norm(gradient(params)))
    # Unclipped, one step saturates all units, and the gradient is zero from then on.
    assert steps["plain"][0] > 1e9 and steps["plain"][1] == 0.0
    assert steps["clipped"][0] < 5 * 0.1 + 1e-3 and steps["clipped"][1] > 0.0


def test_spectral_radius():
    layer = zoo.LSTM(D, H, 2, bidirectional=True, rngs=nnx.Rngs(0))
    radii = diagnostics.spectral_radius(layer)
    assert set(radii) == {
        f"layers/{k}/{direction}/cell/U"
        for k in (0, 1)
        for direction in ("forward", "backward")
    }
    for radius in radii.values():  # initialised to orthogonal matrices
        np.testing.assert_allclose(radius, np.ones(4), atol=REFERENCE)
    projected = zoo.LSTM(D, H, proj_size=2, rngs=nnx.Rngs(0))
    assert diagnostics.spectral_radius(projected) == {}


def test_gradient_norms():
    layer = zoo.GRU(D, H, 2, bidirectional=True, rngs=nnx.Rngs(0))
    norms = diagnostics.gradient_norms(layer, X, lambda y: (y[:, 1] ** 2).sum())
    assert norms.shape == (2, 2, T)
    y = layer(X)[1]
    np.testing.assert_allclose(
        norms[1][:, 1], 2 * np.linalg.norm(y[:, 1], axis=-1), rtol=1e-5
    )
    assert (norms[1][:, 2:] == 0).all()
    assert (norms[0] > 0).all()


def test_memory_span_of_a_leaky_state():
    """With U = a I and a small state, the effect of the first input decays as a^lag."""
    layer = zoo.Recurrent(zoo.ElmanCell(D, H, rngs=nnx.Rngs(0)))
    layer.cell.U[...] = 0.8 * jnp.eye(H)
    memory = diagnostics.memory_span(
        layer, np.zeros((2, 30, D), np.float32), jax.random.key(0), share=0.1
    )
    np.testing.assert_allclose(memory.effect[0], 0.8 ** np.arange(30), atol=1e-3)
    assert memory.span.tolist() == [11, 11]  # 0.8^11 = 0.086
    short = diagnostics.memory_span(layer, 0 * X, jax.random.key(0))
    assert short.span.tolist() == [T, T]


def test_errors_of_bidirectional_layers_and_unknown_parts():
    bidirectional = zoo.LSTM(D, H, bidirectional=True, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="must run forward"):
        diagnostics.gradient_flow(bidirectional, X)
    with pytest.raises(ValueError, match="must run forward"):
        diagnostics.memory_span(bidirectional, X, jax.random.key(0))
    layer = zoo.RNN(D, H, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="part must be one of"):
        diagnostics.gradient_flow(layer, X, part="c")


def test_the_plot_of_gradient_flow(tmp_path):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    flow = diagnostics.gradient_flow(zoo.RNN(D, H, 2, rngs=nnx.Rngs(0)), X)
    plots.gradient_flow({"rnn": flow}, tmp_path / "flow.png")
    assert (tmp_path / "flow.png").read_bytes().startswith(b"\x89PNG")
