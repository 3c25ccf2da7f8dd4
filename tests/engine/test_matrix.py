"""States that are matrices: chunks, and the forms that the papers prove equal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers import numerics
from tests.helpers.numerical_contract import directional_derivative
from tests.helpers.tolerances import FINITE_DIFFERENCE, FLOAT64, REFERENCE, assert_close
from zoo.engine import matrix_chunks
from zoo.engine.masks import Span
from zoo.engine.matrix_chunks import Write, write_and_read

B, HEADS, K, V = 3, 2, 3, 2


def written(T, decays, delta, *, rate=0.3, seed=0):
    """Return queries, what is written, a state, another to restart from, and flags."""
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, B, T, HEADS, K)) / np.sqrt(K)
    v = rng.normal(size=(B, T, HEADS, V))
    log_decay = -rate * rng.exponential(size=(B, T, HEADS, K if decays else 1))
    beta = rng.uniform(size=(B, T, HEADS, 1)) if delta else None
    S, initial = rng.normal(size=(2, B, HEADS, K, V))
    mask = rng.uniform(size=(B, T)) < 0.8
    mask[1] = False
    reset = mask & (rng.uniform(size=(B, T)) < 0.1)
    reset[2] = False
    steps = Write(k, v, log_decay, beta)
    return (q, steps, S, initial), mask, reset


def one_by_one(q, steps, S, initial, mask, reset, reverse):
    """Return the last state, and what is read at real steps, with plain products."""
    S, T = np.array(S), q.shape[1]
    r = np.zeros((*q.shape[:3], V))
    for row, head in np.ndindex(B, HEADS):
        now = S[row, head]
        for t in reversed(range(T)) if reverse else range(T):
            if not mask[row, t]:
                continue
            if reset[row, t]:
                now = initial[row, head]
            k, v = steps.k[row, t, head], steps.v[row, t, head]
            now = np.exp(steps.log_decay[row, t, head])[:, None] * now
            if steps.beta is not None:
                v = steps.beta[row, t, head] * (v - k @ now)
            now = now + np.outer(k, v)
            r[row, t, head] = q[row, t, head] @ now
        S[row, head] = now
    return S, r


@pytest.mark.parametrize(
    ("decays", "delta", "reverse", "where"),
    [
        (False, False, False, "cpu"),
        (False, True, True, "cpu"),
        (True, False, True, "cpu"),
        (True, True, False, "cpu"),
        (True, True, False, "tpu"),
    ],
)
def test_chunks_equal_steps(monkeypatch, decays, delta, reverse, where):
    """Values and a derivative, in float64, over two whole chunks and a piece.

    At the fast decay a step keeps exp(-40): the quotient of two decays of a chunk would
    be infinite.
    """
    monkeypatch.setattr(matrix_chunks, "platform", lambda: where)
    rng = np.random.default_rng(1)
    T = 75
    weights = rng.normal(size=(B, HEADS, K, V)), rng.normal(size=(B, T, HEADS, V))
    arrays, mask, reset = written(T, decays, delta)
    span = Span(mask, reset, reverse)

    def loss(results):
        return sum((a * w).sum() for a, w in zip(results, weights, strict=True))

    def ours(arrays):
        S, r = write_and_read(*arrays, span, size=32)
        r = jnp.where(mask[:, :, None, None], r, 0.0)
        return loss((S, r)), (S, r)

    def plain(arrays):
        return one_by_one(*arrays, mask, reset, reverse)

    with jax.enable_x64(True):
        learn = jax.jit(jax.grad(ours, has_aux=True))
        for rate in (0.3, 40.0):
            arrays, *_ = written(T, decays, delta, rate=rate)
            grads, found = learn(arrays)
            assert_close(found, plain(arrays), FLOAT64)
            np.testing.assert_array_equal(found[0][1], arrays[2][1])  # an empty row
            ahead = jax.tree.map(lambda a: rng.normal(size=a.shape), arrays)
            slopes = jax.tree.map(lambda g, d: (np.asarray(g) * d).sum(), grads, ahead)
            numeric = directional_derivative(lambda a: loss(plain(a)), arrays, ahead)
            assert_close(
                sum(jax.tree.leaves(slopes)), np.float64(numeric), FINITE_DIFFERENCE
            )


def layer(name, H=8, D=5, **options):
    """Return a layer of two heads, whose keys have another size than the values."""
    of_loop = {k: options.pop(k) for k in ("steps", "reverse") if k in options}
    cell = zoo.cells()[name](D, H, num_heads=2, key_size=3, rngs=nnx.Rngs(0), **options)
    return zoo.Recurrent(cell, **of_loop)


@pytest.mark.parametrize("name", ["mlstm", "gated_deltanet"])
def test_layers_in_chunks_equal_the_loop(name):
    """Over more steps than a chunk has; gradients are compared in the contract."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 70, 5)).astype(np.float32)
    mask = np.arange(70) < np.array([70, 41, 0])[:, None]
    reset = rng.uniform(size=(3, 70)) < 0.05
    by_loop, by_chunks = (layer(name, steps=steps) for steps in ("loop", "parallel"))
    state, _ = by_loop(x)
    assert_close(
        by_chunks(x, mask, state, reset=reset),
        by_loop(x, mask, state, reset=reset),
        REFERENCE,
    )


