"""What is measured inside a network, against what can be worked out by other means."""

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


def test_gradient_flow_of_an_elman_network_is_the_product_of_its_jacobians():
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
def test_gradient_flow_of_a_stack_is_what_differentiation_gives(cell):
    options = {"proj_size": 2} if cell == "projected_lstm" else {}
    layer = zoo.make(cell, D, H, 2, rngs=nnx.Rngs(1), **options)
    flow = diagnostics.gradient_flow(layer, X)
    t = 2
    before, _ = layer(X[:, : t + 1])

    def last(state):
        return layer(X[:, t + 1 :], None, state)[0][-1].h

    jacobian = jax.jacrev(last)(before)
    for k, part in enumerate(before):
        for name in part._fields:
            J = getattr(jacobian[k], name)  # [B, K, B, N]
            for b in range(2):
                expected = np.linalg.norm(J[b, :, b])
                found = getattr(flow.norm[k], name)[b, t]
                assert found == pytest.approx(expected, rel=1e-4)


def test_rnns_forget_where_lstms_do_not_and_explode_where_scaled_up():
    x = np.ones((1, 101, 1), np.float32)
    drawn = initializers.torch_uniform(32)
    weights = {name: drawn[name] for name in ("W_init", "U_init")}
    rnn = zoo.Recurrent(zoo.ElmanCell(1, 32, **drawn, rngs=nnx.Rngs(0)))
    options = {**drawn, "b_init": initializers.retain(1.0)}
    lstm = zoo.Recurrent(zoo.LSTMCell(1, 32, **options, rngs=nnx.Rngs(0)))
    of_rnn = diagnostics.gradient_flow(rnn, x).norm.h[0, 0]
    of_lstm = diagnostics.gradient_flow(lstm, x).norm.c[0, 0]
    assert 0 <= of_rnn < 1e-6 * of_lstm
    # Without input and bias the state rests at zero: the Jacobian is U to the power of
    # 100.
    rnn = zoo.Recurrent(zoo.ElmanCell(1, 32, bias=False, rngs=nnx.Rngs(0), **weights))
    radius = diagnostics.spectral_radius(rnn)["cell/U"][0]
    rnn.cell.U[...] *= 1.2 / radius
    grown = diagnostics.gradient_flow(rnn, 0 * x).largest.h[0, 0]
    assert grown > 0.1 * 1.2**100


@pytest.mark.usefixtures("standard_promotion")
def test_clipping_keeps_an_exploding_gradient_from_ruining_the_weights():
    rnn = zoo.Recurrent(zoo.ElmanCell(1, 32, rngs=nnx.Rngs(0)))
    rnn.cell.U[...] *= 3.0
    begin, apply = zoo.functional(rnn)
    x = np.random.default_rng(0).normal(size=(4, 100, 1)).astype(np.float32)

    @jax.jit
    def gradient(params):
        return jax.grad(lambda p: ((apply(p, x)[1][:, -1].sum(-1) - 1) ** 2).mean())(
            params
        )

    moved = {}
    for name, tx in {
        "plain": optax.sgd(0.1),
        "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)),
    }.items():
        params, state = begin, tx.init(begin)
        for step in range(5):
            grads = gradient(params)
            if step == 0:
                assert optax.tree.norm(grads) > 1e10
            updates, state = tx.update(grads, state)
            params = optax.apply_updates(params, updates)
        change = optax.tree.norm(optax.tree.sub(params, begin))
        moved[name] = float(change), float(optax.tree.norm(gradient(params)))
    # One step throws the weights away, and saturated units give no gradient any more.
    assert moved["plain"][0] > 1e9 and moved["plain"][1] == 0.0
    assert moved["clipped"][0] < 5 * 0.1 + 1e-3 and moved["clipped"][1] > 0.0


def test_spectral_radius():
    layer = zoo.LSTM(D, H, 2, bidirectional=True, rngs=nnx.Rngs(0))
    found = diagnostics.spectral_radius(layer)
    assert set(found) == {
        f"layers/{k}/{way}/cell/U" for k in (0, 1) for way in ("forward", "backward")
    }
    for radius in found.values():  # orthogonal at first
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
    """With U = a I and small values the effect of the first input falls as a^lag."""
    layer = zoo.Recurrent(zoo.ElmanCell(D, H, rngs=nnx.Rngs(0)))
    layer.cell.U[...] = 0.8 * jnp.eye(H)
    found = diagnostics.memory_span(
        layer, np.zeros((2, 30, D), np.float32), jax.random.key(0), share=0.1
    )
    np.testing.assert_allclose(found.effect[0], 0.8 ** np.arange(30), atol=1e-3)
    assert found.span.tolist() == [11, 11]  # 0.8^11 = 0.086
    short = diagnostics.memory_span(layer, 0 * X, jax.random.key(0))
    assert short.span.tolist() == [T, T]


def test_what_runs_backwards_has_no_flow():
    both = zoo.LSTM(D, H, bidirectional=True, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="must run forward"):
        diagnostics.gradient_flow(both, X)
    with pytest.raises(ValueError, match="must run forward"):
        diagnostics.memory_span(both, X, jax.random.key(0))
    layer = zoo.RNN(D, H, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="part must be one of"):
        diagnostics.gradient_flow(layer, X, part="c")


def test_the_flow_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    flow = diagnostics.gradient_flow(zoo.RNN(D, H, 2, rngs=nnx.Rngs(0)), X)
    plots.gradient_flow({"rnn": flow}, tmp_path / "flow.png")
    assert (tmp_path / "flow.png").read_bytes().startswith(b"\x89PNG")
