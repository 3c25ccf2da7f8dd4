"""Matrix-valued states: the chunked form, and the equivalent forms of the papers."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers import numerics
from tests.helpers.numerical_contract import directional_derivative
from tests.helpers.tolerances import (
    FINITE_DIFFERENCE,
    FLOAT64,
    REFERENCE,
    assert_close,
    assert_identical,
)
from tests.helpers.typed import present, untyped
from zoo.engine import matrix_chunks
from zoo.engine.masks import Span
from zoo.engine.matrix_chunks import Write, write_and_read

B, HEADS, K, V = 3, 2, 3, 2


class Inputs(NamedTuple):
    """The differentiable arguments of `write_and_read`, in float64.

    Attributes:
        q: queries ``[B, T, HEADS, K]``.
        steps: what all steps write.
        S: the state before the first step.
        initial: the state that a reset restarts from.
    """

    q: Any
    steps: Write
    S: Any
    initial: Any


def random_inputs(
    T: int, key_decay: bool, delta: bool, *, rate: float = 0.3
) -> tuple[Inputs, np.ndarray, np.ndarray]:
    """Return random inputs, a mask, and resets.

    Args:
        T: number of steps.
        key_decay: a decay for each entry of a key, not one for each head.
        delta: write by the delta rule.
        rate: scale of the decay.
    """
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, B, T, HEADS, K)) / np.sqrt(K)
    v = rng.normal(size=(B, T, HEADS, V))
    log_decay = -rate * rng.exponential(size=(B, T, HEADS, K if key_decay else 1))
    beta = rng.uniform(size=(B, T, HEADS, 1)) if delta else None
    S, initial = rng.normal(size=(2, B, HEADS, K, V))
    mask = rng.uniform(size=(B, T)) < 0.8
    mask[1] = False
    reset = mask & (rng.uniform(size=(B, T)) < 0.1)
    reset[2] = False
    steps = Write(*untyped((k, v, log_decay, beta)))
    return Inputs(q, steps, S, initial), mask, reset


def loop(
    inputs: Inputs, mask: np.ndarray, reset: np.ndarray, reverse: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the final state, and the reads at real steps, by a loop in NumPy."""
    q, steps, S, initial = inputs
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
    ("key_decay", "delta", "reverse", "platform"),
    [
        (False, False, False, "cpu"),
        (False, True, True, "cpu"),
        (True, False, True, "cpu"),
        (True, True, False, "cpu"),
        (True, True, False, "tpu"),
    ],
)
def test_chunks_equal_the_loop(monkeypatch, key_decay, delta, reverse, platform):
    """Values and a directional derivative in float64, over two chunks and a part.

    At the fast decay a step keeps exp(-40): the quotient of two decays within a chunk
    would overflow.
    """
    monkeypatch.setattr(matrix_chunks, "platform", lambda: platform)
    rng = np.random.default_rng(1)
    T = 75
    weights = rng.normal(size=(B, HEADS, K, V)), rng.normal(size=(B, T, HEADS, V))
    _, mask, reset = random_inputs(T, key_decay, delta)
    span = Span(jnp.asarray(mask), jnp.asarray(reset), reverse)

    def loss(results):
        return sum((a * w).sum() for a, w in zip(results, weights, strict=True))

    def chunked_loss(inputs: Inputs):
        S, r = write_and_read(*inputs, span, size=32)
        r = jnp.where(mask[:, :, None, None], r, 0.0)
        return loss((S, r)), (S, r)

    def loop_loss(inputs: Inputs):
        return loss(loop(inputs, mask, reset, reverse))

    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(chunked_loss, has_aux=True))
        for rate in (0.3, 40.0):
            inputs, *_ = random_inputs(T, key_decay, delta, rate=rate)
            grads, results = gradient(inputs)
            assert_close(results, loop(inputs, mask, reset, reverse), FLOAT64)
            np.testing.assert_array_equal(results[0][1], inputs.S[1])  # an empty row
            direction = jax.tree.map(lambda a: rng.normal(size=a.shape), inputs)
            terms = jax.tree.map(
                lambda g, d: (np.asarray(g) * d).sum(), grads, direction
            )
            slope = sum(jax.tree.leaves(terms))
            numeric = directional_derivative(loop_loss, inputs, direction)
            assert_close(slope, np.float64(numeric), FINITE_DIFFERENCE)