@pytest.mark.parametrize("T", [1, 33, 64])
def test_the_same_key_at_all_steps(T):
    """Each step takes out what the one before has written, and nothing grows."""
    k = np.ones((1, T, 1, 1))
    v = np.random.default_rng(0).normal(size=(1, T, 1, 2))
    steps = Write(*(np.float32(a) for a in (k, v, 0 * k, k)))
    state = np.zeros((1, 1, 1, 2), np.float32)
    S, r = write_and_read(steps.k, steps, state, state, Span(None, None, False))
    assert_close((S[0, 0, 0], r[0, :, 0]), (v[0, -1, 0], v[0, :, 0]), REFERENCE)


def test_no_solver_that_waits_for_ever():
    """Two calls of LAPACK that XLA makes at the same time can stop a CPU's threads."""
    made = layer("deltanet")
    x = jnp.ones((3, 40, 5))
    learn = jax.jit(jax.grad(lambda x: made(x)[1].sum()))
    assert "lapack" not in learn.lower(x).compile().as_text()


def parts(name, x, **sizes):
    """Return the gates of a cell in float64, ``[T, heads, size]``, and its layer."""
    made = layer(name)
    params = {"W": np.asarray(made.cell.W[...], np.float64)}
    return made, numerics.split_heads(params, x.astype(np.float64), **sizes)


X = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)


def test_linear_attention_is_attention():
    """The weights of all pairs of steps, normalised in each row."""
    made, (q, k, v) = parts("linear_attention", X, q=3, k=3, v=4)
    q, k = (np.where(a > 0, a + 1, np.exp(np.minimum(a, 0))) for a in (q, k))
    weights = np.tril(np.einsum("thk,shk->hts", q, k))
    weights /= weights.sum(axis=-1, keepdims=True)
    y = np.einsum("hts,shv->thv", weights, v).reshape(20, -1)
    assert_close(made(X[None])[1][0], y, REFERENCE)


def test_retention_is_attention_that_decays():
    made, (q, k, v, g) = parts("retnet", X, q=3, k=3, v=4, g=4)
    lag = np.arange(20)[:, None] - np.arange(20)
    gamma = np.array([1 - 1 / 32, 1 - 1 / 64])[:, None, None]
    weights = np.tril(np.einsum("thk,shk->hts", q, k) * gamma ** np.maximum(lag, 0))
    r = np.einsum("hts,shv->thv", weights, v) / np.sqrt(3)
    n = np.tril(gamma ** np.maximum(lag, 0)).sum(axis=-1).T
    r /= np.sqrt(n)[..., None]
    r /= np.sqrt((r**2).mean(axis=-1, keepdims=True) + 1e-6)
    y = (numerics.silu(g) * r).reshape(20, -1)
    assert_close(made(X[None])[1][0], y, REFERENCE)


@pytest.mark.parametrize("steps", ["loop", "parallel"])
def test_delta_rule_replaces_what_a_key_stands_for(steps):
    """The same key three times, with beta one: only the last value is left."""
    arrays, _, _ = written(3, False, True)
    q, write, S, _ = jax.tree.map(jnp.float32, arrays)
    k = jnp.broadcast_to(jnp.array([0.6, 0.8, 0.0]), q.shape)
    write = Write(k, write.v, jnp.zeros_like(write.beta), jnp.ones_like(write.beta))
    if steps == "parallel":
        _, r = write_and_read(k, write, S, S, Span(None, None, False))
    else:
        mask = np.ones((B, 3), bool)
        _, r = one_by_one(
            *jax.tree.map(np.asarray, (k, write, S, S)), mask, ~mask, False
        )
    assert_close(r, write.v, REFERENCE)