def layer(name: str, **options: Any) -> zoo.Recurrent:
    """Return a layer of two heads, with keys and values of different sizes."""
    sizes = {"num_heads": 2, "key_size": 3}
    cell = untyped(zoo.cells()[name])(5, 8, rngs=nnx.Rngs(0), **sizes)
    return zoo.Recurrent(cell, **options)


@pytest.mark.parametrize("name", ["mlstm", "gated_deltanet"])
def test_chunked_layers_equal_the_loop(name):
    """Over more steps than one chunk; the contract compares the gradients."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 70, 5)).astype(np.float32)
    mask = np.arange(70) < np.array([70, 41, 0])[:, None]
    reset = rng.uniform(size=(3, 70)) < 0.05
    sequential, chunked = (layer(name, steps=s) for s in ("loop", "parallel"))
    state, _ = sequential(x)
    assert_close(
        chunked(x, mask, state, reset=reset),
        sequential(x, mask, state, reset=reset),
        REFERENCE,
    )


@pytest.mark.parametrize("T", [1, 33, 64])
def test_the_same_key_at_all_steps(T):
    """Each step replaces the value of the step before, so that nothing grows."""
    k = np.ones((1, T, 1, 1))
    v = np.random.default_rng(0).normal(size=(1, T, 1, 2))
    steps = Write(*(jnp.asarray(a, jnp.float32) for a in (k, v, 0 * k, k)))
    state = jnp.zeros((1, 1, 1, 2))
    S, r = write_and_read(steps.k, steps, state, state, Span(None, None, False))
    assert_close((S[0, 0, 0], r[0, :, 0]), (v[0, -1, 0], v[0, :, 0]), REFERENCE)


def test_the_delta_rule_calls_no_linear_solver():
    """Two LAPACK calls that XLA runs at the same time can deadlock on a CPU."""
    deltanet = layer("deltanet")
    x = jnp.ones((3, 40, 5))
    gradient = jax.jit(jax.grad(lambda x: deltanet(x)[1].sum()))
    assert "lapack" not in present(gradient.lower(x).compile().as_text())


def layer_and_gates(
    name: str, x: np.ndarray, **sizes: int
) -> tuple[zoo.Recurrent, list[np.ndarray]]:
    """Return a layer, and its projected inputs ``[T, heads, size]`` in float64."""
    recurrent = layer(name)
    params = {"W": np.asarray(recurrent.cell.W[...], np.float64)}
    return recurrent, numerics.split_heads(params, x.astype(np.float64), **sizes)


X = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)


def test_linear_attention_is_attention():
    """The quadratic form: one weight per pair of steps, normalised in each row."""
    recurrent, (q, k, v) = layer_and_gates("linear_attention", X, q=3, k=3, v=4)
    q, k = (np.where(a > 0, a + 1, np.exp(np.minimum(a, 0))) for a in (q, k))
    weights = np.tril(np.einsum("thk,shk->hts", q, k))
    weights /= weights.sum(axis=-1, keepdims=True)
    y = np.einsum("hts,shv->thv", weights, v).reshape(20, -1)
    assert_close(recurrent(X[None])[1][0], y, REFERENCE)


def test_retention_is_attention_with_decay():
    recurrent, (q, k, v, g) = layer_and_gates("retnet", X, q=3, k=3, v=4, g=4)
    lag = np.arange(20)[:, None] - np.arange(20)
    gamma = np.array([1 - 1 / 32, 1 - 1 / 64])[:, None, None]
    weights = np.tril(np.einsum("thk,shk->hts", q, k) * gamma ** np.maximum(lag, 0))
    r = np.einsum("hts,shv->thv", weights, v) / np.sqrt(3)
    n = np.tril(gamma ** np.maximum(lag, 0)).sum(axis=-1).T
    r /= np.sqrt(n)[..., None]
    r /= np.sqrt((r**2).mean(axis=-1, keepdims=True) + 1e-6)
    y = (numerics.silu(g) * r).reshape(20, -1)
    assert_close(recurrent(X[None])[1][0], y, REFERENCE)


@pytest.mark.parametrize("steps", ["loop", "parallel"])
def test_delta_rule_replaces_the_value_of_a_key(steps):
    """The same key three times with beta = 1: only the last value is read."""
    inputs, _, _ = random_inputs(3, False, True)
    q, write, S, _ = jax.tree.map(jnp.float32, inputs)
    k = jnp.broadcast_to(jnp.array([0.6, 0.8, 0.0]), q.shape)
    ones = jnp.ones_like(write.beta)
    write = Write(k, write.v, 0 * ones, ones)
    if steps == "parallel":
        _, r = write_and_read(k, write, S, S, Span(None, None, False))
    else:
        mask = np.ones((B, 3), bool)
        arrays = jax.tree.map(np.asarray, Inputs(k, write, S, S))
        _, r = loop(arrays, mask, ~mask, False)
    assert_close(r, write.v, REFERENCE)


def unstabilised_mlstm(cell: Any, x: np.ndarray) -> np.ndarray:
    """Return the outputs by equations 19 to 27 of the paper, in NumPy."""
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
def test_mlstm_equals_its_unstabilised_form(steps):
    """The stabiliser changes no output, even where exp(i) overflows in float32."""
    mlstm = layer("mlstm", steps=steps)
    y = mlstm(X[None])[1][0]
    assert_close(y, unstabilised_mlstm(mlstm.cell, X.astype(np.float64)), REFERENCE)

    # exp(100) is infinite in float32, and finite in float64.
    b = present(mlstm.cell.b)
    b[...] = b[...].at[20:22].set(jnp.array([100.0, -100.0]))
    y = mlstm(X[None])[1][0]
    assert_close(y, unstabilised_mlstm(mlstm.cell, X.astype(np.float64)), 1e-4)


def test_mlstm_initialises_spread_forget_gates():
    cell = zoo.MatrixLSTMCell(3, 8, num_heads=4, rngs=nnx.Rngs(0))
    W, b = np.asarray(cell.W[...]), np.asarray(present(cell.b)[...])
    np.testing.assert_allclose(b[28:32], [3, 4, 5, 6])
    assert (np.delete(b, np.s_[24:32]) == 0).all()
    assert (W[:, 24:32] == 0).all() and (np.delete(W, np.s_[24:32], axis=1) != 0).all()
    many = zoo.MatrixLSTMCell(3, 500, num_heads=500, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(np.std(present(many.b)[...][1500:2000]), 0.1, rtol=0.1)


def test_gated_deltanet_initialises_slow_decays():
    cell = zoo.GatedDeltaNetCell(3, 64, num_heads=64, rngs=nnx.Rngs(0))
    rates, steps = np.exp(cell.A_log[...]), jax.nn.softplus(present(cell.b)[...])
    assert 0 < rates.min() < 1 and 15 < rates.max() <= 16
    assert 0.00099 < steps.min() < 0.002 and 0.05 < steps.max() < 0.101


def test_errors_of_matrix_cells():
    def cell(**options):
        return zoo.GLACell(3, 4, **options, rngs=nnx.Rngs(0))

    with pytest.raises(ValueError, match="num_heads must divide hidden_size = 4"):
        cell(num_heads=3)
    with pytest.raises(ValueError, match="key_size must be an int of 1 or more, got 0"):
        cell(key_size=0)
    with pytest.raises(ValueError, match="hidden_size must be an int of 1 or more"):
        zoo.GLACell(3, 0, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="recurrent_dropout acts on the h that"):
        zoo.Recurrent(cell(), recurrent_dropout=0.1)
    with pytest.raises(ValueError, match="zoneout acts on one state after the other"):
        zoo.Recurrent(cell(), steps="parallel", zoneout=0.1)
    empty = zoo.Recurrent(cell(), steps="parallel")(np.zeros((2, 0, 3), np.float32))
    assert empty[1].shape == (2, 0, 4)
    assert zoo.RetNetCell(3, 4, rngs=nnx.Rngs(0)).b is None
    biased = zoo.RetNetCell(3, 4, bias=True, rngs=nnx.Rngs(0))
    assert present(biased.b).shape == (16,)


@pytest.mark.parametrize(
    "name", [name for name, cell in zoo.cells().items() if cell.family == "matrix"]
)
@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 70)])
def test_empty_batches_and_sequences(name, shape):
    layer = zoo.make(name, 3, 4, rngs=nnx.Rngs(0))
    state, y = layer(jnp.zeros((*shape, 3)), jnp.ones(shape, bool))
    assert y.shape == (*shape, 4)
    assert_identical(state, layer.init_state(shape[0]))