def mlstm_without_scale(cell, x):
    """Return the outputs by the paper's equations 19 to 27, in plain float64."""
    arrays = {n: np.asarray(getattr(cell, n)[...], np.float64) for n in ("W", "b")}
    K, V, heads = cell.key_size, cell.value_size, cell.num_heads
    sizes = {"q": K, "k": K, "v": V, "i": 1, "f": 1, "o": V}
    arrays["W"] = np.concatenate([arrays["W"], arrays["b"][None]])
    ones = np.ones((len(x), 1))
    gates = numerics.split_heads(arrays, np.concatenate([x, ones], axis=1), **sizes)
    q, k, v, i, f, o = gates
    k, i, f, o = k / np.sqrt(K), np.exp(i), numerics.sigmoid(f), numerics.sigmoid(o)
    C, n, y = np.zeros((heads, K, V)), np.zeros((heads, K)), []
    for t in range(len(x)):
        C = f[t, ..., None] * C + i[t, ..., None] * k[t, :, :, None] * v[t, :, None]
        n = f[t] * n + i[t] * k[t]
        size = np.maximum(np.abs((n * q[t]).sum(axis=1)), 1.0)[:, None]
        y.append(o[t] * np.einsum("hk,hkv->hv", q[t], C) / size)
    return np.stack(y).reshape(len(x), -1)


@pytest.mark.parametrize("steps", ["loop", "parallel"])
def test_mlstm_needs_no_scale_but_for_the_range(steps):
    """The scale of the state is not seen outside, even where exp(log i) is infinite."""
    made = layer("mlstm", steps=steps)
    y = made(X[None])[1][0]
    assert_close(y, mlstm_without_scale(made.cell, X.astype(np.float64)), REFERENCE)

    # In float32 exp(100) is infinite, in float64 not.
    made.cell.b[...] = made.cell.b[...].at[20:22].set(jnp.array([100.0, -100.0]))
    y = made(X[None])[1][0]
    assert_close(y, mlstm_without_scale(made.cell, X.astype(np.float64)), 1e-4)


def test_mlstm_begins_with_spread_forget_gates():
    cell = zoo.MatrixLSTMCell(3, 8, num_heads=4, rngs=nnx.Rngs(0))
    W, b = np.asarray(cell.W[...]), np.asarray(cell.b[...])
    np.testing.assert_allclose(b[28:32], [3, 4, 5, 6])
    assert (np.delete(b, np.s_[24:32]) == 0).all()
    assert (W[:, 24:32] == 0).all() and (np.delete(W, np.s_[24:32], axis=1) != 0).all()
    many = zoo.MatrixLSTMCell(3, 500, num_heads=500, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(np.std(many.b[...][1500:2000]), 0.1, rtol=0.1)


def test_gated_deltanet_begins_slow():
    cell = zoo.GatedDeltaNetCell(3, 64, num_heads=64, rngs=nnx.Rngs(0))
    rates, steps = np.exp(cell.A_log[...]), jax.nn.softplus(cell.b[...])
    assert 0 < rates.min() < 1 and 15 < rates.max() <= 16
    assert 0.00099 < steps.min() < 0.002 and 0.05 < steps.max() < 0.101


def test_what_matrix_cells_have_not():
    def cell(**options):
        return zoo.GLACell(3, 4, **options, rngs=nnx.Rngs(0))

    with pytest.raises(ValueError, match="num_heads must divide hidden_size = 4"):
        cell(num_heads=3)
    with pytest.raises(ValueError, match="key_size must be an int of 1 or more, got 0"):
        cell(key_size=0)
    with pytest.raises(ValueError, match="hidden_size must be an int of 1 or more"):
        zoo.GLACell(3, 0, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="recurrent_dropout acts on the h that recurrent"):
        zoo.Recurrent(cell(), recurrent_dropout=0.1)
    with pytest.raises(ValueError, match="zoneout acts on one state after the other"):
        zoo.Recurrent(cell(), steps="parallel", zoneout=0.1)
    empty = zoo.Recurrent(cell(), steps="parallel")(np.zeros((2, 0, 3), np.float32))
    assert empty[1].shape == (2, 0, 4)
    assert zoo.RetNetCell(3, 4, rngs=nnx.Rngs(0)).b is None
    assert zoo.RetNetCell(3, 4, bias=True, rngs=nnx.Rngs(0)).b.shape == (16,)
